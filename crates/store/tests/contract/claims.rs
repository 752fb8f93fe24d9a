//! The queue: claiming, and what was being sent when a process died.

use std::collections::BTreeSet;

use waypost_domain::{Jid, MessageId, MessageStatus, SessionId};
use waypost_store::{EvidenceOutcome, OutboxMessage};

use crate::support::{TestDatabase, jid};

async fn claim(db: &TestDatabase, session: SessionId, busy: &[Jid], limit: u32) -> Vec<OutboxMessage> {
    db.store.claim_queued_system(session, busy, limit, db.tick()).await.unwrap().messages
}

fn ids(messages: &[OutboxMessage]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

on_both_databases! {
    async fn a_claim_takes_the_oldest_in_the_order_of_acceptance(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut accepted = Vec::new();
        for n in 0..20 {
            accepted.push(db.accepted(tenant, session, &format!("9198765432{:02}", n % 7)).await);
        }
        let claimed = claim(db, session, &[], 12).await;
        let expected: Vec<MessageId> = accepted.iter().map(|message| message.id).collect();
        assert_eq!(ids(&claimed), expected[..12]);
        assert!(claimed.is_sorted_by_key(|message| message.seq));
        assert_eq!(claimed[3].outgoing.wa_id, accepted[3].wa_id);
        assert_eq!(claimed[3].outgoing.content, accepted[3].content);
        assert_eq!(claimed[3].outgoing.to, accepted[3].remote_jid);
        assert_eq!(ids(&claim(db, session, &[], 100).await), expected[12..]);
        assert_eq!(claim(db, session, &[], 100).await, vec![]);
    }

    async fn a_claimed_message_says_sending(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        let now = db.tick();
        db.store.claim_queued_system(session, &[], 1, now).await.unwrap();
        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!(read.status(), MessageStatus::Sending);
        assert_eq!(read.updated_at, now);
        let steps: Vec<_> = read.timeline.iter().map(|step| (step.status, step.at)).collect();
        assert_eq!(steps, [(MessageStatus::Queued, message.created_at), (MessageStatus::Sending, now)]);
    }

    async fn busy_chats_are_left_out(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        for number in ["919876543210", "14155550100", "14155550101", "14155550102"] {
            db.accepted(tenant, session, number).await;
        }
        for busy in [1, 2, 3] {
            let chats: Vec<Jid> = ["919876543210", "14155550100", "14155550101"][..busy].iter().map(|n| jid(n)).collect();
            let claimed = claim(db, session, &chats, 1).await;
            assert!(claimed.iter().all(|message| !chats.contains(&message.outgoing.to)), "{busy}");
        }
        assert_eq!(claim(db, session, &[jid("919876543210")], 9).await, vec![]);
        assert_eq!(claim(db, session, &[], 9).await.len(), 1);
    }

    async fn a_claim_takes_nothing_of_another_session(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let message = db.accepted(tenant, one, "919876543210").await;
        assert_eq!(claim(db, other, &[], 9).await, vec![]);
        assert_eq!(ids(&claim(db, one, &[], 9).await), [message.id]);
    }

    async fn of_concurrent_claims_and_cancellations_each_message_has_one_fate(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut accepted = Vec::new();
        for _ in 0..40 {
            accepted.push(db.accepted(tenant, session, "919876543210").await.id);
        }
        let claims = futures::future::join_all((0..8).map(|_| claim(db, session, &[], 3)));
        let cancellations = futures::future::join_all(
            accepted.iter().map(|id| db.advance_to(session, *id, MessageStatus::Canceled)),
        );
        let (claimed, canceled) = futures::join!(claims, cancellations);
        let claimed: Vec<MessageId> = claimed.concat().iter().map(|message| message.id).collect();
        let canceled: Vec<MessageId> = accepted
            .iter()
            .zip(canceled)
            .filter(|(_, outcome)| *outcome == EvidenceOutcome::Advanced(MessageStatus::Canceled))
            .map(|(id, _)| *id)
            .collect();
        let left = ids(&claim(db, session, &[], 100).await);
        let all: BTreeSet<MessageId> = claimed.iter().chain(&canceled).chain(&left).copied().collect();
        assert_eq!(claimed.len() + canceled.len() + left.len(), 40, "no message twice");
        assert_eq!(all, accepted.into_iter().collect(), "every message once");
    }

    async fn what_was_being_sent_is_found_again_after_a_restart(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut sending = Vec::new();
        for _ in 0..3 {
            sending.push(db.accepted(tenant, session, "919876543210").await.id);
        }
        claim(db, session, &[], 3).await;
        let queued = db.accepted(tenant, session, "919876543210").await;
        db.advance_to(session, sending[1], MessageStatus::Sent).await;

        let restarted = db.reopen().await;
        assert_eq!(ids(&restarted.sending_system(session).await.unwrap()), [sending[0], sending[2]]);
        assert_eq!(restarted.sessions_with_queued_system().await.unwrap(), [session]);
        restarted.close().await;
        assert_eq!(ids(&claim(db, session, &[], 9).await), [queued.id]);
        assert_eq!(db.store.sessions_with_queued_system().await.unwrap(), vec![]);
    }

    async fn a_message_taken_back_from_a_lost_session_keeps_its_place_in_the_queue(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let first = db.accepted(tenant, session, "919876543210").await.id;
        let second = db.accepted(tenant, session, "919876543210").await.id;
        claim(db, session, &[], 1).await;
        db.advance_to(session, first, MessageStatus::Queued).await;
        assert_eq!(ids(&claim(db, session, &[], 9).await), [first, second]);
    }
}
