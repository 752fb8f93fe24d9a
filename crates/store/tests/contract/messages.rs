//! Accepting messages and reading them back.

use waypost_domain::{Content, Direction, MessageStatus, Progress, TimelineEntry};

use crate::support::{TestDatabase, jid};

on_both_databases! {
    async fn an_accepted_message_reads_back_as_it_was_written(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut written = db.outbound(tenant, session, "919876543210");
        written.client_reference = Some("order-7".to_owned());
        written.content = Content::Text { text: "Grüße\n\u{1F44B}\0 \"quoted\"".to_owned() };
        db.store.accept_message(written.clone()).await.unwrap();

        let read = db.store.message(tenant, written.id).await.unwrap().unwrap();
        assert_eq!(read.id, written.id);
        assert_eq!(read.tenant_id, tenant);
        assert_eq!(read.session_id, session);
        assert_eq!(read.direction, Direction::Outbound);
        assert_eq!(read.wa_id, written.wa_id);
        assert_eq!(read.remote_jid, jid("919876543210").to_string());
        assert_eq!(read.to.as_deref(), Some("919876543210"));
        assert_eq!((read.from, read.push_name), (None, None));
        assert_eq!(read.content, written.content);
        assert_eq!(read.client_reference.as_deref(), Some("order-7"));
        assert_eq!(read.progress, Progress::at(MessageStatus::Queued));
        assert_eq!((read.created_at, read.updated_at), (written.created_at, written.created_at));
        let queued = TimelineEntry { status: MessageStatus::Queued, at: written.created_at, reason: None };
        assert_eq!(read.timeline, vec![queued]);
    }

    async fn a_text_of_65536_characters_reads_back(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut written = db.outbound(tenant, db.env.new_id(), "919876543210");
        written.content = Content::Text { text: "\u{1F44B}".repeat(Content::MAX_TEXT) };
        db.store.accept_message(written.clone()).await.unwrap();
        assert_eq!(db.store.message(tenant, written.id).await.unwrap().unwrap().content, written.content);
    }

    async fn another_tenant_finds_nothing(db: &TestDatabase) {
        let (ours, theirs) = (db.tenant(), db.tenant());
        let session = db.session(ours).await.id;
        let message = db.accepted(ours, session, "919876543210").await;
        assert_eq!(db.store.message(theirs, message.id).await.unwrap(), None);
        assert_eq!(db.store.message(ours, db.env.new_id()).await.unwrap(), None);
    }

    async fn free_text_may_hold_a_nul(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut written = db.outbound(tenant, db.env.new_id(), "919876543210");
        written.client_reference = Some("a\0b".to_owned());
        db.store.accept_message(written.clone()).await.unwrap();
        let read = db.store.message(tenant, written.id).await.unwrap().unwrap();
        assert_eq!(read.client_reference.as_deref(), Some("a\u{FFFD}b"));
    }

    async fn messages_keep_the_order_in_which_they_were_accepted(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut last = 0;
        for _ in 0..10 {
            let message = db.accepted(tenant, session, "919876543210").await;
            let seq = db.store.message(tenant, message.id).await.unwrap().unwrap().seq;
            assert!(seq > last);
            last = seq;
        }
    }
}
