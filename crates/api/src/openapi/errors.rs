//! The errors of the document, taken from the error table itself.
//!
//! Each type here is a group of answers for the `responses(…)` of a route. An answer stands once in the document, among
//! its components, and routes refer to it by the group's name and the status.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::{Example, ExampleBuilder},
    },
};
use uuid::Uuid;

use crate::error::{ApiError, ErrorEnvelope};

macro_rules! groups {
    ($($(#[$doc:meta])* $name:ident = [$($error:expr),+ $(,)?];)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let answers = answers(stringify!($name), vec![$($error),+]).into_iter();
                    answers.map(|(status, name, _)| (status, Ref::from_response_name(name).into())).collect()
                }
            }
        )*

        /// Every answer by its name.
        pub fn components() -> Vec<(String, Response)> {
            let groups = [$((stringify!($name), vec![$($error),+])),*];
            let answers = groups.into_iter().flat_map(|(group, errors)| answers(group, errors));
            answers.map(|(_, name, answer)| (name, answer)).collect()
        }
    };
}

groups! {
    /// Of every route that asks for a credential.
    Authenticated = [
        ApiError::Unauthorized("The access token has expired. Refresh it"),
        ApiError::Forbidden("The API key lacks the scope messages:send".into()),
        ApiError::RateLimited(7),
        ApiError::Internal(String::new()),
        ApiError::NotReady(String::new()),
    ];
    /// Of every route for the operator.
    ByOperator = [
        ApiError::Unauthorized("The operator token is not valid"),
        ApiError::RateLimited(7),
        ApiError::Internal(String::new()),
        ApiError::NotReady(String::new()),
    ];
    /// Of the route that asks for nothing at all.
    Alive = [ApiError::Internal(String::new())];
    /// Of the route that asks the database.
    Ready = [ApiError::Internal(String::new()), ApiError::NotReady(String::new())];
    /// Of every other route that asks for no credential.
    Open = [ApiError::RateLimited(7), ApiError::Internal(String::new()), ApiError::NotReady(String::new())];
    /// Of routes that take an id or a query, and of routes that take no body.
    BadInput = [ApiError::field("id", "Must be a UUID")];
    /// Of routes that take a JSON body.
    BadBody = [
        ApiError::field("to", "Must have 7 to 15 digits with the country code, but has 3"),
        ApiError::PayloadTooLarge(1024 * 1024),
        ApiError::UnsupportedMediaType,
    ];
    /// Of routes that take an `Idempotency-Key`.
    Once = [
        ApiError::IdempotencyMismatch,
        ApiError::NotOnWhatsapp("The number has no WhatsApp account, in no form that its country knows. Check the number".into()),
    ];
    /// Of routes that name something.
    Missing = [ApiError::NotFound("session")];
    /// Of routes that the state of a session may forbid.
    WrongState = [ApiError::Conflict("The session is linked already. Log it out to link another account".into())];
    /// Of routes that need WhatsApp.
    Unavailable = [ApiError::WhatsappUnavailable("The session is not connected: it is disconnected. Connect it".into())];
    /// Of routes that a plan limits.
    Limited = [
        ApiError::Forbidden("The API key lacks the scope sessions:write".into()),
        ApiError::LimitExceeded("The limit of sessions is reached: 3 of 3 are in use. Delete one to create another".into()),
    ];
    /// Of the login.
    Login = [ApiError::Unauthorized("The e-mail or the password is wrong")];
    /// Of the exchange of refresh tokens.
    Refresh = [ApiError::Unauthorized("The refresh token is not valid. Log in again")];
    /// Of the registration.
    Registering = [
        ApiError::Forbidden("Registration is closed on this installation".into()),
        ApiError::Conflict("The e-mail is in use. Log in, or register with another one".into()),
    ];
}

/// The answers of a group: status, name, answer.
fn answers(group: &str, errors: Vec<ApiError>) -> Vec<(String, String, Response)> {
    let mut by_status: BTreeMap<String, Vec<ErrorEnvelope>> = BTreeMap::new();
    for error in errors {
        let request_id = Uuid::from_u128(0x0192_f3a0_1111_7000_8000_0000_0000_0001);
        let status = error.parts().0.as_str().to_owned();
        by_status.entry(status).or_default().push(error.envelope(request_id));
    }
    let named = by_status.into_iter().map(|(status, envelopes)| {
        let name = format!("{group}{status}");
        (status, name, answer(&envelopes))
    });
    named.collect()
}

fn answer(envelopes: &[ErrorEnvelope]) -> Response {
    let codes: Vec<_> = envelopes.iter().map(|envelope| envelope.code.as_str()).collect();
    let examples = envelopes.iter().map(|envelope| (envelope.code.clone(), example(envelope)));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ErrorEnvelope::name())))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new().description(codes.join(" or ")).content("application/json", content).build()
}

fn example(envelope: &ErrorEnvelope) -> Example {
    let value = serde_json::to_value(envelope).expect("an envelope is made of strings and maps");
    ExampleBuilder::new().summary(envelope.message.as_str()).value(Some(value)).build()
}
