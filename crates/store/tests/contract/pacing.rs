//! Pacing: the lane of first contacts, what is counted, and what a session's owner sets.

use std::time::{Duration, Instant};

use waypost_domain::{
    FailureCode, FirstContactPause, Jid, MessageId, MessageStatus, PacingChoice, SessionId, TenantId,
};
use waypost_store::{PacedClaim, PacedClaimed, SessionSettings, Spent};

use crate::support::{TestDatabase, jid};

const FRIEND: &str = "919876543210";

struct Paced<'a> {
    db: &'a TestDatabase,
    tenant: TenantId,
    session: SessionId,
}

impl<'a> Paced<'a> {
    async fn new(db: &'a TestDatabase) -> Self {
        let tenant = db.tenant();
        Self { db, tenant, session: db.session(tenant).await.id }
    }

    async fn claim_past(&self, on_their_way: &[Jid], limit: u32, first_contacts: u32) -> PacedClaimed {
        let wanted = PacedClaim {
            tenant_id: self.tenant,
            session_id: self.session,
            busy: Vec::new(),
            on_their_way: on_their_way.to_vec(),
            limit,
            first_contacts,
            now: self.db.tick(),
        };
        self.db.store.claim_paced_system(wanted).await.unwrap()
    }

    async fn claim(&self, limit: u32, first_contacts: u32) -> PacedClaimed {
        self.claim_past(&[], limit, first_contacts).await
    }

    async fn accepted(&self, to: &str) -> MessageId {
        self.db.accepted(self.tenant, self.session, to).await.id
    }

    /// Somebody writes, and is known from then on.
    async fn hears_from(&self, from: &str) {
        let mut message = self.db.inbound(self.tenant, self.session, "A1");
        (message.inbound.chat, message.inbound.sender) = (jid(from), jid(from));
        self.db.store.store_inbound(vec![message]).await.unwrap();
    }
}

fn claimed(claim: &PacedClaimed) -> Vec<(MessageId, bool)> {
    claim.messages.iter().map(|message| (message.id, message.first_contact)).collect()
}

