//! Which version of WhatsApp Web this process claims to be.
//!
//! It is set, or looked up once and shared by all clients; each of them asking for itself at every connect would be a
//! stampede. Where it cannot be had, the version that the client library was released with is used: WhatsApp accepts
//! versions for months, and says clearly when it does not any more ([`waypost_domain::EndReason::ClientOutdated`]).

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Mutex;
use wacore::store::Device;
use waypost_domain::{Env, Timestamp};
use whatsapp_rust::{http::HttpClient, version::fetch_latest_app_version};

/// Primary, secondary and tertiary number.
pub(crate) type Version = (u32, u32, u32);

/// How long a failed lookup is not repeated.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// The one place that knows the version.
pub(crate) struct VersionSource {
    env: Env,
    timeout: Duration,
    /// Where to look it up; `None` in front of a simulator, which has no opinion.
    http: Option<Arc<dyn HttpClient>>,
    /// What the configuration says.
    configured: Option<Version>,
    /// What was set since: it wins.
    fixed: RwLock<Option<Version>>,
    lookup: Mutex<Lookup>,
}

#[derive(Default)]
struct Lookup {
    found: Option<Version>,
    failed_at: Option<Timestamp>,
}

impl VersionSource {
    pub(crate) fn new(
        env: Env,
        configured: Option<Version>,
        http: Option<Arc<dyn HttpClient>>,
        timeout: Duration,
    ) -> Self {
        Self { env, timeout, http, configured, fixed: RwLock::default(), lookup: Mutex::default() }
    }

    /// Sets the version for connections made from now on; `None` returns to what is configured, or to a new lookup.
    pub(crate) fn set(&self, version: Option<Version>) {
        *self.fixed.write().unwrap_or_else(PoisonError::into_inner) = version;
        // A lookup that is under way right now brings what is new anyway.
        if let Ok(mut lookup) = self.lookup.try_lock() {
            *lookup = Lookup::default();
        }
    }

    /// The version to claim.
    pub(crate) async fn current(&self) -> Version {
        let fixed = *self.fixed.read().unwrap_or_else(PoisonError::into_inner);
        match (fixed.or(self.configured), &self.http) {
            (Some(version), _) => version,
            (None, None) => built_in(),
            (None, Some(http)) => self.looked_up(http).await.unwrap_or_else(built_in),
        }
    }

    /// Forgets a version that WhatsApp refused, so that the next connect looks for a newer one.
    pub(crate) async fn refused(&self) {
        *self.lookup.lock().await = Lookup::default();
    }

    /// The looked-up version. Whoever comes while a lookup runs waits for its result.
    async fn looked_up(&self, http: &Arc<dyn HttpClient>) -> Option<Version> {
        let mut lookup = self.lookup.lock().await;
        if lookup.found.is_some() {
            return lookup.found;
        }
        if lookup.failed_at.is_some_and(|at| self.env.now().since(at) < RETRY_AFTER) {
            return None;
        }
        let error = match tokio::time::timeout(self.timeout, fetch_latest_app_version(http)).await {
            Ok(Ok(version)) => {
                lookup.found = Some(version);
                return lookup.found;
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(
            error,
            "could not look up the current version of WhatsApp Web; using the one this release was built with"
        );
        lookup.failed_at = Some(self.env.now());
        None
    }
}

/// The version that the client library was released with.
fn built_in() -> Version {
    let device = Device::new();
    (device.app_version_primary, device.app_version_secondary, device.app_version_tertiary)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use wacore::net::{HttpRequest, HttpResponse};
    use waypost_domain::env::{ManualClock, SeededEntropy};
    use whatsapp_rust::{anyhow, async_trait};

    use super::*;

    /// Answers the lookup with `revision`, or not at all where it is 0.
    struct Page {
        revision: AtomicU32,
        asked: AtomicU32,
    }

    #[async_trait]
    impl HttpClient for Page {
        async fn execute(&self, _request: HttpRequest) -> anyhow::Result<HttpResponse> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.revision.load(Ordering::SeqCst) {
                0 => Err(anyhow::anyhow!("no route to host")),
                revision => Ok(HttpResponse {
                    status_code: 200,
                    body: format!(r#"{{\"client_revision\":{revision}}}"#).into_bytes(),
                }),
            }
        }
    }

    fn source(revision: u32, fixed: Option<Version>) -> (VersionSource, Arc<Page>, ManualClock) {
        let page = Arc::new(Page { revision: AtomicU32::new(revision), asked: AtomicU32::new(0) });
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(1));
        let source = VersionSource::new(env, fixed, Some(page.clone()), Duration::from_secs(5));
        (source, page, clock)
    }

    #[tokio::test]
    async fn many_clients_share_one_lookup() {
        let (source, page, _) = source(1_050_000_000, None);
        let source = Arc::new(source);
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let source = source.clone();
                tokio::spawn(async move { source.current().await })
            })
            .collect();
        for version in asking {
            assert_eq!(version.await.unwrap(), (2, 3000, 1_050_000_000));
        }
        assert_eq!(page.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn without_an_answer_the_built_in_version_serves_and_the_lookup_rests() {
        let (source, page, clock) = source(0, None);
        assert_eq!(source.current().await, built_in());
        assert_eq!(source.current().await, built_in());
        assert_eq!(page.asked.load(Ordering::SeqCst), 1);
        page.revision.store(1_050_000_000, Ordering::SeqCst);
        clock.advance(RETRY_AFTER);
        assert_eq!(source.current().await, (2, 3000, 1_050_000_000));
    }

    #[tokio::test]
    async fn a_set_version_is_never_looked_up() {
        let (source, page, _) = source(1_050_000_000, Some((2, 3000, 1)));
        assert_eq!(source.current().await, (2, 3000, 1));
        source.set(Some((2, 3000, 2)));
        assert_eq!(source.current().await, (2, 3000, 2));
        source.set(None);
        assert_eq!(source.current().await, (2, 3000, 1), "back to what is configured");
        assert_eq!(page.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_version_that_is_taken_back_is_looked_up_anew() {
        let (source, page, _) = source(1_050_000_000, None);
        source.current().await;
        source.set(Some((2, 3000, 2)));
        page.revision.store(1_060_000_000, Ordering::SeqCst);
        source.set(None);
        assert_eq!(source.current().await, (2, 3000, 1_060_000_000));
    }

    #[tokio::test]
    async fn a_refused_version_is_looked_up_again() {
        let (source, page, _) = source(1_050_000_000, None);
        source.current().await;
        page.revision.store(1_060_000_000, Ordering::SeqCst);
        source.refused().await;
        assert_eq!(source.current().await, (2, 3000, 1_060_000_000));
    }
}
