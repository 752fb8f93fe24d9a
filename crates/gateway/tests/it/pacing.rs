//! A paced session sends no more than it may in any rolling window, over hours, restarts and resends; a refused
//! stranger holds up strangers alone. Time is the test's: a clock that it moves, waking the dispatcher at each step.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;
use waypost_domain::{
    Env, FailureCode, Inbound, MessageId, MessageStatus, Pacing, SessionId, Timestamp,
    env::{ManualClock, SystemEntropy},
};
use waypost_gateway::{
    GatewayConfig,
    sessions::{PacingUpdate, SessionUpdate},
};

use crate::{
    network::{Behaviour, Network},
    world::World,
};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const STRANGER: &str = "1415555";

/// Numbers that are quickly reached.
const PACING: Pacing = Pacing {
    per_minute: 6,
    per_day: 90,
    first_contact_per_minute: 2,
    first_contact_per_day: 30,
    jitter_ms: 1000,
    first_contact_pause_secs: 600,
};

struct Paced {
    world: World,
    clock: ManualClock,
    session: SessionId,
}

impl Paced {
    async fn new(pacing: Pacing) -> Self {
        let clock = ManualClock::at(START);
        let env = Env::new(clock.clone(), SystemEntropy);
        let config = GatewayConfig { pacing, ack_timeout: Duration::from_millis(300), ..GatewayConfig::default() };
        let world = World::in_time(config, env).await;
        let session = world.connected_session().await;
        Self { world, clock, session }
    }

    /// Lets time go by, and the gateway do what it may now.
    async fn step(&self, by: Duration) {
        self.clock.advance(by);
        // A change of nothing wakes the dispatcher, as its own timer would if the clock were real.
        self.update(SessionUpdate::default()).await;
        sleep(Duration::from_millis(4)).await;
    }

    /// Steps until `condition` holds, so long at most.
    async fn steps_until(&self, most: Duration, condition: impl AsyncFn() -> bool) {
        let mut gone = Duration::ZERO;
        while !condition().await {
            assert!(gone < most, "in vain for {most:?}");
            self.step(Duration::from_secs(1)).await;
            gone += Duration::from_secs(1);
        }
    }

    async fn is(&self, id: MessageId, status: MessageStatus) -> bool {
        self.world.message(id).await.status() == status
    }

    async fn update(&self, update: SessionUpdate) {
        self.world.gateway.update_session(self.world.tenant, self.session, update).await.unwrap();
    }

    async fn send(&self, to: &str, text: &str) -> MessageId {
        self.world.send(self.session, to, text).await
    }

    async fn hears_from(&self, number: &str) {
        let jid: waypost_domain::Jid = format!("{number}@s.whatsapp.net").parse().unwrap();
        let message = Inbound {
            wa_id: format!("IN{number}").into(),
            chat: jid.clone(),
            sender: jid,
            sender_alt: None,
            from_me: false,
            push_name: None,
            sent_at: self.world.env.now(),
            content: waypost_domain::Content::Text { text: "hello".to_owned() },
        };
        self.world.network.inbound(self.session, vec![message]).await.unwrap();
    }
}

/// When each send call began, by the test's clock.
type Calls = Arc<std::sync::Mutex<Vec<(Timestamp, String, usize)>>>;

/// Notes every send call; every seventh message gets no answer at first.
fn note(network: &Network, clock: &ManualClock) -> Calls {
    let calls = Calls::default();
    let (noted, clock) = (calls.clone(), clock.clone());
    network.behave(move |message, earlier| {
        let mut noted = noted.lock().unwrap();
        let is_seventh = earlier == 0 && noted.len() % 7 == 3;
        noted.push((waypost_domain::Clock::now(&clock), message.to.user().to_owned(), earlier));
        if is_seventh { Behaviour::Silent } else { Behaviour::Ack }
    });
    calls
}

