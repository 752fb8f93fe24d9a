//! Sessions: their states, their events, and what deleting one takes along.

use serde_json::json;
use waypost_domain::{EventType, LastError, MessageStatus, Session, SessionStatus, TenantId, status::FailureCode};
use waypost_store::{KeyEntry, KeyKind, PageRequest, SessionChange};

use crate::support::TestDatabase;

impl TestDatabase {
    async fn change(&self, session: &Session, change: impl FnOnce(&mut SessionChange)) -> Session {
        let mut wanted = SessionChange::new(self.tick(), self.env.new_id());
        change(&mut wanted);
        self.store.change_session(session.tenant_id, session.id, wanted).await.unwrap().unwrap()
    }

    async fn event_kinds(&self, tenant: TenantId) -> Vec<EventType> {
        self.store.events_after(tenant, 0, 100).await.unwrap().iter().map(|event| event.kind).collect()
    }
}

on_both_databases! {
    async fn a_new_session_is_disconnected_and_reads_back(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        assert_eq!(session.status, SessionStatus::Disconnected);
        assert!(!session.linked && !session.wanted);
        assert_eq!(db.store.session(session.tenant_id, session.id).await.unwrap(), Some(session.clone()));
        assert_eq!(db.store.session(db.tenant(), session.id).await.unwrap(), None);
    }

    async fn a_change_touches_what_it_names_and_returns_the_row(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        let at = db.tick();
        let error = LastError {
            until: Some(at),
            retry_at: Some(at),
            attempts: 2,
            ..LastError::new("BANNED", "Wait.", at)
        };
        let changed = db.change(&session, |change| {
            change.status = Some(SessionStatus::Connected);
            change.linked = Some(true);
            change.wanted = Some(true);
            change.phone_number = Some(Some("14155550100".parse().unwrap()));
            change.lid = Some(Some("123456789012345@lid".parse().unwrap()));
            change.push_name = Some("Front desk".into());
            change.last_error = Some(Some(error.clone()));
            change.connected_at = Some(at);
        }).await;
        assert_eq!(db.store.session(session.tenant_id, session.id).await.unwrap(), Some(changed.clone()));
        assert_eq!((changed.linked, changed.wanted, changed.connected_at), (true, true, Some(at)));
        assert_eq!(changed.last_error, Some(error));
        assert!(changed.updated_at > session.updated_at);

        let cleared = db.change(&session, |change| {
            change.phone_number = Some(None);
            change.last_error = Some(None);
        }).await;
        let expected = Session {
            phone_number: None, last_error: None, updated_at: cleared.updated_at, ..changed
        };
        assert_eq!(cleared, expected);
    }

    async fn a_changed_status_writes_its_event_and_an_unchanged_one_none(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        db.change(&session, |change| change.status = Some(SessionStatus::Connecting)).await;
        db.change(&session, |change| change.status = Some(SessionStatus::Qr)).await;
        db.change(&session, |change| change.status = Some(SessionStatus::Qr)).await;
        let mut event_id = None;
        let at = db.tick();
        db.change(&session, |change| {
            event_id = Some(change.event_id);
            change.status = Some(SessionStatus::LoggedOut);
            change.phone_number = Some(Some("14155550100".parse().unwrap()));
            change.last_error =
                Some(Some(LastError::new("LOGGED_OUT", "Link it.", at)));
        }).await;
        assert_eq!(db.event_kinds(session.tenant_id).await, [EventType::SessionQr, EventType::SessionLoggedOut]);
        let event = db.store.events_after(session.tenant_id, 0, 9).await.unwrap().pop().unwrap();
        assert_eq!((Some(event.id), event.session_id), (event_id, Some(session.id)));
        assert_eq!(event.data, json!({
            "id": session.id, "status": "logged_out", "phoneNumber": "14155550100",
            "lastError": {"code": "LOGGED_OUT", "message": "Link it.", "at": at},
        }));
    }

    async fn another_tenant_can_change_and_delete_nothing(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        let mut change = SessionChange::new(db.tick(), db.env.new_id());
        change.wanted = Some(true);
        assert_eq!(db.store.change_session(db.tenant(), session.id, change).await.unwrap(), None);
        assert!(!db.store.delete_session(db.tenant(), session.id, db.tick()).await.unwrap());
        assert_eq!(db.store.session(session.tenant_id, session.id).await.unwrap(), Some(session));
    }

    async fn sessions_are_listed_newest_first_in_pages(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut all = Vec::new();
        for _ in 0..5 {
            all.insert(0, db.session(tenant).await.id);
        }
        db.session(db.tenant()).await;
        let ids = |page: &waypost_store::Page<Session>| page.items.iter().map(|item| item.id).collect::<Vec<_>>();
        let first = db.store.sessions(tenant, PageRequest::Number { page: 1, limit: 3 }).await.unwrap();
        assert_eq!((ids(&first), first.total), (all[..3].to_vec(), Some(5)));
        let cursor = first.next_cursor.unwrap();
        let rest = db.store.sessions(tenant, PageRequest::After { cursor, limit: 3 }).await.unwrap();
        assert_eq!((ids(&rest), rest.next_cursor), (all[3..].to_vec(), None));
        assert_eq!(db.store.count_sessions(tenant).await.unwrap(), 5);
    }

    async fn what_is_wanted_and_linked_comes_back_after_a_restart(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut resumed = Vec::new();
        for (linked, wanted) in [(true, true), (true, false), (false, true), (true, true)] {
            let session = db.session(tenant).await;
            let changed = db.change(&session, |change| {
                change.linked = Some(linked);
                change.wanted = Some(wanted);
            }).await;
            if linked && wanted {
                resumed.push(changed);
            }
        }
        let restarted = db.reopen().await;
        assert_eq!(restarted.sessions_to_resume_system().await.unwrap(), resumed);
        restarted.close().await;
    }

    async fn after_a_restart_no_session_says_connected(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut sessions = Vec::new();
        for status in SessionStatus::ALL {
            let session = db.session(tenant).await;
            sessions.push(db.change(&session, |change| change.status = Some(status)).await);
        }
        let now = db.tick();
        let before = db.event_kinds(tenant).await.len();
        assert_eq!(db.store.reset_session_states_system(now).await.unwrap(), 3);
        for session in sessions {
            let read = db.store.session(tenant, session.id).await.unwrap().unwrap();
            let alive = [SessionStatus::Connecting, SessionStatus::Qr, SessionStatus::Connected];
            let expected = if alive.contains(&session.status) { SessionStatus::Disconnected } else { session.status };
            assert_eq!(read.status, expected);
        }
        assert_eq!(db.event_kinds(tenant).await[before..], [EventType::SessionDisconnected; 3]);
        assert_eq!(db.store.reset_session_states_system(now).await.unwrap(), 0);
    }

    async fn deleting_a_session_fails_what_waits_and_forgets_its_keys(db: &TestDatabase) {
        let session = db.session(db.tenant()).await;
        let tenant = session.tenant_id;
        let sent = db.accepted(tenant, session.id, "919876543210").await.id;
        db.advance_to(session.id, sent, MessageStatus::Sent).await;
        let queued = db.accepted(tenant, session.id, "919876543210").await.id;
        let entry = KeyEntry { name: "a".into(), value: vec![1], tag: 0 };
        db.store.keys(session.id).put_many(KeyKind::Session, vec![entry]).await.unwrap();

        assert!(db.store.delete_session(tenant, session.id, db.tick()).await.unwrap());
        assert_eq!(db.store.session(tenant, session.id).await.unwrap(), None);
        assert_eq!(db.status(tenant, sent).await, MessageStatus::Sent);
        let failed = db.store.message(tenant, queued).await.unwrap().unwrap();
        assert_eq!(failed.failure().unwrap().code, FailureCode::SessionGone);
        assert_eq!(db.event_kinds(tenant).await.last(), Some(&EventType::MessageFailed));
        assert!(!db.store.keys(session.id).contains(KeyKind::Session, "a").await.unwrap());
        assert!(!db.store.delete_session(tenant, session.id, db.tick()).await.unwrap());
    }
}
