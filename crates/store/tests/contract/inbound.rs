//! Inbound messages: stored once, however often they come.

use serde_json::json;
use waypost_domain::{Content, Direction, EventType, MessageStatus};
use waypost_store::InboundOutcome::{Repeat, Stored};

use crate::support::{TestDatabase, jid};

on_both_databases! {
    async fn an_inbound_message_reads_back_with_its_event(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let written = db.inbound(tenant, session, "ABCDEF");
        assert_eq!(db.store.store_inbound(vec![written.clone()]).await.unwrap(), [Stored]);

        let read = db.store.message(tenant, written.id).await.unwrap().unwrap();
        assert_eq!((read.direction, read.status()), (Direction::Inbound, MessageStatus::Received));
        assert_eq!(read.wa_id, written.inbound.wa_id);
        assert_eq!(
            (read.remote_jid, read.from),
            (written.inbound.chat.to_string(), Some(written.inbound.sender))
        );
        assert_eq!((read.push_name, read.to), (written.inbound.push_name, written.to));
        assert_eq!(read.content, written.inbound.content);
        assert_eq!(read.created_at, written.received_at);
        assert_eq!(read.timeline[0].at, written.inbound.sent_at);

        let events = db.store.events_after(tenant, 0, 10).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].kind, events[0].session_id), (EventType::MessageReceived, Some(session)));
        assert_eq!(events[0].data, json!({
            "id": written.id, "sessionId": session, "status": "received", "direction": "inbound", "to": "14155550100",
            "remoteJid": "919876543210@s.whatsapp.net", "type": "text", "from": "919876543210@s.whatsapp.net",
            "phoneNumber": "919876543210", "lid": null,
            "pushName": "Ada", "text": "Hi there", "sentAt": written.inbound.sent_at, "at": written.received_at,
        }));
    }

    async fn a_repeat_is_not_stored_again(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let first = db.inbound(tenant, session, "ABCDEF");
        db.store.store_inbound(vec![first]).await.unwrap();
        let (repeat, fresh) = (db.inbound(tenant, session, "ABCDEF"), db.inbound(tenant, session, "FEDCBA"));
        let again = db.inbound(tenant, session, "FEDCBA");
        let outcomes = db.store.store_inbound(vec![repeat.clone(), fresh, again]).await.unwrap();
        assert_eq!(outcomes, [Repeat, Stored, Repeat]);
        assert_eq!(db.store.message(tenant, repeat.id).await.unwrap(), None);
        assert_eq!(db.store.events_after(tenant, 0, 10).await.unwrap().len(), 2);
    }

    async fn one_id_from_another_sender_chat_or_session_is_another_message(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let mut messages = vec![db.inbound(tenant, one, "ABCDEF"), db.inbound(tenant, other, "ABCDEF")];
        messages.push(db.inbound(tenant, one, "ABCDEF"));
        messages[2].inbound.chat = "120363000000000000@g.us".parse().unwrap();
        messages.push(messages[2].clone());
        messages[3].id = db.env.new_id();
        messages[3].inbound.sender = jid("14155550100");
        assert_eq!(db.store.store_inbound(messages).await.unwrap(), [Stored; 4]);
    }

    async fn concurrent_twins_are_stored_once(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let twins = (0..16).map(|_| db.store.store_inbound(vec![db.inbound(tenant, session, "ABCDEF")]));
        let outcomes = futures::future::try_join_all(twins).await.unwrap().concat();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Stored).count(), 1);
    }

    async fn what_is_not_read_yet_is_kept_by_its_name(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut message = db.inbound(tenant, db.env.new_id(), "ABCDEF");
        message.inbound.content = Content::Unsupported { kind: "imageMessage".to_owned() };
        message.inbound.push_name = Some("nul\0".to_owned());
        db.store.store_inbound(vec![message.clone()]).await.unwrap();
        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!(read.content, message.inbound.content);
        assert_eq!(read.push_name.as_deref(), Some("nul\u{FFFD}"));
    }

    async fn nothing_to_store_is_no_error(db: &TestDatabase) {
        assert_eq!(db.store.store_inbound(vec![]).await.unwrap(), []);
        assert_eq!(db.store.record_evidence_system(vec![]).await.unwrap(), []);
    }
}
