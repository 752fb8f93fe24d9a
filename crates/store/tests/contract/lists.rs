//! Lists of messages: order, pages, filters.

use waypost_domain::{Direction, Message, MessageId, MessageStatus, TenantId};
use waypost_store::{MessageFilter, Page, PageRequest};

use crate::support::{TestDatabase, jid};

fn ids(page: &Page<Message>) -> Vec<MessageId> {
    page.items.iter().map(|message| message.id).collect()
}

async fn list(db: &TestDatabase, tenant: TenantId, filter: MessageFilter) -> Vec<MessageId> {
    let page = PageRequest::Number { page: 1, limit: 100 };
    let page = db.store.messages(tenant, &filter, page).await.unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64));
    ids(&page)
}

on_both_databases! {
    async fn pages_by_number_run_from_the_newest_and_are_counted(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut all = Vec::new();
        for _ in 0..7 {
            all.insert(0, db.accepted(tenant, db.env.new_id(), "919876543210").await.id);
        }
        let page = async |page| {
            db.store.messages(tenant, &MessageFilter::default(), PageRequest::Number { page, limit: 3 }).await.unwrap()
        };
        for (number, expected) in [(1, &all[0..3]), (2, &all[3..6]), (3, &all[6..7]), (4, &[])] {
            let page = page(number).await;
            assert_eq!(ids(&page), expected);
            assert_eq!(page.total, Some(7));
            assert_eq!(page.next_cursor.is_some(), number < 3, "page {number}");
        }
    }

    async fn a_cursor_goes_on_where_the_page_ended_whatever_came_meanwhile(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut all = Vec::new();
        for _ in 0..5 {
            all.insert(0, db.accepted(tenant, db.env.new_id(), "919876543210").await.id);
        }
        let filter = MessageFilter::default();
        let first = db.store.messages(tenant, &filter, PageRequest::Number { page: 1, limit: 2 }).await.unwrap();
        db.accepted(tenant, db.env.new_id(), "919876543210").await;
        let mut seen = ids(&first);
        let mut next = first.next_cursor;
        while let Some(cursor) = next {
            let page = db.store.messages(tenant, &filter, PageRequest::After { cursor, limit: 2 }).await.unwrap();
            assert_eq!(page.total, None);
            seen.extend(ids(&page));
            next = page.next_cursor;
        }
        assert_eq!(seen, all);
    }

    async fn a_page_has_at_most_100_rows(db: &TestDatabase) {
        let tenant = db.tenant();
        let messages = (0..130).map(|_| db.outbound(tenant, db.env.new_id(), "919876543210"));
        futures::future::try_join_all(messages.map(|message| db.store.accept_message(message))).await.unwrap();
        for request in [
            PageRequest::Number { page: 1, limit: u32::MAX },
            PageRequest::After { cursor: i64::MAX, limit: u32::MAX },
        ] {
            let page = db.store.messages(tenant, &MessageFilter::default(), request).await.unwrap();
            assert_eq!(page.items.len(), 100);
        }
        let far = PageRequest::Number { page: u32::MAX, limit: 100 };
        assert_eq!(db.store.messages(tenant, &MessageFilter::default(), far).await.unwrap().items, vec![]);
    }

    async fn every_filter_narrows_and_they_combine(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, two) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let a = db.accepted(tenant, one, "919876543210").await;
        let b = db.accepted(tenant, two, "919876543210").await;
        let c = db.accepted(tenant, one, "14155550100").await;
        let inbound = db.inbound(tenant, one, "ABCDEF");
        db.store.store_inbound(vec![inbound.clone()]).await.unwrap();
        db.advance_to(one, c.id, MessageStatus::Sent).await;
        let stranger = db.tenant();
        db.accepted(stranger, one, "919876543210").await;

        let all = MessageFilter::default;
        assert_eq!(list(db, tenant, all()).await, [inbound.id, c.id, b.id, a.id]);
        assert_eq!(list(db, tenant, MessageFilter { session_id: Some(one), ..all() }).await, [inbound.id, c.id, a.id]);
        assert_eq!(list(db, tenant, MessageFilter { session_id: Some(two), ..all() }).await, [b.id]);
        let queued = MessageFilter { status: Some(MessageStatus::Queued), ..all() };
        assert_eq!(list(db, tenant, queued.clone()).await, [b.id, a.id]);
        assert_eq!(list(db, tenant, MessageFilter { session_id: Some(two), ..queued }).await, [b.id]);
        let received = MessageFilter { direction: Some(Direction::Inbound), ..all() };
        assert_eq!(list(db, tenant, received).await, [inbound.id]);
        let chat = MessageFilter { remote_jid: Some(jid("14155550100")), ..all() };
        assert_eq!(list(db, tenant, chat).await, [c.id]);
        let times = MessageFilter { from: Some(b.created_at), until: Some(inbound.received_at), ..all() };
        assert_eq!(list(db, tenant, times).await, [c.id, b.id]);
        assert_eq!(list(db, db.tenant(), all()).await, []);
    }
}
