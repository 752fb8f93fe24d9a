//! `GET /api/messages`

use axum::extract::State;
use utoipa::{
    IntoParams,
    openapi::{
        KnownFormat, ObjectBuilder, SchemaFormat, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Object,
    },
};
use waypost_domain::{Direction, MessageStatus, Recipient};
use waypost_gateway::lists::MessageFilter;

use super::{DIRECTIONS, MessageAnswer, known_directions, known_statuses};
use crate::{
    App,
    auth::{ReadMessages, Tenant},
    envelope::Listed,
    error::ApiError,
    input::{Fields, FromFields, Query, Window, rules},
    openapi::{Authenticated, BadInput, SINCE_1970},
};

const WITH: &str = "\
    With this person or group, sent and received: what `to` of an answer says, a number in any form, or a JID. Whichever \
    addresses of a person are known, each finds the messages under all of them.";

/// Which messages, and which part of them.
pub struct ListQuery {
    filter: MessageFilter,
    window: Window,
}

impl FromFields for ListQuery {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let filter = MessageFilter {
            session_id: fields.optional("sessionId", rules::id),
            status: fields.optional("status", rules::one_of(&MessageStatus::ALL, MessageStatus::as_str)),
            direction: fields.optional("direction", rules::one_of(&DIRECTIONS, Direction::as_str)),
            with: fields.optional("to", rules::parsed).map(|to: Recipient| to.to_jid()).into_iter().collect(),
            from: fields.optional("from", rules::query_time),
            until: fields.optional("until", rules::query_time),
        };
        Some(Self { filter, window: Window::read(fields) })
    }
}

/// The forms of `to` that are sure to be read, as in the body of a message.
const TO: &str = r"^(\+?[1-9]([ -]?[0-9]){6,14}|[1-9][0-9]{6,14}@s\.whatsapp\.net|[0-9]{1,32}@lid|[0-9]{1,31}(-[0-9]{1,31})?@g\.us)$";

impl IntoParams for ListQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let time = || {
            let form = Some(SchemaFormat::KnownFormat(KnownFormat::DateTime));
            text().format(form).pattern(Some(SINCE_1970)).build()
        };
        let id = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build();
        let param = |(name, schema, description): (&str, Object, &str)| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        };
        let own = [
            ("sessionId", id, "Of this session."),
            ("status", known_statuses(), "With this status."),
            ("direction", known_directions(), "Sent, or received."),
            ("to", text().pattern(Some(TO)).build(), WITH),
            ("from", time(), "Created at or after this time."),
            ("until", time(), "Created before this time."),
        ];
        own.into_iter().map(param).chain(Window::params()).collect()
    }
}

/// List messages
///
/// Newest first. Following `pagination.nextCursor` walks the whole list at an even pace, however long it is; `page`
/// counts it, and ends at 10000 rows. A page ends early, with a `nextCursor`, at 1 MiB of content, and where few
/// messages match in a long history (a `status` other than `scheduled`, `failed` and `canceled`; two filters at once).
#[utoipa::path(
    get,
    path = "/messages",
    operation_id = "listMessages",
    tag = "Messages",
    params(ListQuery),
    responses((status = 200, description = "The messages", body = Listed<MessageAnswer>), BadInput, Authenticated),
)]
pub async fn list(
    State(app): State<App>,
    tenant: Tenant<ReadMessages>,
    Query(ListQuery { filter, window }): Query<ListQuery>,
) -> Result<Listed<MessageAnswer>, ApiError> {
    let page = app.gateway.list_messages(tenant.id, filter, window.request()).await?;
    Ok(Listed::new(window, page, MessageAnswer::from))
}
