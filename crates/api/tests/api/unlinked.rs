//! An engine whose phones never scan: its sessions wait with a QR code for good.

use std::sync::Arc;

use async_trait::async_trait;
use waypost_domain::{
    ConnectionId, EngineKind, NumberFound, Outgoing, PhoneNumber, SessionEvent, SessionId, Timestamp,
};
use waypost_engine::{Engine, EventSink, Link, LinkError, PairingCode, SendFailure, SessionSpec};

/// What every QR code of it says.
pub const QR: &str = "2@WhoeverScansThisLinksTheirAccount";

/// Every pairing code of it.
pub const PAIRING: &str = "PAIRCODE";

const LATER: Timestamp = Timestamp::from_secs(4_000_000_000);

pub struct UnlinkedEngine;

struct Waiting {
    session: SessionId,
    sink: Arc<dyn EventSink>,
}

#[async_trait]
impl Engine for UnlinkedEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Whatsapp
    }

    async fn open(&self, session: SessionSpec, sink: Arc<dyn EventSink>) -> Result<Arc<dyn Link>, LinkError> {
        Ok(Arc::new(Waiting { session: session.id, sink }))
    }

    async fn forget(&self, _: SessionId) -> Result<(), LinkError> {
        Ok(())
    }
}

#[async_trait]
impl Link for Waiting {
    async fn connect(&self) -> Result<(), LinkError> {
        self.sink.session_event(self.session, SessionEvent::Qr { code: QR.into(), expires_at: LATER });
        Ok(())
    }

    async fn pairing_code(&self, _: &PhoneNumber) -> Result<PairingCode, LinkError> {
        Ok(PairingCode { code: PAIRING.into(), expires_at: LATER })
    }

    async fn send(&self, _: ConnectionId, _: &Outgoing) -> Result<(), SendFailure> {
        Err(SendFailure::Park { reason: "not linked".into() })
    }

    async fn lookup(&self, _: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
        Err(LinkError::Unavailable("Not linked".into()))
    }

    async fn disconnect(&self) {}

    async fn logout(&self) {}
}
