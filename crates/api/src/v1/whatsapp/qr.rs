//! `GET /api/v1/whatsapp/{id}/qr`

mod accept;
mod picture;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use waypost_domain::{SessionId, Timestamp};

use self::accept::Form;
use crate::{
    App,
    auth::{Tenant, WriteSessions},
    envelope::Success,
    error::ApiError,
    input::{Bare, Id},
    openapi::{Authenticated, BadInput, Missing, WrongState},
};

/// A QR code to scan.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Qr)]
pub struct QrAnswer {
    /// The text to show as a QR code.
    qr: String,
    /// When it stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it stands for bytes in the document")]
struct Picture(Vec<u8>);

/// Get the QR code
///
/// The one that waits now, to be scanned by the phone under Linked devices. `Accept: image/png` or `image/svg+xml`
/// gives the picture. Whoever scans it links their account.
#[utoipa::path(
    get,
    path = "/whatsapp/{id}/qr",
    operation_id = "getQr",
    tag = "Sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses(
        (status = 200, description = "The QR code", content(
            (Success<QrAnswer> = "application/json"),
            (Picture = "image/png"),
            (String = "image/svg+xml"),
        )),
        BadInput, Missing, WrongState, Authenticated,
    ),
)]
pub async fn qr(
    State(app): State<App>,
    tenant: Tenant<WriteSessions>,
    Id(session): Id<SessionId>,
    headers: HeaderMap,
    _: Bare,
) -> Result<Response, ApiError> {
    let qr = app.gateway.session_qr(tenant.id, session).await?;
    let picture = |kind, bytes: Vec<u8>| ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes);
    Ok(match Form::wanted(&headers) {
        Form::Json => Success::new(QrAnswer { qr: qr.code, expires_at: qr.expires_at }).into_response(),
        Form::Png => picture("image/png", picture::png(&qr.code)?).into_response(),
        Form::Svg => picture("image/svg+xml", picture::svg(&qr.code)?).into_response(),
    })
}
