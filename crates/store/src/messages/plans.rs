//! No statement of the hot path walks the table, however long the history.

use waypost_domain::{Direction, Env, JidServer, MessageStatus, TenantId, Timestamp};

use super::{MessageFilter, advance, claim, expiry, lanes, list, record, schedule, unsendable, waiting};
use crate::{MasterKey, PageRequest, Store, StoreConfig, people};

async fn store(folder: &tempfile::TempDir) -> Store {
    let config = StoreConfig {
        database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
        master_key: MasterKey::new([42; 32]),
        max_connections: 1,
    };
    Store::open(&config, Env::system()).await.unwrap()
}

async fn plan(store: &Store, sql: &str) -> Vec<String> {
    let plan = store.read().all(format!("EXPLAIN QUERY PLAN {sql}"), Vec::new()).await.unwrap();
    plan.iter().map(|row| row.get("plan", 3).unwrap()).collect()
}

#[tokio::test]
async fn every_list_reads_a_range_of_an_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let tenant: TenantId = Env::system().new_id();
    let all = MessageFilter::default;
    let time = Some(Timestamp::from_secs(1_800_000_000));
    let session_id = Some(Env::system().new_id());
    let cursor = "1800000000000-42".parse().unwrap();
    let person = vec!["919876543210@s.whatsapp.net".parse().unwrap(), "123@lid".parse().unwrap()];
    for (filter, expected) in [
        (all(), &["messages_of_tenant (tenant_id=?"][..]),
        (MessageFilter { from: time, until: time, ..all() }, &["messages_of_tenant (tenant_id=? AND created_at>"]),
        (MessageFilter { session_id, ..all() }, &["messages_of_session (tenant_id=? AND session_id=?"]),
        (
            MessageFilter { session_id, from: time, ..all() },
            &["messages_of_session (tenant_id=? AND session_id=? AND created_at>"],
        ),
        (
            MessageFilter { direction: Some(Direction::Inbound), session_id, ..all() },
            &["messages_inbound (tenant_id=?"],
        ),
        (
            MessageFilter { direction: Some(Direction::Outbound), session_id, ..all() },
            &["messages_of_session (tenant_id=? AND session_id=?"],
        ),
        (
            MessageFilter { status: Some(MessageStatus::Failed), session_id, ..all() },
            &["messages_by_rare_status (tenant_id=? AND status=?"],
        ),
        (
            MessageFilter { status: Some(MessageStatus::Sent), session_id, ..all() },
            &["messages_of_session (tenant_id=? AND session_id=?"],
        ),
        (MessageFilter { status: Some(MessageStatus::Sent), ..all() }, &["messages_of_tenant (tenant_id=?"]),
        (
            MessageFilter { with: person, session_id, status: Some(MessageStatus::Failed), from: time, ..all() },
            &[
                "messages_of_chat (tenant_id=? AND remote_jid=? AND created_at>",
                "messages_to_elsewhere (tenant_id=? AND recipient=? AND created_at>",
            ],
        ),
    ] {
        for request in [PageRequest::Number { page: 7, limit: 20 }, PageRequest::After { cursor, limit: 20 }] {
            for sql in list::statements(tenant, &filter, request) {
                let plan = plan(&store, &sql).await;
                for expected in expected {
                    assert!(plan.iter().any(|step| step.contains(expected)), "{sql}\n{expected}\n{plan:#?}");
                }
                let others = plan.iter().filter(|step| step.contains(" messages "));
                let others: Vec<_> = others.filter(|step| !expected.iter().any(|name| step.contains(name))).collect();
                assert!(others.is_empty(), "{sql}\n{others:#?}");
            }
        }
    }
    for (sql, expected) in [
        (list::rows_sql(16), "messages USING INTEGER PRIMARY KEY (rowid=?)"),
        (
            people::other_addresses_sql(JidServer::Lid),
            "p USING INDEX sqlite_autoindex_people_1 (session_id=? AND lid=?)",
        ),
        (
            people::other_addresses_sql(JidServer::PhoneNumber),
            "p USING INDEX people_by_number (session_id=? AND number=?)",
        ),
    ] {
        let plan = plan(&store, &sql).await;
        assert!(plan.iter().any(|step| step.contains(expected)), "{sql}\n{plan:#?}");
    }
    store.close().await;
}

#[tokio::test]
async fn every_statement_of_the_hot_path_goes_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let by_rowid = "messages USING INTEGER PRIMARY KEY";
    for (sql, expected) in [
        (
            claim::claim_sql(0),
            "SEARCH messages USING COVERING INDEX messages_open (session_id=? AND status=? AND lane=?)",
        ),
        (
            claim::claim_sql(4),
            "SEARCH messages USING COVERING INDEX messages_open (session_id=? AND status=? AND lane=?)",
        ),
        (claim::claim_sql(4), by_rowid),
        (claim::sending_sql(), "SEARCH messages USING INDEX messages_open (session_id=? AND status=? AND lane=?)"),
        (record::by_id_sql(8), "SEARCH m USING INDEX sqlite_autoindex_messages_1 (id=?)"),
        (record::by_wire_sql(8), "SEARCH m USING INDEX messages_on_wire (session_id=? AND wa_id=?)"),
        (advance::update_sql(8), by_rowid),
        (unsendable::find_sql(8), "m USING INTEGER PRIMARY KEY"),
        (advance::waiting_sql(), "SEARCH m USING INDEX messages_open (session_id=?"),
        (schedule::due_sql(), "SEARCH m USING INDEX messages_scheduled (send_at<?)"),
        (schedule::next_sql().to_owned(), "SCAN messages USING COVERING INDEX messages_scheduled"),
        (expiry::next_sql(), "messages USING COVERING INDEX messages_open"),
        (expiry::find_sql(), "SCAN messages USING COVERING INDEX messages_open"),
        (
            lanes::look_sql(0, 4),
            "SEARCH messages USING COVERING INDEX messages_open (session_id=? AND status=? AND lane=?)",
        ),
        (
            lanes::look_sql(1, 0),
            "SEARCH messages USING COVERING INDEX messages_open (session_id=? AND status=? AND lane=?)",
        ),
        (lanes::waiting_chats_sql(8), "INDEX messages_of_strangers (session_id=? AND remote_jid=?)"),
        (lanes::met_sql(8), "USING INDEX messages_of_chat (tenant_id=? AND remote_jid=?)"),
        (lanes::met_strangers_sql(), "USING INDEX messages_of_chat (tenant_id=? AND remote_jid=?)"),
        (lanes::met_strangers_sql(), "INDEX messages_of_strangers (session_id=?"),
        (lanes::leave_lane_sql(8), "messages_of_strangers (session_id=? AND remote_jid=?)"),
        (lanes::leave_lanes_sql().to_owned(), "messages_of_strangers (session_id=?"),
        (lanes::any_stranger_sql().to_owned(), "messages_of_strangers (session_id=?"),
        (waiting::count_sql(), "SCAN messages USING COVERING INDEX messages_open"),
        (waiting::oldest_sql(), "SEARCH m USING INDEX messages_open (session_id=? AND status=? AND lane=?)"),
        (list::queued_sql(), "SCAN messages USING COVERING INDEX messages_open"),
    ] {
        let plan = plan(&store, &sql).await;
        assert!(plan.iter().any(|step| step.contains(expected)), "{sql}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step == "SCAN messages" || step == "SCAN m"), "{sql}\n{plan:#?}");
    }
    store.close().await;
}
