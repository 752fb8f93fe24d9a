//! Rows that another version of Waypost wrote and this one cannot read: each fails alone.

use std::time::Duration;

use waypost_domain::{
    ApiKey, Content, Direction, EngineKind, EventType, FailureCode, FoundAccount, Message, MessageStatus, NumberCheck,
    NumberFound, PacingChoice, PhoneNumber, Scope, Session, SessionStatus, TenantId,
};
use waypost_store::{
    EvidenceOutcome, ExpiryTimes, MessageFilter, NewApiKey, NewOutbound, PacedClaim, PageRequest,
    SandboxMailboxChanges, SandboxOwed, SessionChange, SessionSettings,
};

use crate::support::{TestDatabase, execute, jid};

const FIRST_PAGE: PageRequest = PageRequest::Number { page: 1, limit: 100 };
const STICKER: &str = r#"content = '{"type":"sticker","sha256":[1,2]}'"#;

impl TestDatabase {
    /// What another version wrote into the row of this message.
    async fn rewrite(&self, message: &NewOutbound, set: &str) {
        let raw = self.raw().await;
        execute(&raw, &format!("UPDATE messages SET {set} WHERE wa_id = '{}'", message.wa_id)).await;
        raw.close().await.unwrap();
    }

    async fn rewrite_all(&self, table: &str, set: &str) {
        let raw = self.raw().await;
        execute(&raw, &format!("UPDATE {table} SET {set}")).await;
        raw.close().await.unwrap();
    }

    async fn shown(&self, message: &NewOutbound) -> Message {
        self.store.message(message.tenant_id, message.id).await.unwrap().unwrap()
    }

    async fn listed_messages(&self, tenant: TenantId) -> Vec<Message> {
        self.store.messages(tenant, &MessageFilter::default(), FIRST_PAGE).await.unwrap().items
    }

    async fn assert_unsendable(&self, message: &NewOutbound) {
        let failed = self.shown(message).await;
        assert_eq!(failed.status(), MessageStatus::Failed);
        assert_eq!(failed.failure().unwrap().code, FailureCode::Unsendable);
        assert!(failed.timeline.last().unwrap().reason.as_ref().unwrap().contains("cannot read"));
        let events = self.store.events_after(message.tenant_id, 0, 100).await.unwrap();
        let told = events.iter().filter(|event| event.data["id"] == message.id.to_string());
        let kinds: Vec<EventType> = told.map(|event| event.kind).collect();
        assert_eq!(kinds, [EventType::MessageQueued, EventType::MessageFailed]);
    }
}

