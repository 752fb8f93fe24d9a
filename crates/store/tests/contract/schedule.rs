//! When messages are queued, and when they expire.

use std::time::Duration;

use waypost_domain::{FailureCode, MessageId, MessageStatus, SessionId, TenantId, Timestamp};
use waypost_store::{EvidenceOutcome, ExpiryTimes, NewOutbound, Store};

use crate::support::TestDatabase;

const MINUTE: Duration = Duration::from_mins(1);

async fn accept(db: &TestDatabase, message: NewOutbound) -> MessageId {
    db.store.accept_message(message.clone()).await.unwrap();
    message.id
}

async fn scheduled(db: &TestDatabase, tenant: TenantId, session: SessionId, at: Timestamp) -> MessageId {
    let message = NewOutbound { send_at: Some(at), ..db.outbound(tenant, session, "919876543210") };
    accept(db, message).await
}

async fn expiring(db: &TestDatabase, tenant: TenantId, session: SessionId, at: Timestamp) -> MessageId {
    let message = NewOutbound { expires_at: Some(at), ..db.outbound(tenant, session, "919876543210") };
    accept(db, message).await
}

/// The ids and kinds of the tenant's events.
async fn events(db: &TestDatabase, tenant: TenantId) -> Vec<(String, String)> {
    let events = db.store.events_after(tenant, 0, 1000).await.unwrap();
    events.iter().map(|event| (event.kind.as_str().to_owned(), event.data["id"].as_str().unwrap().to_owned())).collect()
}

async fn expire(store: &Store, now: Timestamp, grace: Duration) -> Vec<(MessageId, FailureCode)> {
    let times = ExpiryTimes { now, unconfirmed: now.minus(grace) };
    let failed = store.fail_expired_system(times).await.unwrap();
    failed.iter().map(|message| (message.id, message.code)).collect()
}

