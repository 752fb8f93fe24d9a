//! One line in the log for each request (docs/logging.md has its form).
//!
//! The line has the route's pattern and never the path: what a client writes does not get into the log.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{Method, StatusCode},
};
use uuid::Uuid;

use crate::{auth::Entered, input::ClientAddress};

/// The target of the lines, by which a filter of the log names them.
const TARGET: &str = "waypost_api::access";

/// What a request ends with whose client hung up before the answer (nginx's number for it).
const HUNG_UP: u16 = 499;

/// A request that is being answered. It gets its line when it is answered, or when it is dropped before.
pub struct Asked {
    id: Uuid,
    method: &'static str,
    route: Option<MatchedPath>,
    started: Instant,
    /// Who sent it, as far as is known yet.
    pub client: ClientAddress,
    /// Who was let in, as far as is known yet.
    pub entered: Option<Entered>,
    status: u16,
}

impl Asked {
    /// Looks at a request, which the router has found its route for.
    pub fn by(request: &Request, id: Uuid) -> Self {
        Self {
            id,
            method: name(request.method()),
            route: request.extensions().get().cloned(),
            started: Instant::now(),
            client: ClientAddress::of_connection(request.extensions()),
            entered: None,
            status: HUNG_UP,
        }
    }

    /// The route's pattern, `-` if there is no such route.
    pub fn route(&self) -> &str {
        self.route.as_ref().map_or("-", MatchedPath::as_str)
    }

    /// Writes the line.
    pub fn answered(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    fn is_routine(&self) -> bool {
        let route = self.route();
        let documentation = ["/api/docs", "/api/v1/docs", "/api/openapi.json", "/api/v1/openapi.json"];
        route.starts_with("/health/") || route == "/metrics" || documentation.iter().any(|page| route.starts_with(page))
    }
}

impl Drop for Asked {
    /// What is asked every few seconds, and what makes up the documentation's page, is said at DEBUG.
    fn drop(&mut self) {
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    http.method = self.method,
                    http.route = self.route(),
                    http.status = self.status,
                    elapsed_ms,
                    client.address = self.client.0.map(tracing::field::display),
                    request.id = %self.id,
                    tenant.id = self.entered.map(|entered| tracing::field::display(entered.tenant)),
                    credential.id = self.entered.map(|entered| tracing::field::display(entered.credential)),
                    "answered"
                )
            };
        }
        if self.is_routine() { line!(tracing::Level::DEBUG) } else { line!(tracing::Level::INFO) }
    }
}

/// A method's name. A client may make one up, as long as a head may be.
fn name(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(act: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(lines, act);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    fn asked(method: &str) -> Asked {
        Asked::by(&Request::builder().method(method).body(Body::empty()).unwrap(), Uuid::nil())
    }

    #[test]
    fn a_request_whose_client_hung_up_has_its_line_too() {
        let line = logged(|| drop(asked("POST")));
        assert!(line.contains("http.status=499") && line.contains(&Uuid::nil().to_string()), "{line}");
    }

    #[test]
    fn a_method_that_a_client_made_up_is_not_repeated() {
        let line = logged(|| asked("BANANA").answered(StatusCode::METHOD_NOT_ALLOWED));
        assert!(line.contains("http.method=\"OTHER\"") && line.contains("http.status=405"), "{line}");
    }
}
