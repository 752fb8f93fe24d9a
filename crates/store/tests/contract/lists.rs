//! Lists of messages: order, pages, filters.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use waypost_domain::{Content, Direction, Jid, Message, MessageId, MessageStatus, TenantId};
use waypost_store::{MessageFilter, NewOutbound, Page, PageRequest, REACH};

use crate::support::{TestDatabase, execute, is_unavailable, jid};

fn ids(page: &Page<Message>) -> Vec<MessageId> {
    page.items.iter().map(|message| message.id).collect()
}

async fn list(db: &TestDatabase, tenant: TenantId, filter: MessageFilter) -> Vec<MessageId> {
    let page = PageRequest::Number { page: 1, limit: 100 };
    let page = db.store.messages(tenant, &filter, page).await.unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64));
    ids(&page)
}

const FIRST: PageRequest = PageRequest::Number { page: 1, limit: 100 };

/// Writes `count` copies of a message after it, a second apart, all of them read.
async fn history(db: &TestDatabase, message: &NewOutbound, count: u32) {
    let new_id = if db.file().is_some() { "randomblob(16)" } else { "gen_random_uuid()" };
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO messages (id, tenant_id, session_id, direction, wa_id, remote_jid, recipient, kind, content, status,
            created_at, updated_at, timeline)
         SELECT {new_id}, tenant_id, session_id, direction, wa_id, remote_jid, recipient, kind, content, 'read',
            created_at + 1000 * i, updated_at, timeline
         FROM messages, n WHERE wa_id = '{}'",
        message.wa_id.as_str()
    );
    execute(&db.raw().await, &sql).await;
}

