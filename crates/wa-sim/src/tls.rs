//! A certificate made at start, for `localhost` and the loopback addresses.

use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The acceptor and its self-signed certificate.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// PEM, for clients that want to trust it.
    pub(crate) certificate: String,
}

/// Makes a fresh key and certificate.
pub(crate) fn make() -> anyhow::Result<Tls> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), certificate: made.cert.pem() })
}
