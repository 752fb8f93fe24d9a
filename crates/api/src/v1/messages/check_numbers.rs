//! `POST /api/messages/check-numbers`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{Jid, PhoneNumber, SessionId, Timestamp};
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
pub struct CheckNumbersRequest {
    /// The session that is to ask.
    #[schema(value_type = Uuid, example = "0192f3a0-0000-7000-8000-000000000001")]
    session_id: SessionId,
    /// International numbers in digits (`+`, blanks, dashes, dots and brackets are tolerated).
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 100, example = json!(["919876543210", "5511987654321"]))]
    numbers: Vec<PhoneNumber>,
}

impl FromFields for CheckNumbersRequest {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let session_id = fields.required("sessionId", rules::id);
        let items = fields.required("numbers", rules::items(1..=MOST)).unwrap_or_default();
        let read = |(index, item)| {
            let number = rules::parsed(item);
            number.map_err(|sentence| fields.refuse::<()>(&format!("numbers[{index}]"), sentence)).ok()
        };
        let numbers = items.into_iter().enumerate().filter_map(read).collect();
        Some(Self { session_id: session_id?, numbers })
    }
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
    fn from(CheckedNumber { number, jid, lid, checked_at, cached }: CheckedNumber) -> Self {
        Self { number, exists: jid.is_some(), jid, lid, checked_at, cached }
    }
}

/// Check numbers
///
/// Says of up to 100 numbers whether they have a WhatsApp account, and under which address, in the order in which they
/// were given. Where the form that was given has no account, the other forms of its country are looked up too (Brazil,
/// Mexico, Argentina). Answers are remembered: for a week where there is an account, for an hour where there is none.
/// WhatsApp bans accounts that look up many strangers, so each session may look up only so many numbers a minute; past
/// that, or where WhatsApp itself limits, the answer is `RATE_LIMITED`.
#[utoipa::path(
    post,
    path = "/messages/check-numbers",
    operation_id = "checkNumbers",
    tag = "Messages",
    request_body = CheckNumbersRequest,
    responses(
        (status = 200, description = "One answer for each number", body = Success<Vec<CheckedNumberAnswer>>),
        BadBody, Missing, Unavailable, Authenticated,
    ),
)]
pub async fn check_numbers(
    State(app): State<App>,
    tenant: Tenant<SendMessages>,
    Body(request): Body<CheckNumbersRequest>,
) -> Result<Success<Vec<CheckedNumberAnswer>>, ApiError> {
    let checked = app.gateway.check_numbers(tenant.id, request.session_id, request.numbers).await?;
    Ok(Success::new(checked.into_iter().map(CheckedNumberAnswer::from).collect()))
}