/// Every page of a list, from the first by its cursors.
async fn walk(db: &TestDatabase, tenant: TenantId, filter: &MessageFilter) -> Vec<Page<Message>> {
    let mut pages = vec![db.store.messages(tenant, filter, FIRST).await.unwrap()];
    while let Some(cursor) = pages[pages.len() - 1].next_cursor {
        pages.push(db.store.messages(tenant, filter, PageRequest::After { cursor, limit: 100 }).await.unwrap());
    }
    pages
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
            PageRequest::After { cursor: "9999999999999-1".parse().unwrap(), limit: u32::MAX },
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
        let chat = MessageFilter { with: vec![jid("14155550100")], ..all() };
        assert_eq!(list(db, tenant, chat).await, [c.id]);
        let times = MessageFilter { from: Some(b.created_at), until: Some(inbound.received_at), ..all() };
        assert_eq!(list(db, tenant, times).await, [c.id, b.id]);
        assert_eq!(list(db, db.tenant(), all()).await, []);
    }

    async fn a_total_is_exact_up_to_a_bound_and_then_says_so(db: &TestDatabase) {
        let tenant = db.tenant();
        let first = db.accepted(tenant, db.env.new_id(), "919876543210").await;
        history(db, &first, REACH - 1).await;
        let all = MessageFilter::default();
        let page = db.store.messages(tenant, &all, FIRST).await.unwrap();
        assert_eq!((page.total, page.total_is_capped), (Some(10_000), false));
        db.accepted(tenant, first.session_id, "919876543210").await;
        let page = db.store.messages(tenant, &all, FIRST).await.unwrap();
        assert_eq!((page.total, page.total_is_capped), (Some(10_000), true));
        // Page numbers end there, and the cursor of the last goes on.
        let last = db.store.messages(tenant, &all, PageRequest::Number { page: 100, limit: 100 }).await.unwrap();
        assert_eq!(last.items.len(), 100);
        let rest = PageRequest::After { cursor: last.next_cursor.unwrap(), limit: 100 };
        assert_eq!(ids(&db.store.messages(tenant, &all, rest).await.unwrap()), [first.id]);
        let past = db.store.messages(tenant, &all, PageRequest::Number { page: 101, limit: 100 }).await.unwrap();
        assert_eq!((past.items, past.next_cursor), (vec![], None));
    }

    async fn what_has_an_index_is_found_at_once_below_a_long_history(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.env.new_id();
        let [failed, canceled] = [
            (MessageStatus::Failed, db.accepted(tenant, session, "14155550100").await),
            (MessageStatus::Canceled, db.accepted(tenant, session, "14155550100").await),
        ];
        let raw = db.raw().await;
        for (status, message) in [&failed, &canceled] {
            execute(&raw, &format!("UPDATE messages SET status = '{status}' WHERE wa_id = '{}'", message.wa_id.as_str())).await;
        }
        let inbound = db.inbound(tenant, session, "ABCDEF");
        db.store.store_inbound(vec![inbound.clone()]).await.unwrap();
        let scheduled = NewOutbound { send_at: Some(db.tick().plus(Duration::from_hours(1))), ..db.outbound(tenant, session, "14155550100") };
        db.store.accept_message(scheduled.clone()).await.unwrap();
        let bulk = db.accepted(tenant, db.env.new_id(), "919876543210").await;
        history(db, &bulk, 25_000).await;

        let all = MessageFilter::default;
        let with_status = |status| MessageFilter { status: Some(status), ..all() };
        assert_eq!(list(db, tenant, with_status(failed.0)).await, [failed.1.id]);
        assert_eq!(list(db, tenant, with_status(canceled.0)).await, [canceled.1.id]);
        assert_eq!(list(db, tenant, with_status(MessageStatus::Scheduled)).await, [scheduled.id]);
        let received = MessageFilter { direction: Some(Direction::Inbound), ..all() };
        assert_eq!(list(db, tenant, received.clone()).await, [inbound.id]);
        let early = MessageFilter { until: Some(inbound.received_at), ..all() };
        assert_eq!(list(db, tenant, early).await, [canceled.1.id, failed.1.id]);
        let of_session = MessageFilter { session_id: Some(session), ..all() };
        assert_eq!(list(db, tenant, of_session).await.len(), 4);
        let chat = MessageFilter { with: vec![jid("14155550100")], ..all() };
        assert_eq!(list(db, tenant, chat).await.len(), 3);
    }

    async fn what_has_no_index_is_walked_to_in_steps(db: &TestDatabase) {
        let tenant = db.tenant();
        let queued = db.accepted(tenant, db.env.new_id(), "919876543210").await;
        history(db, &queued, 25_000).await;
        let filter = MessageFilter { status: Some(MessageStatus::Queued), ..MessageFilter::default() };
        let pages = walk(db, tenant, &filter).await;
        assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!((pages[0].total, pages[0].total_is_capped), (Some(0), true), "there may be more than was seen");
        assert_eq!(pages[2].items[0].id, queued.id);
        // As everywhere, what matches often fills pages.
        let read = MessageFilter { status: Some(MessageStatus::Read), ..MessageFilter::default() };
        let page = db.store.messages(tenant, &read, FIRST).await.unwrap();
        assert_eq!((page.items.len(), page.total, page.total_is_capped), (100, Some(10_000), true));
    }

    async fn a_page_ends_at_its_limit_of_bytes_and_its_cursor_goes_on(db: &TestDatabase) {
        let tenant = db.tenant();
        let mut all = Vec::new();
        for kib in [1, 400, 400, 2_000, 400, 400, 400] {
            let text = "x".repeat(kib * 1024);
            let message = NewOutbound { content: Content::Text { text }, ..db.outbound(tenant, db.env.new_id(), "919876543210") };
            all.insert(0, message.id);
            db.store.accept_message(message).await.unwrap();
        }
        let pages = walk(db, tenant, &MessageFilter::default()).await;
        assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [2, 1, 1, 3]);
        assert_eq!((pages[0].total, pages[0].total_is_capped), (Some(7), false));
        assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), all);
    }

    async fn a_person_is_found_by_what_was_written_and_under_all_their_addresses(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, two) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let lid = |user: &str| format!("{user}@lid").parse::<Jid>().unwrap();
        let (number, first, second) = (jid("919876543210"), lid("111"), lid("222"));
        let send = async |session, to: &str, chat: &Jid| {
            let message = db.outbound(tenant, session, "919876543210");
            let message = NewOutbound { to: to.to_owned(), remote_jid: chat.clone(), ..message };
            db.store.accept_message(message.clone()).await.unwrap();
            message.id
        };
        let to_number = send(one, "919876543210", &number).await;
        let to_first = send(two, "919876543210", &first).await;
        let to_second = send(two, "222@lid", &second).await;
        // WhatsApp knows this number in another form.
        let in_another_form = send(one, "5511987654321", &jid("551187654321")).await;
        send(one, "14155550100", &jid("14155550100")).await;
        for (session, lid) in [(one, &first), (two, &second)] {
            db.store.learn_people(tenant, session, vec![(lid.clone(), number.clone())], db.tick()).await.unwrap();
        }
        let stranger = db.tenant();
        let their_session = db.session(stranger).await.id;
        db.store.learn_people(stranger, their_session, vec![(lid("333"), number.clone())], db.tick()).await.unwrap();

        let found = async |session_id, address: &Jid| {
            let with = db.store.addresses_of(tenant, address).await.unwrap();
            list(db, tenant, MessageFilter { session_id, with, ..MessageFilter::default() }).await
        };
        assert_eq!(db.store.addresses_of(tenant, &number).await.unwrap(), [number.clone(), second.clone(), first.clone()]);
        for address in [&number, &first, &second] {
            assert_eq!(found(None, address).await, [to_second, to_first, to_number], "{address}");
            assert_eq!(found(Some(one), address).await, [to_number], "{address}");
            assert_eq!(found(Some(two), address).await, [to_second, to_first], "{address}");
        }
        for form in ["5511987654321", "551187654321"] {
            assert_eq!(found(None, &jid(form)).await, [in_another_form], "{form}");
            assert_eq!(found(Some(one), &jid(form)).await, [in_another_form], "{form}");
        }
        assert_eq!(db.store.addresses_of(tenant, &lid("333")).await.unwrap(), [lid("333")], "another tenant's people");
    }
}

/// The table is locked away from readers, as a query that takes for ever has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_lists_hold_the_readers_callers_are_let_in_and_the_lists_end_at_their_deadline() {
    crate::support::run(TestDatabase::postgres().await, async |db: &TestDatabase| {
        let tenant = db.tenant();
        let holder = db.raw().await.begin().await.unwrap();
        holder.execute_unprepared("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let all = MessageFilter::default();
        let lists = futures::future::join_all((0..2).map(|_| db.store.messages(tenant, &all, FIRST)));
        let lists = tokio::time::timeout(Duration::from_secs(30), lists);
        let knocking = async {
            loop {
                let knock = db.store.api_key_by_hash_system(&[0; 32]);
                let answer = tokio::time::timeout(Duration::from_secs(2), knock).await.expect("nobody waits for lists");
                assert_eq!(answer.unwrap(), None);
            }
        };
        tokio::select! {
            listed = lists => {
                let listed = listed.expect("a list ends at its deadline");
                assert!(listed.iter().all(is_unavailable), "{listed:?}");
            }
            () = knocking => {}
        }
        holder.rollback().await.unwrap();
    })
    .await;
}
