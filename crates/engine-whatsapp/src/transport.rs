//! The WebSocket to WhatsApp: one factory, and with it one TLS configuration, for all sessions. A configuration for
//! each connection would cost 32 KB instead of 12 (docs/protocol.md, "Cost") and resume no TLS session.

use whatsapp_rust::transport::{TokioWebSocketTransportFactory, default_tls_connector};

use crate::config::Dial;

/// The factory of all connections; `None` where there is nowhere to connect to.
pub(crate) fn factory(dial: &Dial) -> Option<TokioWebSocketTransportFactory> {
    let factory = TokioWebSocketTransportFactory::new().with_connector(default_tls_connector());
    match dial {
        Dial::Whatsapp => Some(factory),
        Dial::Simulator(address) => Some(factory.with_url(address)),
        Dial::Nowhere => None,
    }
}
