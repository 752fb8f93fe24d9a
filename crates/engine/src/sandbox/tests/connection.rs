//! Linking, losing and ending the connection.

use waypost_domain::{EndReason, PhoneNumber};

use super::*;
use crate::LinkError;

fn linked_number(told: &Recorder) -> Option<PhoneNumber> {
    told.events().into_iter().rev().find_map(|event| match event {
        SessionEvent::Linked { phone_number, .. } => Some(phone_number),
        _ => None,
    })
}

fn count(told: &Recorder, kind: fn(&SessionEvent) -> bool) -> usize {
    told.events().iter().filter(|event| kind(event)).count()
}

const fn is_connected(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Connected { .. })
}

#[tokio::test]
async fn connecting_links_and_connects_without_a_phone() {
    let bench = Bench::new(SandboxDelays::default()).await;
    bench.link.connect().await.unwrap();
    bench.link.connect().await.unwrap();
    let events = bench.told.events();
    assert!(
        matches!(&events[..], [SessionEvent::Connecting, SessionEvent::Linked { .. }, SessionEvent::Connected { .. }]),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_session_comes_back_linked_to_the_same_number_after_a_restart() {
    let bench = Bench::connected().await;
    let number = linked_number(&bench.told);
    assert!(number.is_some());

    let restarted = SandboxEngine::new(SandboxDelays::NONE, Arc::new(MemoryMailbox::default()), Env::system());
    let told = Arc::new(Recorder::default());
    let spec = SessionSpec { linked: true, phone_number: number.clone(), ..bench.spec.clone() };
    let link = restarted.open(spec, told.clone()).await.unwrap();
    link.connect().await.unwrap();
    let events = told.events();
    assert!(matches!(&events[..], [SessionEvent::Connecting, SessionEvent::Connected { .. }]), "{events:?}");

    // Linked anew, it has the same number again.
    bench.link.logout().await;
    bench.engine.forget(bench.spec.id).await.unwrap();
    bench.link.connect().await.unwrap();
    assert_eq!(linked_number(&bench.told), number);
}

#[tokio::test]
async fn a_pairing_code_links_to_the_number_it_was_asked_for() {
    let bench = Bench::new(SandboxDelays::NONE).await;
    let number: PhoneNumber = "15550200000".parse().unwrap();
    let code = bench.link.pairing_code(&number).await.unwrap();
    assert_eq!(code.code.len(), 8);
    assert_eq!(linked_number(&bench.told), Some(number.clone()));
    assert!(matches!(bench.link.pairing_code(&number).await, Err(LinkError::Conflict(_))));
}

#[tokio::test]
async fn a_send_while_disconnected_waits_and_one_without_a_link_fails() {
    let bench = Bench::new(SandboxDelays::NONE).await;
    assert!(matches!(bench.send("919876543210", "x").await, Err(SendFailure::SessionGone { .. })));
    bench.link.connect().await.unwrap();
    bench.link.disconnect().await;
    assert!(matches!(bench.send("919876543210", "x").await, Err(SendFailure::Park { .. })));
    bench.link.logout().await;
    assert!(matches!(bench.send("919876543210", "x").await, Err(SendFailure::SessionGone { .. })));
}

#[tokio::test]
async fn what_comes_while_disconnected_waits_and_an_acknowledgement_is_lost() {
    let ms = Duration::from_millis;
    let delays = SandboxDelays { ack: ms(1), delivered: ms(2), read: ms(3), reply: ms(4), reconnect: ms(1) };
    let bench = Bench::new(delays).await;
    bench.link.connect().await.unwrap();
    let message = bench.message("919876543210", "reply: are you there?");
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.link.disconnect().await;
    // Another session of the same network shows when the time has come.
    let other = Arc::new(Recorder::default());
    let spec = SessionSpec { id: bench.env.new_id(), ..bench.spec.clone() };
    let link = bench.engine.open(spec, other.clone()).await.unwrap();
    link.connect().await.unwrap();
    link.send(other.connection(), &bench.message("919876543210", "reply: now")).await.unwrap();
    other.until("the other session's answer", |told| !told.texts().is_empty()).await;

    assert!(bench.told.texts().is_empty());
    assert!(bench.told.story(&message.wa_id).is_empty() || bench.told.story(&message.wa_id) == ["acked"]);
    bench.link.connect().await.unwrap();
    bench.told.until("the answer", |told| !told.texts().is_empty()).await;
    let story = bench.told.story(&message.wa_id);
    assert_eq!(story[story.len() - 2..], ["delivered", "read"]);
}

#[tokio::test]
async fn a_dropped_link_is_silent_and_its_successor_gets_what_waited() {
    let bench = Bench::connected().await;
    let before = bench.told.count();
    let Bench { engine, env, spec, told, link, disk } = bench;
    drop(link);
    let heir = Arc::new(Recorder::default());
    let spec = SessionSpec { linked: true, ..spec };
    let link = engine.open(spec.clone(), heir.clone()).await.unwrap();
    assert_eq!(told.count(), before);
    let bench = Bench { engine, env, spec, told: heir, link, disk };
    bench.link.connect().await.unwrap();
    bench.let_everything_happen().await;
    assert_eq!(told.count(), before);
}

#[tokio::test]
async fn a_link_that_was_succeeded_has_no_say_any_more() {
    let bench = Bench::connected().await;
    let spec = SessionSpec { linked: true, ..bench.spec.clone() };
    let heir = bench.engine.open(spec, bench.told.clone()).await.unwrap();
    heir.connect().await.unwrap();
    assert!(matches!(bench.send("919876543210", "x").await, Err(SendFailure::Park { .. })));
    bench.link.disconnect().await;
    bench.link.logout().await;
    heir.send(bench.told.connection(), &bench.message("919876543210", "still connected")).await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_the_repeat_goes_as_usual() {
    let bench = Bench::connected().await;
    let message = bench.send("15550102001", "hello").await.unwrap();
    bench.told.until("connected again", |told| count(told, is_connected) == 2).await;
    assert_eq!(count(&bench.told, |event| matches!(event, SessionEvent::ConnectionLost { .. })), 1);
    assert!(bench.told.story(&message.wa_id).is_empty());
    let earlier = bench.link.send(ConnectionId(1), &message).await;
    assert!(matches!(earlier, Err(SendFailure::Park { .. })), "{earlier:?}");
    bench.link.send(bench.told.connection(), &message).await.unwrap();
    bench.told.until("the repeat is read", |told| told.story(&message.wa_id).contains(&"read")).await;
    assert_eq!(count(&bench.told, is_connected), 2);
}

#[rstest::rstest]
#[case::unlinked("15550102002", |reason: &EndReason| matches!(reason, EndReason::LoggedOut { .. }))]
#[case::restricted("15550102003", |reason: &EndReason| matches!(reason, EndReason::Restricted { until: Some(_), .. }))]
#[case::replaced("15550102004", |reason: &EndReason| matches!(reason, EndReason::Replaced))]
#[case::outdated("15550102005", |reason: &EndReason| matches!(reason, EndReason::ClientOutdated))]
#[tokio::test]
async fn a_connection_that_ends_can_be_made_again(#[case] to: &str, #[case] expected: fn(&EndReason) -> bool) {
    let bench = Bench::connected().await;
    let message = bench.send(to, "goodbye").await.unwrap();
    let ended = move |told: &Recorder| {
        told.events().iter().any(|event| matches!(event, SessionEvent::Ended(reason) if expected(reason)))
    };
    bench.told.until("the end", ended).await;
    assert_eq!(bench.told.story(&message.wa_id), ["acked"]);
    assert!(bench.send("919876543210", "too late").await.is_err());
    bench.link.connect().await.unwrap();
    bench.let_everything_happen().await;
}

#[tokio::test]
async fn an_idle_session_has_no_task_and_the_timer_ends_with_its_work() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let bench = Bench::connected().await;
    assert_eq!(tasks(), 0);
    bench.let_everything_happen().await;
    while tasks() > 0 {
        tokio::task::yield_now().await;
    }
}
