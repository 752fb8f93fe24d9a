//! A trace of a text, from its accept to its `read`: every span on its way names the tenant, the session and the message,
//! and none of them is there at INFO.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};
use waypost_domain::MessageStatus;

use crate::{network::Behaviour, world::World};

const ADA: &str = "919876543210";
const TEXT: &str = "a secret";

/// A span's fields, by name; its own name is among them.
type Fields = BTreeMap<String, String>;

/// Every span of ours, in the order in which they began.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

/// Where a span stands in the list.
struct Place(usize);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::from([("name".to_owned(), attributes.metadata().name().to_owned())]);
        attributes.record(&mut Reader(&mut fields));
        let mut spans = self.0.lock().unwrap();
        context.span(id).unwrap().extensions_mut().insert(Place(spans.len()));
        spans.push(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let extensions = span.extensions();
        let Some(Place(place)) = extensions.get() else { return };
        values.record(&mut Reader(&mut self.0.lock().unwrap()[*place]));
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("waypost")
}

/// Sends a text that is read, and returns the names of its message, session and tenant with every span that there was.
async fn spans_of_a_text(level: Level) -> ([(&'static str, String); 3], Vec<Fields>) {
    let spans = Spans::default();
    let layer = spans.clone().with_filter(filter_fn(is_ours)).with_filter(LevelFilter::from_level(level));
    // The whole test runs on this thread.
    let _traced = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let mut world = World::new().await;
    world.network.behave(|_, _| Behaviour::AckEarly);
    let session = world.connected_session().await;
    let message = world.send(session, ADA, TEXT).await;
    world.until(message, MessageStatus::Read).await;
    world.stop().await;
    let names = [
        ("message.id", message.to_string()),
        ("session.id", session.to_string()),
        ("tenant.id", world.tenant.to_string()),
    ];
    let seen = spans.0.lock().unwrap().clone();
    (names, seen)
}

#[tokio::test]
async fn every_span_on_the_way_of_a_text_names_its_tenant_its_session_and_its_message() {
    let (names, spans) = spans_of_a_text(Level::DEBUG).await;
    let (id, message) = &names[0];
    let on_its_way: Vec<_> = spans.iter().filter(|span| span.get(*id) == Some(message)).collect();
    for span in &on_its_way {
        for (name, value) in &names {
            assert_eq!(span.get(*name), Some(value), "{span:?}");
        }
    }
    let said: Vec<_> = on_its_way.iter().map(|span| span["name"].as_str()).collect();
    let position = |wanted: &str| said.iter().position(|name| *name == wanted).unwrap_or_else(|| panic!("{said:?}"));
    assert!(position("accept_message") < position("hand_over") && position("hand_over") < position("send"));
    let read = on_its_way.iter().any(|span| span.get("status").is_some_and(|status| status == "read"));
    assert!(read && said.contains(&"record"), "{on_its_way:?}");
    for name in ["heard", "commit"] {
        assert!(spans.iter().any(|span| span["name"] == name), "{name}");
    }
    let everything = format!("{spans:?}");
    assert!(!everything.contains(TEXT) && !everything.contains(ADA), "{everything}");
}

#[tokio::test]
async fn at_info_there_is_no_span() {
    let (_, spans) = spans_of_a_text(Level::INFO).await;
    assert!(spans.is_empty(), "{spans:?}");
}
