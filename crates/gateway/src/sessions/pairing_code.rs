//! A code to type into the phone instead of scanning a QR code.

use tokio::time::timeout;
use waypost_domain::{PhoneNumber, SessionId, TenantId};
use waypost_engine::PairingCode;

use super::connect::QR_WAIT;
use crate::{Gateway, GatewayError};

impl Gateway {
    /// A code to type into the phone with this number instead of scanning a QR code. Connects first where needed.
    /// `Conflict` where the session is linked already.
    #[tracing::instrument(level = "debug", skip_all, fields(tenant.id = %tenant, session.id = %session))]
    pub async fn session_pairing_code(
        &self,
        tenant: TenantId,
        session: SessionId,
        number: PhoneNumber,
    ) -> Result<PairingCode, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let linked =
            || GatewayError::Conflict("The session is linked already. Log it out to link another account".to_owned());
        if session.live().state.linked {
            return Err(linked());
        }
        self.inner.connect_undisturbed(&session).await?;
        // The network gives a code once it would give a QR code.
        let _ = timeout(QR_WAIT, session.qr_or_end()).await;
        let link = {
            let live = session.live();
            if live.state.linked {
                return Err(linked());
            }
            live.link.as_ref().map(|open| open.link.clone())
        };
        let Some(link) = link else {
            return Err(GatewayError::WhatsappUnavailable("The connection ended before a code was given".to_owned()));
        };
        // The session's steps are free meanwhile: the events of the linking go on.
        Ok(link.pairing_code(&number).await?)
    }
}
