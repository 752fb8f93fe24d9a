//! The log: one line for each thing that happened, as text or as JSON, on standard error.
//!
//! No request waits for a line to be written: a thread of its own writes them, and standard error may be a pipe that
//! nobody empties. Up to [`MAX_LINES`] wait for it; what comes on top is dropped, counted, and told of.
//!
//! It never carries key material: what `wacore_libsignal` logs (raw LIDs, identity and ratchet keys, at WARN and above:
//! docs/protocol.md, "Logs") is dropped whatever the filter says, and so is what names phone numbers and pairing codes.
//! Records of the `log` crate, which whatsapp-rust writes, come through the same filter.

use std::{
    io::{BufWriter, IsTerminal},
    time::Duration,
};

use tracing::{Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{LevelFilter, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::sections::{self, LogFormat};

/// Targets, by their beginnings, whose lines carry keys, phone numbers or pairing codes: libsignal's, and those of
/// whatsapp-rust's linking by code (at INFO).
const NEVER: [&str; 3] = ["wacore_libsignal", "Client/PairCode", "Bot/PairCode"];

/// The most lines that wait to be written: some megabytes.
const MAX_LINES: usize = 16_384;

/// How often it is told how many lines were dropped.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// The log of this process. When it is dropped it writes what waits, for a second at most.
#[must_use]
pub struct Log {
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

/// Starts the log.
pub fn start(settings: &sections::Log) -> Log {
    // Buffered: when many lines wait they are written together, and when none waits what there is goes out.
    let lines = BufWriter::new(std::io::stderr());
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_LINES).finish(lines);
    let dropped = writer.error_counter();
    subscriber(settings, writer, std::io::stderr().is_terminal()).init();
    Log { dropped, _guard: guard }
}

impl Log {
    /// Tells of lines that were dropped, for as long as it runs.
    pub fn tell_of_losses(&self) -> impl Future<Output = ()> + Send + use<> {
        let dropped = self.dropped.clone();
        async move {
            let mut told = 0;
            loop {
                tokio::time::sleep(TELL_EVERY).await;
                let lines = dropped.dropped_lines();
                if lines > told {
                    tracing::warn!(
                        lines = lines - told,
                        "lines of this log were dropped: it was not taken off fast enough"
                    );
                    told = lines;
                }
            }
        }
    }
}

fn subscriber<W>(settings: &sections::Log, writer: W, colours: bool) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::new(directives(&settings.log_level.0));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format.0 {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(may_be_logged))
}

/// A level alone is for our own crates; those of others, which tell of every statement and every connection, are heard
/// from WARN on until the filter names them. (A list of their targets would not do: whatsapp-rust makes up its own.)
fn directives(filter: &str) -> String {
    let words = filter.split(',').map(str::trim).filter(|word| !word.is_empty());
    let directive = |word: &str| match word.parse::<LevelFilter>() {
        Ok(level) => format!("{},waypost={level}", level.min(LevelFilter::WARN)),
        Err(_) => word.to_owned(),
    };
    words.map(directive).collect::<Vec<_>>().join(",")
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    !NEVER.iter().any(|never| metadata.target().starts_with(never))
}

/// Whether a text is a level or a filter.
pub fn check_filter(text: &str) -> Result<String, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let understood = |word: &str| match word.rsplit_once('=') {
        None => word.parse::<LevelFilter>().is_ok(),
        Some((target, level)) => !target.is_empty() && level.parse::<LevelFilter>().is_ok(),
    };
    if words.clone().count() > 0 && words.clone().all(understood) && EnvFilter::try_new(text).is_ok() {
        Ok(text.to_owned())
    } else {
        Err("must be a level (error, warn, info, debug, trace, off) or a filter such as info,waypost_gateway=debug"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::forms::As;

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

    fn logged(level: &str, format: LogFormat, act: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let settings = sections::Log { log_level: As(level.to_owned()), log_format: As(format) };
        tracing::subscriber::with_default(subscriber(&settings, move || writer.clone(), false), act);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_carries_key_material_is_never_logged_whatever_the_filter_says() {
        let page = logged("trace,wacore_libsignal=trace", LogFormat::Text, || {
            tracing::error!(target: "wacore_libsignal", "secret 1");
            tracing::error!(target: "wacore_libsignal::protocol::session", "secret 2");
            tracing::error!(target: "Client/PairCode", "secret 3");
            tracing::error!(target: "whatsapp_rust", "harmless");
        });
        assert!(page.contains("harmless"));
        assert!(!page.contains("secret"), "{page}");
    }

    #[test]
    fn the_crates_of_others_are_quiet_until_they_are_named() {
        let act = || {
            tracing::info!(target: "sqlx::query", "select");
            tracing::debug!(target: "waypost_gateway::messages", "ours");
        };
        let page = logged("debug", LogFormat::Text, act);
        assert!(page.contains("ours") && !page.contains("select"), "{page}");
        assert!(logged("info,sqlx=info", LogFormat::Text, act).contains("select"));
        assert_eq!(logged("error,sqlx=off", LogFormat::Text, act), "");
    }

    #[test]
    fn json_lines_carry_their_fields() {
        let line = logged("info", LogFormat::Json, || tracing::info!(session.id = "x", "connected"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["message"], &line["session.id"]), (&"connected".into(), &"x".into()));
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        for filter in ["info", "INFO", "off", "warn,waypost_api=debug", "waypost_api::v1=trace"] {
            assert!(check_filter(filter).is_ok(), "{filter}");
        }
        for wrong in ["", "loud", "waypost_api=loud", "=info", ","] {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
    }
}
