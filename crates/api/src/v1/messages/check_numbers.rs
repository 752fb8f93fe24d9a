//! `POST /api/messages/check-numbers`

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use waypost_domain::{Jid, NumberCheck, PhoneNumber, SessionId, Timestamp};
use waypost_gateway::CheckedNumber;

use crate::{
    App,
    auth::{SendMessages, Tenant},
    envelope::Success,
    error::ApiError,
    input::{Body, Fields, FromFields, rules},
    openapi::{Authenticated, BadBody, Missing, Unavailable},
};

/// The most numbers in one request.
const MOST: usize = 100;

/// Numbers to look up.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[serde(deny_unknown_fields)]
pub struct CheckNumbersRequest {
    /// The session that is to ask.
    #[schema(value_type = Uuid, example = "0192f3a0-0000-7000-8000-000000000001")]
    session_id: SessionId,
    /// International numbers in digits (`+`, blanks, dashes, dots, brackets and what shows nothing are tolerated). What is
    /// none, whatever it is, has an `error` in its place.
    #[schema(value_type = Vec<Value>, min_items = 1, max_items = 100, example = json!(["919876543210", "5511987654321"]))]
    numbers: Vec<Written>,
}

/// An item of the list: a number, or what is none, as it was written and with a sentence that says why.
type Written = Result<PhoneNumber, BadNumberAnswer>;

impl FromFields for CheckNumbersRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let session_id = fields.required("sessionId", rules::id);
        let items = fields.required("numbers", rules::items(1..=MOST)).unwrap_or_default();
        Some(Self { session_id: session_id?, numbers: items.into_iter().map(read).collect() })
    }
}

fn read(item: Value) -> Written {
    let number = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    rules::parsed(item).map_err(|error| BadNumberAnswer { number, error })
}

/// The answer for one item of the list.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = NumberAnswer)]
pub enum NumberAnswer {
    /// It is a number.
    Checked(CheckedNumberAnswer),
    /// It is none.
    Bad(BadNumberAnswer),
}

/// What is no number. It was not looked up.
#[derive(Serialize, ToSchema)]
#[schema(as = BadNumber)]
pub struct BadNumberAnswer {
    /// The item as it was given.
    #[schema(example = "0532030482")]
    number: String,
    /// Why it is no number.
    #[schema(example = "Must start with the country code, not with 0")]
    error: String,
}

/// What WhatsApp says of a number.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckedNumber)]
pub struct CheckedNumberAnswer {
    /// The digits of the number as it was given.
    #[schema(value_type = String, example = "919876543210")]
    number: PhoneNumber,
    /// Whether it has an account, under this form or another one of its country.
    exists: bool,
    /// The account's address, which may be another number than the one that was given. Only where there is an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "919876543210@s.whatsapp.net")]
    jid: Option<Jid>,
    /// The account's LID, where WhatsApp said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "123456789012345@lid")]
    lid: Option<Jid>,
    /// When WhatsApp said so.
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    /// Whether the answer was remembered, not asked for now.
    cached: bool,
}

impl From<CheckedNumber> for CheckedNumberAnswer {
    fn from(CheckedNumber { check: NumberCheck { found, checked_at }, cached }: CheckedNumber) -> Self {
        let exists = found.account.is_some();
        let (jid, lid) = found.account.map_or((None, None), |account| (Some(account.jid), account.lid));
        Self { number: found.number, exists, jid, lid, checked_at, cached }
    }
}

/// Check numbers
///
/// Says of up to 100 numbers whether they have a WhatsApp account, and under which address, in the order in which they
/// were given. What is no number has an `error` in its place, and the others are looked up all the same. Where the form
/// that was given has no account, the other forms of its country are looked up too (Brazil, Mexico, Argentina, Ivory
/// Coast, Benin, Gabon). Answers are remembered: for a week where there is an account, for an hour where there is none.
/// WhatsApp bans accounts that look up many strangers, so each session may look up only so many numbers a minute; past
/// that, or where WhatsApp itself limits, the answer is `RATE_LIMITED`.
#[utoipa::path(
    post,
    path = "/messages/check-numbers",
    operation_id = "checkNumbers",
    tag = "Messages",
    request_body = CheckNumbersRequest,
    responses(
        (status = 200, description = "One answer for each number", body = Success<Vec<NumberAnswer>>),
        BadBody, Missing, Unavailable, Authenticated,
    ),
)]
pub async fn check_numbers(
    State(app): State<App>,
    tenant: Tenant<SendMessages>,
    Body(request): Body<CheckNumbersRequest>,
) -> Result<Success<Vec<NumberAnswer>>, ApiError> {
    let numbers = request.numbers.iter().filter_map(|written| written.as_ref().ok()).cloned().collect();
    let mut checked = app.gateway.check_numbers(tenant.id, request.session_id, numbers).await?.into_iter();
    let answer = |written: Written| match written {
        Ok(_) => checked.next().map(|number| NumberAnswer::Checked(number.into())),
        Err(bad) => Some(NumberAnswer::Bad(bad)),
    };
    Ok(Success::new(request.numbers.into_iter().filter_map(answer).collect()))
}
