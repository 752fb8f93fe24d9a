//! The QR code that waits to be scanned.

use waypost_domain::{SessionId, SessionStatus, TenantId};

use super::Qr;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// The QR code that waits now; a conflict that says what to do where none does.
    pub async fn session_qr(&self, tenant: TenantId, session: SessionId) -> Result<Qr, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        if let Some(qr) = session.qr(self.inner.env.now()) {
            return Ok(qr);
        }
        let what_to_do = match session.status() {
            SessionStatus::Connected => "It is linked already. Log it out to link another account",
            SessionStatus::Connecting | SessionStatus::Qr => "The next QR code is on its way. Ask again in a moment",
            _ => "Connect it to get one",
        };
        let status = session.status();
        Err(GatewayError::Conflict(format!("The session is {status} and no QR code waits. {what_to_do}")))
    }
}
