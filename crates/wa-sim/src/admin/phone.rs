//! Playing the phone that links companions.

use super::Refusal;
use crate::core::Core;
use crate::pairing::{self, PairError, Paired, code};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;

impl From<PairError> for Refusal {
    fn from(error: PairError) -> Self {
        let status = match &error {
            PairError::BadQr(_) | PairError::BadNumber(_) => StatusCode::BAD_REQUEST,
            PairError::Unknown => StatusCode::NOT_FOUND,
            PairError::Refused(_) | PairError::Crypto(_) => StatusCode::UNPROCESSABLE_ENTITY,
            PairError::Timeout => StatusCode::GATEWAY_TIMEOUT,
        };
        Self(status, error.to_string())
    }
}

/// Which phone is meant.
#[derive(Deserialize)]
pub(super) struct Named {
    phone: Option<String>,
}

/// `POST /admin/mock-phone/scan-qr[?phone=…]`, the QR code's text as the body.
pub(super) async fn scan_qr(
    State(core): State<Arc<Core>>,
    Query(named): Query<Named>,
    body: String,
) -> Result<Json<Paired>, Refusal> {
    Ok(Json(pairing::scan_qr(&core, &body, named.phone.as_deref()).await?))
}

#[derive(Deserialize)]
struct Typed {
    code: String,
    phone: Option<String>,
}

/// `POST /admin/mock-phone/enter-code[?phone=…]`, the code as the body, bare or as
/// `{"code":…,"phone":…}`.
pub(super) async fn enter_code(
    State(core): State<Arc<Core>>,
    Query(named): Query<Named>,
    body: String,
) -> Result<Json<Paired>, Refusal> {
    let typed = serde_json::from_str::<Typed>(&body).unwrap_or(Typed { code: body, phone: None });
    let phone = named.phone.or(typed.phone);
    Ok(Json(code::enter(&core, phone.as_deref(), &typed.code).await?))
}