on_both_databases! {
    async fn a_list_shows_what_it_cannot_read_as_unknown(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut messages = Vec::new();
        for set in [
            STICKER,
            r#"content = '{"type":"text","html":"<b>Hello</b>"}'"#,
            "content = 'not even JSON'",
            "status = 'prepared'",
            r#"status = 'failed', failure = '{"code":"TOO_LARGE","reason":"17 MB"}'"#,
            "status = 'failed', failure = '[1]'",
            "direction = 'sideways'",
            "remote_jid = '120363000000000000@newsletter'",
            r#"timeline = timeline || '
{"status":"prepared","at":"2026-01-01T00:00:00Z"}
[2]'"#,
            "sender = 'somebody@interop', sender_alt = ''",
        ] {
            let message = db.accepted(tenant, session, "919876543210").await;
            db.rewrite(&message, set).await;
            messages.push(message);
        }
        let mut listed = db.listed_messages(tenant).await;
        listed.reverse();
        assert_eq!(listed.len(), messages.len());
        for (listed, message) in listed.iter().zip(&messages) {
            assert_eq!(&db.shown(message).await, listed);
        }
        for unreadable in &listed[..3] {
            assert_eq!(unreadable.content, Content::Unknown);
            assert_eq!(unreadable.status(), MessageStatus::Queued);
        }
        assert_eq!(listed[3].status(), MessageStatus::Unknown);
        assert_eq!(listed[3].content, messages[3].content);
        assert_eq!(listed[4].failure().unwrap().code, FailureCode::Unknown);
        assert_eq!(listed[4].failure().unwrap().reason.as_deref(), Some("17 MB"));
        assert_eq!(listed[5].failure().unwrap().code, FailureCode::Unknown);
        assert_eq!(listed[6].direction, Direction::Unknown);
        assert_eq!(listed[7].remote_jid, "120363000000000000@newsletter");
        let steps: Vec<MessageStatus> = listed[8].timeline.iter().map(|step| step.status).collect();
        assert_eq!(steps, [MessageStatus::Queued, MessageStatus::Unknown, MessageStatus::Unknown]);
        assert_eq!((&listed[9].from, &listed[9].from_alt), (&None, &None));
    }

    async fn what_a_claim_cannot_read_fails_alone(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut messages = Vec::new();
        for number in ["919876543210", "919876543210", "919876543210", "14155550100", "14155550100"] {
            messages.push(db.accepted(tenant, session, number).await);
        }
        db.rewrite(&messages[1], STICKER).await;
        db.rewrite(&messages[3], "remote_jid = '120363000000000000@newsletter'").await;
        let claimed = db.store.claim_queued_system(session, &[], 10, db.tick()).await.unwrap();
        let ids: Vec<_> = claimed.messages.iter().map(|message| message.id).collect();
        assert_eq!(ids, [messages[0].id, messages[2].id, messages[4].id]);
        assert!(!claimed.more);
        db.assert_unsendable(&messages[1]).await;
        db.assert_unsendable(&messages[3]).await;
        assert!(db.store.sessions_with_queued_system().await.unwrap().is_empty());
    }

    async fn a_claim_of_nothing_but_what_it_cannot_read_says_that_there_may_be_more(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        for _ in 0..2 {
            let message = db.accepted(tenant, session, "919876543210").await;
            db.rewrite(&message, STICKER).await;
        }
        let readable = db.accepted(tenant, session, "919876543210").await;
        let claimed = db.store.claim_queued_system(session, &[], 2, db.tick()).await.unwrap();
        assert!(claimed.messages.is_empty() && claimed.more);
        let claimed = db.store.claim_queued_system(session, &[], 2, db.tick()).await.unwrap();
        assert_eq!(claimed.messages.len(), 1);
        assert_eq!(claimed.messages[0].id, readable.id);
    }

    async fn what_a_claim_of_a_paced_session_cannot_read_fails_alone(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let unreadable = db.accepted(tenant, session, "919876543210").await;
        let next = db.accepted(tenant, session, "919876543210").await;
        db.rewrite(&unreadable, STICKER).await;
        let wanted = PacedClaim {
            tenant_id: tenant,
            session_id: session,
            busy: Vec::new(),
            on_their_way: Vec::new(),
            limit: 10,
            first_contacts: 1,
            now: db.tick(),
        };
        let claimed = db.store.claim_paced_system(wanted.clone()).await.unwrap();
        assert!(claimed.messages.is_empty());
        assert!(claimed.first_contacts_wait, "the next of the chat may go");
        db.assert_unsendable(&unreadable).await;
        assert_eq!(db.store.spent_system(session, wanted.now.minus(Duration::from_mins(2))).await.unwrap(), []);
        let claimed = db.store.claim_paced_system(wanted).await.unwrap();
        assert_eq!((claimed.messages.len(), claimed.messages[0].id), (1, next.id));
    }

    async fn what_was_being_sent_and_cannot_be_read_fails_alone_until_it_is_proved_to_have_arrived(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let unreadable = db.accepted(tenant, session, "919876543210").await;
        let readable = db.accepted(tenant, session, "919876543210").await;
        db.store.claim_queued_system(session, &[], 10, db.tick()).await.unwrap();
        db.rewrite(&unreadable, STICKER).await;
        let sending = db.store.sending_system(session).await.unwrap();
        assert_eq!((sending.len(), sending[0].id), (1, readable.id));
        db.assert_unsendable(&unreadable).await;
        let arrived = db.advance_to(session, unreadable.id, MessageStatus::Delivered).await;
        assert_eq!(arrived, EvidenceOutcome::Advanced(MessageStatus::Delivered));
    }

    async fn what_is_due_expires_and_is_told_of_goes_on_beside_what_cannot_be_read(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let (soon, later) = (db.tick(), db.tick().plus(Duration::from_hours(1)));
        let mut messages = Vec::new();
        for set in ["direction = 'sideways'", "failure = '7'", STICKER, "status = 'prepared'", "client_reference = 'x'"] {
            let mut message = db.outbound(tenant, session, "919876543210");
            (message.send_at, message.expires_at) = (Some(later), Some(later.plus(Duration::from_hours(1))));
            db.store.accept_message(message.clone()).await.unwrap();
            db.rewrite(&message, set).await;
            messages.push(message);
        }
        assert_eq!(db.store.queue_due_system(soon).await.unwrap().next, Some(later));
        assert_eq!(db.store.queue_due_system(later).await.unwrap().next, None);
        let statuses = async || {
            let mut statuses = Vec::new();
            for message in &messages {
                statuses.push(db.status(tenant, message.id).await);
            }
            statuses
        };
        let (queued, unknown) = (MessageStatus::Queued, MessageStatus::Unknown);
        assert_eq!(statuses().await, [queued, queued, queued, unknown, queued]);
        assert_eq!(
            db.advance_to(session, messages[3].id, MessageStatus::Sent).await,
            EvidenceOutcome::Unchanged(unknown),
        );
        let expiry = later.plus(Duration::from_hours(1));
        let failed = db.store.fail_expired_system(ExpiryTimes { now: expiry, unconfirmed: expiry }).await.unwrap();
        assert_eq!(failed.len(), 4);
        let failed = MessageStatus::Failed;
        assert_eq!(statuses().await, [failed, failed, failed, unknown, failed]);
        db.rewrite_all("events", "kind = 'message.pinned', data = 'no JSON' WHERE seq = 2").await;
        let events = db.store.events_after(tenant, 0, 100).await.unwrap();
        assert_eq!(events.len(), 8);
        assert_eq!((events[1].kind, &events[1].data), (EventType::Unknown, &serde_json::Value::Null));
    }

    async fn a_session_that_cannot_be_read_is_shown_and_keeps_what_is_not_changed(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await;
        let all = "status = 'asleep', last_error = '[1]', phone_number = 'x', lid = 'y', pacing = '[]',
                   first_contact_pause = '[]', wanted = TRUE, linked = TRUE";
        db.rewrite_all("sessions", all).await;
        let read = db.store.session(tenant, session.id).await.unwrap().unwrap();
        assert_eq!(read.status, SessionStatus::Unknown);
        assert_eq!(read.last_error.as_ref().unwrap().code, "UNKNOWN");
        assert_eq!((read.phone_number, read.lid, read.first_contact_pause), (None, None, None));
        assert_eq!(read.pacing, PacingChoice::default());
        assert_eq!(db.store.sessions(tenant, FIRST_PAGE).await.unwrap().items.len(), 1);
        assert_eq!(db.store.sessions_to_resume_system().await.unwrap().len(), 1);

        let unwanted = SessionChange { wanted: Some(false), ..SessionChange::new(db.tick(), db.env.new_id()) };
        db.store.change_session(tenant, session.id, unwanted).await.unwrap().unwrap();
        let renamed = SessionSettings { name: Some("Back office".to_owned()), ..SessionSettings::default() };
        db.store.change_session_settings(tenant, session.id, renamed, db.tick()).await.unwrap().unwrap();
        let raw = db.raw().await;
        let kept = "SELECT COUNT(*) FROM sessions WHERE status = 'asleep' AND last_error = '[1]' AND phone_number = 'x'
                    AND lid = 'y' AND pacing = '[]' AND first_contact_pause = '[]' AND name = 'Back office' AND NOT wanted";
        assert_eq!(crate::support::count(&raw, kept).await, 1);
        raw.close().await.unwrap();

        let connected = SessionChange {
            status: Some(SessionStatus::Connected),
            last_error: Some(None),
            ..SessionChange::new(db.tick(), db.env.new_id())
        };
        let changed = db.store.change_session(tenant, session.id, connected).await.unwrap().unwrap();
        let read: Session = db.store.session(tenant, session.id).await.unwrap().unwrap();
        assert_eq!((read.status, &read.last_error), (SessionStatus::Connected, &None));
        assert_eq!(read, changed);
    }

    async fn a_session_of_an_unknown_network_is_shown_and_does_not_come_back_by_itself(db: &TestDatabase) {
        let tenant = db.tenant();
        let known = db.session(tenant).await.id;
        db.rewrite_all("sessions", "wanted = TRUE, linked = TRUE").await;
        db.session(tenant).await;
        db.rewrite_all("sessions", "engine = 'telegram', wanted = TRUE, linked = TRUE WHERE NOT wanted").await;
        let engines: Vec<EngineKind> =
            db.store.sessions(tenant, FIRST_PAGE).await.unwrap().items.iter().map(|session| session.engine).collect();
        assert_eq!(engines, [EngineKind::Unknown, EngineKind::Sandbox]);
        let resumed = db.store.sessions_to_resume_system().await.unwrap();
        assert_eq!((resumed.len(), resumed[0].id), (1, known));
        db.rewrite_all("sessions", "status = 'connected'").await;
        assert_eq!(db.store.reset_session_states_system(db.tick()).await.unwrap(), 2);
    }

    async fn a_key_keeps_the_scopes_that_are_known(db: &TestDatabase) {
        let tenant = db.tenant();
        for (hash, scopes) in [(1, r#"["calls:make","messages:send","polls:send"]"#), (2, "7")] {
            let key = ApiKey {
                id: db.env.new_id(),
                tenant_id: tenant,
                name: "Shop".into(),
                prefix: "awp_Xy12".into(),
                scopes: Scope::ALL.to_vec(),
                created_at: db.tick(),
                last_used_at: None,
                expires_at: None,
            };
            db.store.create_api_key(NewApiKey { key, hash: [hash; 32] }).await.unwrap();
            let all = Scope::ALL.map(|scope| format!("%{}%", scope.as_str()))[5].clone();
            db.rewrite_all("api_keys", &format!("scopes = '{scopes}' WHERE scopes LIKE '{all}'")).await;
        }
        let listed = db.store.api_keys(tenant, FIRST_PAGE).await.unwrap().items;
        let scopes: Vec<_> = listed.iter().map(|key| key.scopes.clone()).collect();
        assert_eq!(scopes, [vec![Scope::Unknown], vec![Scope::MessagesSend, Scope::Unknown]]);
        assert_eq!(db.store.api_key_by_hash_system(&[2; 32]).await.unwrap().unwrap().scopes, [Scope::Unknown]);
    }

    async fn an_address_that_cannot_be_read_is_as_one_that_is_not_there(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let numbers: Vec<PhoneNumber> = ["919876543210", "14155550100"].map(|number| number.parse().unwrap()).to_vec();
        let check = |number: &PhoneNumber| NumberCheck {
            found: NumberFound {
                number: number.clone(),
                account: Some(FoundAccount { jid: number.to_jid(), lid: None }),
            },
            checked_at: db.tick(),
        };
        db.store.save_number_checks(tenant, numbers.iter().map(check).collect()).await.unwrap();
        db.rewrite_all("number_checks", "jid = 'x@interop' WHERE number = '14155550100'").await;
        let checks = db.store.number_checks(tenant, &numbers).await.unwrap();
        assert_eq!((checks.len(), &checks[0].found.number), (1, &numbers[0]));

        let pairs = [("100@lid", "919876543210"), ("200@lid", "14155550100")];
        let pairs = pairs.map(|(lid, number)| (lid.parse().unwrap(), jid(number))).to_vec();
        db.store.learn_people(tenant, session, pairs, db.tick()).await.unwrap();
        db.rewrite_all("people", "number = 'x@interop' WHERE lid = '200@lid'").await;
        let lid = "200@lid".parse().unwrap();
        assert_eq!(db.store.people_system(session, 10).await.unwrap().len(), 1);
        assert_eq!(db.store.person_system(session, &lid).await.unwrap(), None);
        assert_eq!(db.store.addresses_of(tenant, &lid).await.unwrap(), [lid]);
    }

    async fn a_pretend_phone_owes_what_can_be_read(db: &TestDatabase) {
        let session = db.session(db.tenant()).await.id;
        let owed = |number: &str| SandboxOwed {
            session_id: session,
            wa_id: db.env.new_wa_message_id(),
            chat: jid(number),
            taken_at: db.tick(),
            receipts: true,
            reply: Some((db.env.new_wa_message_id(), Content::Text { text: "Hi".to_owned() })),
        };
        let puts = vec![owed("919876543210"), owed("14155550100"), owed("14155550101")];
        let changes = SandboxMailboxChanges { puts: puts.clone(), ..SandboxMailboxChanges::default() };
        db.store.change_sandbox_mailbox_system(changes).await.unwrap();
        db.rewrite_all("sandbox_mailbox", "chat = 'x@interop' WHERE chat LIKE '919876543210%'").await;
        db.rewrite_all("sandbox_mailbox", "reply = '{\"type\":\"sticker\"}' WHERE chat LIKE '14155550100%'").await;
        let left = db.store.sandbox_mailbox_system().await.unwrap();
        assert_eq!(left, [SandboxOwed { reply: None, ..puts[1].clone() }, puts[2].clone()]);
    }
}
