//! What the sandbox's pretend phones owe.

use waypost_domain::{Content, SessionId};
use waypost_store::{SandboxMailboxChanges, SandboxOwed};

use crate::support::{TestDatabase, jid};

fn owed(db: &TestDatabase, session: SessionId) -> SandboxOwed {
    SandboxOwed {
        session_id: session,
        wa_id: db.env.new_wa_message_id(),
        chat: jid("919876543210"),
        taken_at: db.tick(),
        receipts: true,
        reply: None,
    }
}

async fn put(db: &TestDatabase, puts: Vec<SandboxOwed>) {
    let changes = SandboxMailboxChanges { puts, ..SandboxMailboxChanges::default() };
    db.store.change_sandbox_mailbox_system(changes).await.unwrap();
}

on_both_databases! {
    async fn what_is_owed_reads_back_in_its_order_after_a_restart(db: &TestDatabase) {
        let session = db.session(db.tenant()).await.id;
        let text = Content::Text { text: "good\0 morning".to_owned() };
        let answered = SandboxOwed { reply: Some((db.env.new_wa_message_id(), text)), ..owed(db, session) };
        let remembered = SandboxOwed { receipts: false, ..owed(db, session) };
        let plain: Vec<_> = (0..100).map(|_| owed(db, session)).collect();
        let all = [vec![answered, remembered], plain].concat();
        put(db, all.clone()).await;
        let store = db.reopen().await;
        assert_eq!(store.sandbox_mailbox_system().await.unwrap(), all);
        store.close().await;
    }

    async fn what_is_put_in_again_is_replaced_in_its_place(db: &TestDatabase) {
        let session = db.session(db.tenant()).await.id;
        let (first, second) = (SandboxOwed { receipts: false, ..owed(db, session) }, owed(db, session));
        put(db, vec![first.clone(), second.clone()]).await;
        let later = SandboxOwed { receipts: true, taken_at: db.tick(), ..first.clone() };
        put(db, vec![first, later.clone()]).await;
        assert_eq!(db.store.sandbox_mailbox_system().await.unwrap(), [later, second]);
    }

    async fn what_was_told_goes_and_the_rest_stays(db: &TestDatabase) {
        let tenant = db.tenant();
        let (session, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let mut all: Vec<_> = (0..70).map(|n| owed(db, if n % 2 == 0 { session } else { other })).collect();
        put(db, all.clone()).await;
        let left = all.split_off(67);
        let mut removals: Vec<_> = all.into_iter().map(|owed| (owed.session_id, owed.wa_id)).collect();
        // The same id in another session, and one that is not there.
        removals.extend([(other, left[1].wa_id.clone()), (session, db.env.new_wa_message_id())]);
        assert_eq!(left[1].session_id, session);
        let changes = SandboxMailboxChanges { removals, ..SandboxMailboxChanges::default() };
        db.store.change_sandbox_mailbox_system(changes).await.unwrap();
        assert_eq!(db.store.sandbox_mailbox_system().await.unwrap(), left);
    }

    async fn a_session_that_is_forgotten_or_deleted_takes_its_mail_along(db: &TestDatabase) {
        let tenant = db.tenant();
        let sessions = [db.session(tenant).await.id, db.session(tenant).await.id, db.session(tenant).await.id];
        let all: Vec<_> = sessions.iter().map(|session| owed(db, *session)).collect();
        put(db, all.clone()).await;
        let changes = SandboxMailboxChanges { forgotten: vec![sessions[0]], ..SandboxMailboxChanges::default() };
        db.store.change_sandbox_mailbox_system(changes).await.unwrap();
        assert_eq!(db.store.sandbox_mailbox_system().await.unwrap(), all[1..]);
        assert!(db.store.delete_session(tenant, sessions[1], db.tick()).await.unwrap());
        assert_eq!(db.store.sandbox_mailbox_system().await.unwrap(), all[2..]);
    }
}