/// The most in any window.
fn most(times: &[Timestamp], window: Duration) -> usize {
    let within = |begin: &Timestamp| times.iter().filter(|at| *at >= begin && at.since(*begin) < window).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_hours_resends_and_a_restart_no_rolling_window_holds_more_than_its_limit() {
    let mut paced = Paced::new(PACING).await;
    let calls = note(&paced.world.network, &paced.clock);
    for friend in 0..5 {
        paced.hears_from(&format!("91987654321{friend}")).await;
    }
    for number in 0..60 {
        paced.send(&format!("{STRANGER}{number:04}"), "hello").await;
        for friend in 0..2 {
            paced.send(&format!("91987654321{}", (number + friend) % 5), &format!("{number}.{friend}")).await;
        }
    }
    for second in 0..3600 {
        if second == 400 {
            paced.world.stop().await;
            paced.world.reopen().await;
            paced.world.start().await;
            paced.world.until_session(paced.session, waypost_domain::SessionStatus::Connected).await;
        }
        paced.step(Duration::from_secs(1)).await;
        if calls.lock().unwrap().len() >= 90 {
            break;
        }
    }
    for _ in 0..600 {
        paced.step(Duration::from_secs(30)).await;
    }
    let calls = calls.lock().unwrap().clone();
    let all: Vec<Timestamp> = calls.iter().map(|(at, ..)| *at).collect();
    // A message that is sent again is a message again, but the same first contact.
    let first: Vec<Timestamp> =
        calls.iter().filter(|(_, to, earlier)| to.starts_with(STRANGER) && *earlier == 0).map(|(at, ..)| *at).collect();
    let minute = Duration::from_mins(1);
    let day = Duration::from_hours(24);
    assert!(most(&all, minute) <= 6, "{} in a minute", most(&all, minute));
    assert!(most(&first, minute) <= 2, "{} first contacts in a minute", most(&first, minute));
    assert!(most(&all, day) <= 90 && most(&first, day) <= 30, "{} and {}", most(&all, day), most(&first, day));
    assert!(all.len() >= 88 && first.len() >= 20, "{} and {}: it goes on", all.len(), first.len());
    let resent = calls.iter().filter(|(_, _, earlier)| *earlier > 0).count();
    assert!(resent >= 5, "{resent} were sent again");

    let mut by_chat: HashMap<_, Vec<String>> = HashMap::new();
    let mut seen = HashSet::new();
    for sent in paced.world.network.sent.borrow().iter().filter(|sent| seen.insert(sent.wa_id.clone())) {
        by_chat.entry(sent.to.clone()).or_default().push(sent.text.clone());
    }
    for texts in by_chat.values() {
        let order: Vec<u32> = texts.iter().map(|text| text.split('.').next().unwrap().parse().unwrap_or(0)).collect();
        assert!(order.is_sorted(), "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stranger_pauses_strangers_alone_and_the_owner_can_end_it() {
    let paced = Paced::new(Pacing { jitter_ms: 0, per_minute: 0, ..PACING }).await;
    paced.hears_from("919876543210").await;
    paced.world.network.behave(|message, _| {
        if message.to.user().ends_with("0001") {
            Behaviour::Refuse(FailureCode::ReachOutLimited)
        } else {
            Behaviour::Ack
        }
    });
    let refused = paced.send("14155550001", "hello").await;
    let failed = paced.world.until(refused, MessageStatus::Failed).await;
    assert_eq!(failed.failure().unwrap().code, FailureCode::ReachOutLimited);
    let until = START.plus(Duration::from_mins(10));
    let stranger = paced.send("14155550002", "hello").await;
    let known = paced.send("919876543210", "hello").await;
    paced.world.until(known, MessageStatus::Sent).await;
    paced.step(Duration::from_mins(5)).await;
    assert!(paced.is(stranger, MessageStatus::Queued).await, "where it can be canceled");
    let view = paced.world.gateway.get_session(paced.world.tenant, paced.session).await.unwrap();
    let pause = view.first_contact_pause.unwrap();
    assert_eq!((pause.until, pause.code), (until, FailureCode::ReachOutLimited));

    // It outlives the process.
    let mut paced = paced;
    paced.world.stop().await;
    paced.world.reopen().await;
    paced.world.start().await;
    paced.world.until_session(paced.session, waypost_domain::SessionStatus::Connected).await;
    paced.step(Duration::from_secs(200)).await;
    assert!(paced.is(stranger, MessageStatus::Queued).await);

    paced.update(SessionUpdate { end_first_contact_pause: true, ..SessionUpdate::default() }).await;
    paced.world.until(stranger, MessageStatus::Sent).await;
    let view = paced.world.gateway.get_session(paced.world.tenant, paced.session).await.unwrap();
    assert_eq!(view.first_contact_pause, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_by_itself_and_whoever_writes_is_no_stranger_any_more() {
    let paced = Paced::new(Pacing { jitter_ms: 0, per_minute: 0, ..PACING }).await;
    paced.world.network.behave(|message, _| {
        if message.to.user().ends_with("0001") {
            Behaviour::Refuse(FailureCode::ReachOutLimited)
        } else {
            Behaviour::Ack
        }
    });
    let refused = paced.send("14155550001", "hello").await;
    paced.world.until(refused, MessageStatus::Failed).await;
    let (one, other) = (paced.send("14155550002", "0").await, paced.send("14155550003", "0").await);
    let behind = paced.send("14155550003", "1").await;
    paced.step(Duration::from_mins(1)).await;
    assert!(paced.is(one, MessageStatus::Queued).await && paced.is(other, MessageStatus::Queued).await);
    paced.hears_from("14155550003").await;
    paced.world.until(other, MessageStatus::Sent).await;
    paced.world.until(behind, MessageStatus::Sent).await;
    assert!(paced.is(one, MessageStatus::Queued).await);
    paced.steps_until(Duration::from_mins(10), async || paced.is(one, MessageStatus::Sent).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pace_holds_at_once_and_what_may_not_go_stays_queued() {
    let paced = Paced::new(Pacing { per_minute: 2, ..Pacing::OFF }).await;
    let mut ids = Vec::new();
    for text in ["0", "1", "2", "3"] {
        ids.push(paced.send("919876543210", text).await);
    }
    paced.world.until(ids[1], MessageStatus::Sent).await;
    paced.step(Duration::from_secs(30)).await;
    assert!(paced.is(ids[2], MessageStatus::Queued).await && paced.is(ids[3], MessageStatus::Queued).await);
    let three = PacingUpdate { per_minute: Some(Some(3)), ..PacingUpdate::default() };
    paced.update(SessionUpdate { pacing: three, ..SessionUpdate::default() }).await;
    paced.world.until(ids[2], MessageStatus::Sent).await;
    paced.step(Duration::from_secs(10)).await;
    assert!(paced.is(ids[3], MessageStatus::Queued).await);
    let off = PacingUpdate { per_minute: Some(Some(0)), ..PacingUpdate::default() };
    paced.update(SessionUpdate { pacing: off, ..SessionUpdate::default() }).await;
    paced.world.until(ids[3], MessageStatus::Sent).await;
}
