//! The version of WhatsApp Web that sessions claim to be, set while the server runs.
//!
//! WhatsApp refuses old versions from one day to the next. Its word stops the session and keeps its credentials; the
//! version that is set here lets all of them in again without a restart.

use waypost_domain::ClientVersion;

use crate::{Gateway, GatewayError, Inner, loops::supervise};

/// Its name among the settings in the database.
const NAME: &str = "whatsapp_version";

impl Gateway {
    /// The version that an operator has set; `None` where the configuration or the look-up decides.
    pub async fn client_version(&self) -> Result<Option<ClientVersion>, GatewayError> {
        self.inner.client_version().await
    }

    /// Sets the version for connections made from now on, also after a restart; `None` leaves it to the configuration or
    /// to a new look-up. Sessions that were refused for their version come back, spread out; returns how many.
    pub async fn set_client_version(&self, version: Option<ClientVersion>) -> Result<usize, GatewayError> {
        let inner = &self.inner;
        inner.store.set_setting_system(NAME, version.map(|version| version.to_string())).await?;
        inner.claim_version(version);
        let sessions = supervise::resume_outdated(inner).await?;
        let version = version.map(|version| version.to_string());
        tracing::info!(version, sessions, "the operator set the version of WhatsApp Web");
        Ok(sessions)
    }
}

impl Inner {
    /// Applies what an operator has set in an earlier process. What this version cannot read counts as not set: nothing
    /// else waits for it.
    pub(crate) async fn restore_client_version(&self) -> Result<(), GatewayError> {
        match self.client_version().await {
            Ok(Some(version)) => self.claim_version(Some(version)),
            Ok(None) => {}
            Err(error @ GatewayError::Internal(_)) => tracing::error!(%error, "the operator's version is left out"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn client_version(&self) -> Result<Option<ClientVersion>, GatewayError> {
        let written = self.store.setting_system(NAME).await?;
        let version = written.map(|text| text.parse()).transpose();
        version.map_err(|_| GatewayError::Internal("the version in the database is none".to_owned()))
    }

    fn claim_version(&self, version: Option<ClientVersion>) {
        for engine in &self.engines {
            engine.set_client_version(version);
        }
    }
}