on_both_databases! {
    async fn a_scheduled_message_is_queued_when_its_time_comes_also_after_a_restart(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let at = db.tick().plus(MINUTE);
        let id = scheduled(db, tenant, session, at).await;
        let read = db.store.message(tenant, id).await.unwrap().unwrap();
        assert_eq!((read.status(), read.send_at, read.expires_at), (MessageStatus::Scheduled, Some(at), None));
        assert_eq!(events(db, tenant).await, [], "it is not queued yet");

        let early = db.store.queue_due_system(at.minus(Duration::from_millis(1))).await.unwrap();
        assert_eq!((early.sessions, early.next), (vec![], Some(at)));
        assert!(db.store.claim_queued_system(session, &[], 9, at.plus(MINUTE)).await.unwrap().messages.is_empty());

        let restarted = db.reopen().await;
        let due = restarted.queue_due_system(at).await.unwrap();
        assert_eq!((due.sessions, due.next), (vec![session], None));
        restarted.close().await;
        let read = db.store.message(tenant, id).await.unwrap().unwrap();
        let steps: Vec<_> = read.timeline.iter().map(|step| (step.status, step.at)).collect();
        assert_eq!(steps, [(MessageStatus::Scheduled, read.created_at), (MessageStatus::Queued, at)]);
        assert_eq!(events(db, tenant).await, [("message.queued".to_owned(), id.to_string())]);
        assert_eq!(db.store.claim_queued_system(session, &[], 9, at).await.unwrap().messages[0].id, id);
    }

    async fn a_time_that_has_come_already_is_no_schedule(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut message = db.outbound(tenant, session, "919876543210");
        message.send_at = Some(message.created_at);
        let id = accept(db, message).await;
        assert_eq!(db.status(tenant, id).await, MessageStatus::Queued);
        assert_eq!(events(db, tenant).await.len(), 1);
    }

    async fn what_is_due_is_queued_by_its_time_then_by_acceptance_a_part_at_a_time(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let base = db.tick().plus(Duration::from_hours(1));
        let mut expected = Vec::new();
        for n in 0..600_u64 {
            // Three times, the latest first.
            let at = base.plus(MINUTE * u32::try_from(2 - n % 3).unwrap());
            expected.push((at, n, scheduled(db, tenant, session, at).await.to_string()));
        }
        expected.sort_unstable();
        let now = base.plus(MINUTE * 2);
        let mut commits = 0;
        while db.store.queue_due_system(now).await.unwrap().next.is_some() {
            commits += 1;
        }
        assert!(commits >= 2, "one commit would hold up everybody else");
        let queued: Vec<String> = events(db, tenant).await.into_iter().map(|(_, id)| id).collect();
        assert_eq!(queued, expected.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>());
    }

    async fn a_scheduled_message_can_be_canceled_and_is_then_never_queued(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let at = db.tick().plus(MINUTE);
        let id = scheduled(db, tenant, session, at).await;
        let outcome = db.advance_to(session, id, MessageStatus::Canceled).await;
        assert_eq!(outcome, EvidenceOutcome::Advanced(MessageStatus::Canceled));
        let due = db.store.queue_due_system(at).await.unwrap();
        assert_eq!((due.sessions, due.next), (vec![], None));
        assert_eq!(db.status(tenant, id).await, MessageStatus::Canceled);
    }

    async fn what_has_expired_is_not_claimed_and_fails(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let at = db.tick().plus(MINUTE);
        let expired = expiring(db, tenant, session, at).await;
        let mut late = db.outbound(tenant, session, "919876543210");
        (late.send_at, late.expires_at) = (Some(at.plus(MINUTE)), Some(at));
        let late = accept(db, late).await;
        let later = expiring(db, tenant, session, at.plus(Duration::from_millis(1))).await;
        let never = db.accepted(tenant, session, "919876543210").await.id;
        assert_eq!(db.store.next_expiry_system(MINUTE).await.unwrap(), Some(at));
        assert_eq!(expire(&db.store, at.minus(Duration::from_millis(1)), MINUTE).await, []);

        let claimed = db.store.claim_queued_system(session, &[], 9, at).await.unwrap().messages;
        let claimed: Vec<_> = claimed.into_iter().map(|message| (message.id, message.expires_at)).collect();
        assert_eq!(claimed, [(later, Some(at.plus(Duration::from_millis(1)))), (never, None)]);

        let restarted = db.reopen().await;
        let mut failed = expire(&restarted, at, MINUTE).await;
        failed.sort_unstable_by_key(|(id, _)| *id);
        let mut expected = vec![(expired, FailureCode::Expired), (late, FailureCode::Expired)];
        expected.sort_unstable_by_key(|(id, _)| *id);
        assert_eq!(failed, expected);
        assert_eq!(expire(&restarted, at, MINUTE).await, []);
        restarted.close().await;
        let read = db.store.message(tenant, expired).await.unwrap().unwrap();
        assert_eq!(read.failure().unwrap().code, FailureCode::Expired);
        assert_eq!(read.expires_at, Some(at));
        let told = events(db, tenant).await;
        assert!(told.contains(&("message.failed".to_owned(), expired.to_string())), "{told:?}");
    }

    async fn what_was_handed_over_has_a_grace_and_then_nobody_confirmed_it(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let at = db.tick().plus(MINUTE);
        let id = expiring(db, tenant, session, at).await;
        db.store.claim_queued_system(session, &[], 9, db.tick()).await.unwrap();
        assert_eq!(db.store.next_expiry_system(MINUTE).await.unwrap(), Some(at.plus(MINUTE)));
        assert_eq!(expire(&db.store, at.plus(MINUTE).minus(Duration::from_millis(1)), MINUTE).await, []);
        assert_eq!(expire(&db.store, at.plus(MINUTE), MINUTE).await, [(id, FailureCode::NoAck)]);
        // The truth may still come out.
        let outcome = db.advance_to(session, id, MessageStatus::Delivered).await;
        assert_eq!(outcome, EvidenceOutcome::Advanced(MessageStatus::Delivered));
        assert_eq!(db.store.next_expiry_system(MINUTE).await.unwrap(), None, "what is settled does not expire");
    }

    async fn many_expire_a_part_at_a_time(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let at = db.tick();
        let messages = (0..700).map(|_| expiring(db, tenant, session, at));
        futures::future::join_all(messages).await;
        let mut parts = Vec::new();
        loop {
            let failed = expire(&db.store, at, MINUTE).await.len();
            if failed == 0 {
                break;
            }
            parts.push(failed);
        }
        assert!(parts.len() >= 2 && parts.iter().sum::<usize>() == 700, "{parts:?}");
    }
}