on_both_databases! {
    async fn a_claim_of_known_chats_passes_any_number_of_first_contacts_by(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        for n in 0..600 {
            paced.accepted(&format!("1415555{n:04}")).await;
        }
        paced.hears_from(FRIEND).await;
        let known = paced.accepted(FRIEND).await;
        let mut claims = 0;
        let found = loop {
            let claim = paced.claim(8, 0).await;
            assert!(claim.first_contacts_wait);
            claims += 1;
            assert!(claims < 10, "each claim looks further");
            if !claim.messages.is_empty() {
                break claim;
            }
            assert!(claim.more, "what is not looked at yet is said");
        };
        assert_eq!(claimed(&found), [(known, false)]);
        // From here on the 600 are not read again.
        let next = paced.accepted(FRIEND).await;
        assert_eq!(claimed(&paced.claim(8, 0).await), [(next, false)]);
    }

    async fn a_stranger_gets_one_message_and_the_next_when_it_is_settled(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        let (first, second) = (paced.accepted(FRIEND).await, paced.accepted(FRIEND).await);
        let other = paced.accepted("14155550100").await;
        let claim = paced.claim(8, 8).await;
        assert_eq!(claimed(&claim), [(first, true), (other, true)]);
        let on_their_way = [jid(FRIEND), jid("14155550100")];
        let third = paced.accepted(FRIEND).await;
        let claim = paced.claim_past(&on_their_way, 8, 8).await;
        assert_eq!((claimed(&claim), claim.first_contacts_wait), (vec![], false));

        db.advance_to(paced.session, first, MessageStatus::Sent).await;
        db.store.met_system(paced.session, vec![jid(FRIEND)]).await.unwrap();
        assert_eq!(claimed(&paced.claim_past(&on_their_way[1..], 8, 0).await), [(second, false), (third, false)]);
    }

    async fn while_one_of_a_chat_waits_in_the_lane_those_behind_it_do_too(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        let first = paced.accepted(FRIEND).await;
        assert_eq!(paced.claim(8, 0).await.messages, vec![]);
        paced.hears_from(FRIEND).await;
        let second = paced.accepted(FRIEND).await;
        // Nobody said yet that the chat is known: the second may not overtake the first.
        assert_eq!(paced.claim(8, 0).await.messages, vec![]);
        db.store.met_system(paced.session, vec![jid(FRIEND)]).await.unwrap();
        assert_eq!(claimed(&paced.claim(8, 0).await), [(first, false), (second, false)]);
    }

    async fn what_a_process_that_died_did_not_come_to_say_is_found_out(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        let stranger = paced.accepted("14155550100").await;
        let first = paced.accepted(FRIEND).await;
        paced.claim(8, 0).await;
        paced.hears_from(FRIEND).await;
        db.store.met_anew_system(paced.tenant, paced.session).await.unwrap();
        assert_eq!(claimed(&paced.claim(8, 0).await), [(first, false)]);
        assert_eq!(claimed(&paced.claim(8, 1).await), [(stranger, true)]);
        let sending = db.store.sending_paced_system(paced.tenant, paced.session).await.unwrap();
        let sending: Vec<_> = sending.iter().map(|message| (message.id, message.first_contact)).collect();
        assert_eq!(sending, [(stranger, true), (first, false)]);
    }

    async fn only_a_person_whom_this_very_session_met_is_known(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        let elsewhere = Paced { db, tenant: paced.tenant, session: db.session(paced.tenant).await.id };
        elsewhere.hears_from(FRIEND).await;
        let failed = paced.accepted(FRIEND).await;
        assert_eq!(claimed(&paced.claim(8, 8).await), [(failed, true)]);
        let failure = waypost_domain::Failure::new(FailureCode::RecipientUnknown);
        db.advance(paced.session, failed, waypost_domain::StatusChange::Failed(failure)).await;
        let again = paced.accepted(FRIEND).await;
        assert_eq!(claimed(&paced.claim(8, 8).await), [(again, true)]);
        let mut group = db.outbound(paced.tenant, paced.session, "14155550100");
        group.remote_jid = "120363000000000000@g.us".parse().unwrap();
        db.store.accept_message(group.clone()).await.unwrap();
        assert_eq!(claimed(&paced.claim(8, 0).await), [(group.id, false)]);
    }

    async fn what_a_claim_takes_is_counted_in_the_same_commit(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        paced.hears_from(FRIEND).await;
        paced.accepted(FRIEND).await;
        paced.accepted("14155550100").await;
        paced.claim(8, 8).await;
        let at = db.tick();
        db.store.spend_system(paced.session, at, false).await.unwrap();
        let spent = db.store.spent_system(paced.session, at.minus(Duration::from_hours(1))).await.unwrap();
        let total = spent.iter().fold((0, 0), |sum, minute| (sum.0 + minute.sent, sum.1 + minute.first_contacts));
        assert_eq!(total, (3, 1));
        assert_eq!(spent.last().map(|minute| minute.last_at), Some(at));

        assert_eq!(db.store.prune_spent_system(at.plus(Duration::from_hours(1))).await.unwrap(), spent.len() as u64);
        let none: Vec<Spent> = Vec::new();
        assert_eq!(db.store.spent_system(paced.session, at.minus(Duration::from_hours(1))).await.unwrap(), none);
    }

    async fn a_session_that_is_not_paced_any_more_gets_its_messages_back_in_order(db: &TestDatabase) {
        let paced = Paced::new(db).await;
        let mut ids = Vec::new();
        for n in 0..10 {
            ids.push(paced.accepted(&format!("1415555{n:04}")).await);
        }
        paced.claim(8, 0).await;
        db.store.leave_lanes_system(paced.session).await.unwrap();
        let claim = db.store.claim_queued_system(paced.session, &[], 64, db.tick()).await.unwrap().messages;
        assert_eq!(claim.iter().map(|message| message.id).collect::<Vec<_>>(), ids);
    }

    async fn settings_read_back_and_only_their_tenant_changes_them(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        let now = db.tick();
        let choice = PacingChoice { per_minute: Some(7), jitter_ms: Some(0), ..PacingChoice::default() };
        let settings = SessionSettings { name: Some("Back office".into()), pacing: Some(choice), ..Default::default() };
        let foreign = db.store.change_session_settings(db.tenant(), session.id, settings.clone(), now).await.unwrap();
        assert_eq!(foreign, None);
        let changed = db.store.change_session_settings(session.tenant_id, session.id, settings, now).await.unwrap();
        assert_eq!(db.store.session(session.tenant_id, session.id).await.unwrap(), changed);
        let changed = changed.unwrap();
        assert_eq!((changed.name.as_str(), changed.pacing, changed.updated_at), ("Back office", choice, now));

        let pause = FirstContactPause { until: now, code: FailureCode::ReachOutLimited, repeats: 2 };
        db.store.set_first_contact_pause_system(session.id, Some(pause.clone())).await.unwrap();
        let read = async || db.store.session(session.tenant_id, session.id).await.unwrap().unwrap();
        assert_eq!(read().await.first_contact_pause, Some(pause));
        let end = SessionSettings { first_contact_pause: Some(None), ..Default::default() };
        db.store.change_session_settings(session.tenant_id, session.id, end, now).await.unwrap();
        assert_eq!((read().await.first_contact_pause, read().await.pacing), (None, choice));
    }
}

/// Not a promise but a measurement: `cargo test … -- --ignored --nocapture a_hundred_thousand`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn a_hundred_thousand_strangers_ahead() {
    crate::support::run(TestDatabase::sqlite().await, async |db| {
        let paced = Paced::new(db).await;
        for hundreds in 0..200 {
            let accepts = (0..500).map(|n| {
                db.store.accept_message(db.outbound(
                    paced.tenant,
                    paced.session,
                    &format!("1415{:07}", hundreds * 500 + n),
                ))
            });
            futures::future::join_all(accepts).await;
        }
        paced.hears_from(FRIEND).await;
        paced.accepted(FRIEND).await;
        let begun = Instant::now();
        let mut claims = 0;
        while paced.claim(8, 0).await.messages.is_empty() {
            claims += 1;
        }
        println!("found behind 100,000 strangers after {claims} claims, {:?}", begun.elapsed());
        for _ in 0..3 {
            paced.accepted(FRIEND).await;
            let begun = Instant::now();
            assert_eq!(paced.claim(8, 0).await.messages.len(), 1);
            println!("the next: {:?}", begun.elapsed());
        }
    })
    .await;
}
