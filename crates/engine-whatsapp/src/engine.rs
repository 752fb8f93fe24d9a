//! The engine: what all sessions share, and the list of links that are open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use wacore::net::{HttpClient, TransportFactory};
use waypost_domain::{ClientVersion, EngineKind, Env, SessionId};
use waypost_engine::{Engine, EventSink, Link, LinkError, SessionSpec};
use waypost_store::Store;

use crate::{
    config::{ConfigError, Dial, WhatsappConfig},
    dial::GatedFactory,
    http::BoundedHttp,
    link::{LinkCore, WhatsappLink},
    transport,
    version::VersionSource,
};

/// How many pairing codes are made at once: each costs 131,072 rounds of PBKDF2 on a blocking thread.
const PARALLEL_PAIRING_CODES: usize = 2;

/// WhatsApp.
pub struct WhatsappEngine {
    shared: Arc<Shared>,
    /// The links that may be alive, so that [`Engine::forget`] can close a session's line before it takes its keys.
    links: Mutex<HashMap<SessionId, Weak<LinkCore>>>,
}

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) config: WhatsappConfig,
    pub(crate) store: Store,
    pub(crate) env: Env,
    /// `None` in a build for simulators that was told of none.
    pub(crate) transport: Option<Arc<dyn TransportFactory>>,
    /// Whether a simulator is at the other end.
    pub(crate) simulated: bool,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) versions: VersionSource,
    pub(crate) pairing_codes: Semaphore,
}

impl WhatsappEngine {
    /// An engine whose sessions keep their credentials in `store`. Touches no network; an address in the configuration
    /// is resolved, which may read the hosts file.
    pub fn new(config: WhatsappConfig, store: Store, env: Env) -> Result<Self, ConfigError> {
        let dial = Dial::new(config.url.as_deref())?;
        let http: Arc<dyn HttpClient> = Arc::new(BoundedHttp::new(config.parallel_transfers));
        let lookup = (dial == Dial::Whatsapp).then(|| http.clone());
        let versions = VersionSource::new(env.clone(), config.version, lookup, config.version_timeout);
        let shared = Shared {
            transport: transport::factory(&dial).map(|factory| {
                Arc::new(GatedFactory::new(Arc::new(factory), config.dials_per_second)) as Arc<dyn TransportFactory>
            }),
            simulated: matches!(dial, Dial::Simulator(_)),
            pairing_codes: Semaphore::new(PARALLEL_PAIRING_CODES),
            config,
            store,
            env,
            http,
            versions,
        };
        Ok(Self { shared: Arc::new(shared), links: Mutex::default() })
    }

    fn take_link(&self, session: SessionId) -> Option<Arc<LinkCore>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(&session)?.upgrade()
    }
}

#[async_trait]
impl Engine for WhatsappEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Whatsapp
    }

    async fn open(&self, session: SessionSpec, sink: Arc<dyn EventSink>) -> Result<Arc<dyn Link>, LinkError> {
        // Two clients with one device would take the connection from each other without end.
        if let Some(earlier) = self.take_link(session.id) {
            earlier.close().await;
        }
        let id = session.id;
        let core = Arc::new(LinkCore::new(self.shared.clone(), session, sink));
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| link.strong_count() > 0);
        links.insert(id, Arc::downgrade(&core));
        Ok(Arc::new(WhatsappLink::new(core)))
    }

    async fn forget(&self, session: SessionId) -> Result<(), LinkError> {
        let live = self.links.lock().unwrap_or_else(PoisonError::into_inner).get(&session).and_then(Weak::upgrade);
        if let Some(link) = live {
            link.close().await;
        }
        self.shared.store.keys(session).clear().await.map_err(|error| LinkError::Internal(error.to_string()))
    }

    fn set_client_version(&self, version: Option<ClientVersion>) {
        self.shared.versions.set(version.map(|ClientVersion(major, minor, patch)| (major, minor, patch)));
    }
}
