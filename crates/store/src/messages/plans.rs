//! No statement of the hot path walks the table, however long the history.

use waypost_domain::Env;

use super::{advance, claim, expiry, lanes, list, record, schedule};
use crate::{MasterKey, Store, StoreConfig};

#[tokio::test]
async fn every_statement_of_the_hot_path_goes_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        database_url: format!("sqlite://{}", folder.path().join("waypost.db").display()).parse().unwrap(),
        master_key: MasterKey::new([42; 32]),
        max_connections: 1,
    };
    let store = Store::open(&config, Env::system()).await.unwrap();
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
        (list::queued_sql(), "SCAN messages USING COVERING INDEX messages_open"),
    ] {
        let plan = store.read().all(format!("EXPLAIN QUERY PLAN {sql}"), Vec::new()).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("plan", 3).unwrap()).collect();
        assert!(plan.iter().any(|step| step.contains(expected)), "{sql}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step == "SCAN messages" || step == "SCAN m"), "{sql}\n{plan:#?}");
    }
    store.close().await;
}
