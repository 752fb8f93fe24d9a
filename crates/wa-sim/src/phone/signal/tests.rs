use super::*;
use wacore_libsignal::protocol::DeviceId;

struct Phone {
    keys: Arc<PhoneKeys>,
    endpoint: Endpoint,
    address: ProtocolAddress,
}

fn phone(number: &str) -> Phone {
    let keys = Arc::new(PhoneKeys::generate());
    Phone { endpoint: Endpoint::new(&keys), keys, address: ProtocolAddress::new(number, DeviceId::new(0)) }
}

fn kind(sealed: &Sealed) -> EncKind {
    EncKind::parse(sealed.kind).unwrap()
}

#[tokio::test]
async fn two_phones_talk_both_ways_from_one_bundle() {
    let (mut alice, mut bob) = (phone("1"), phone("2"));
    let bundle = bob.keys.bundle();
    alice.endpoint.start(&bob.address, &bundle).await.unwrap();
    for text in [&b"one"[..], b"two"] {
        let sealed = alice.endpoint.encrypt(&bob.address, text).await.unwrap();
        assert_eq!(sealed.kind, "pkmsg", "until the other side has answered");
        let opened = bob.endpoint.decrypt(&alice.address, kind(&sealed), &sealed.bytes).await.unwrap();
        assert_eq!(opened, text);
    }
    let used = bundle.one_time.unwrap().0;
    assert!(bob.keys.one_time(used).is_none(), "a one-time key is used once");

    let answer = bob.endpoint.encrypt(&alice.address, b"three").await.unwrap();
    let opened = alice.endpoint.decrypt(&bob.address, kind(&answer), &answer.bytes).await.unwrap();
    assert_eq!(opened, b"three");
    let next = alice.endpoint.encrypt(&bob.address, b"four").await.unwrap();
    assert_eq!(next.kind, "msg");
    assert_eq!(bob.endpoint.decrypt(&alice.address, kind(&next), &next.bytes).await.unwrap(), b"four");
}

#[tokio::test]
async fn a_corrupt_message_fails_alone_and_a_repeat_is_noticed() {
    let (mut alice, mut bob) = (phone("1"), phone("2"));
    alice.endpoint.start(&bob.address, &bob.keys.bundle()).await.unwrap();
    let first = alice.endpoint.encrypt(&bob.address, b"one").await.unwrap();
    bob.endpoint.decrypt(&alice.address, kind(&first), &first.bytes).await.unwrap();
    // After an answer the messages are bare, and end in their MAC.
    let answer = bob.endpoint.encrypt(&alice.address, b"two").await.unwrap();
    alice.endpoint.decrypt(&bob.address, kind(&answer), &answer.bytes).await.unwrap();
    let mut corrupt = alice.endpoint.encrypt(&bob.address, b"three").await.unwrap();
    let next = alice.endpoint.encrypt(&bob.address, b"four").await.unwrap();
    let last = corrupt.bytes.len() - 1;
    corrupt.bytes[last] ^= 1;

    assert!(bob.endpoint.decrypt(&alice.address, kind(&corrupt), &corrupt.bytes).await.is_err());
    let opened = bob.endpoint.decrypt(&alice.address, kind(&next), &next.bytes).await;
    assert_eq!(opened.unwrap(), b"four");
    assert!(bob.endpoint.decrypt(&alice.address, kind(&next), &next.bytes).await.is_err());
}

#[tokio::test]
async fn a_new_bundle_replaces_a_session_that_went_wrong() {
    let (mut alice, mut bob) = (phone("1"), phone("2"));
    alice.endpoint.start(&bob.address, &bob.keys.bundle()).await.unwrap();
    alice.endpoint.encrypt(&bob.address, b"lost").await.unwrap();
    alice.endpoint.start(&bob.address, &bob.keys.bundle()).await.unwrap();
    let sealed = alice.endpoint.encrypt(&bob.address, b"again").await.unwrap();
    let opened = bob.endpoint.decrypt(&alice.address, kind(&sealed), &sealed.bytes).await;
    assert_eq!(opened.unwrap(), b"again");
}

#[tokio::test]
async fn a_ratchet_that_was_set_back_is_told_from_a_repeat() {
    use crate::phone::counters::{Counters, Use, Verdict};

    let (mut alice, bob) = (phone("1"), phone("2"));
    alice.endpoint.start(&bob.address, &bob.keys.bundle()).await.unwrap();
    let before = lock(&alice.endpoint.sessions.0).get(&bob.address).cloned().unwrap();
    let first = alice.endpoint.encrypt(&bob.address, b"one").await.unwrap();
    lock(&alice.endpoint.sessions.0).insert(bob.address.clone(), before);
    let second = alice.endpoint.encrypt(&bob.address, b"two").await.unwrap();
    let next = alice.endpoint.encrypt(&bob.address, b"three").await.unwrap();

    let mut counters = Counters::default();
    let used = |sealed: &Sealed| Use::read(&alice.address, None, kind(sealed), &sealed.bytes).unwrap();
    counters.remember(used(&first));
    assert_eq!(counters.judge(used(&first)), Verdict::Repeat);
    assert_eq!(counters.judge(used(&second)), Verdict::Reused);
    assert_eq!(counters.judge(used(&next)), Verdict::New);
}
