//! Who is who: one person, one chat.

use waypost_domain::{Jid, SessionId, TenantId};
use waypost_store::Person;

use crate::support::{TestDatabase, jid};

const NUMBER: &str = "919876543210";

fn lid(user: &str) -> Jid {
    format!("{user}@lid").parse().unwrap()
}

async fn learn(db: &TestDatabase, tenant: TenantId, session: SessionId, who: &Jid, number: &str) -> Person {
    let pairs = vec![(who.clone(), jid(number))];
    db.store.learn_people(tenant, session, pairs, db.tick()).await.unwrap().remove(0)
}

on_both_databases! {
    async fn a_person_whose_number_is_known_first_has_the_numbers_chat(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let known = learn(db, tenant, session, &lid("123"), NUMBER).await;
        assert_eq!(known.chat(), &jid(NUMBER));
        assert_eq!(db.store.person_system(session, &lid("123")).await.unwrap(), Some(known.clone()));
        assert_eq!(db.store.person_system(session, &jid(NUMBER)).await.unwrap(), Some(known.clone()));
        assert_eq!(db.store.people_system(session, 10).await.unwrap(), [known]);
        assert_eq!(db.store.person_system(db.session(tenant).await.id, &jid(NUMBER)).await.unwrap(), None);
    }

    async fn a_chat_that_was_opened_under_the_lid_stays_there(db: &TestDatabase) {
        let tenant = db.tenant();
        let (session, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let mut message = db.inbound(tenant, session, "ABCDEF");
        (message.inbound.chat, message.inbound.sender) = (lid("123"), lid("123"));
        db.store.store_inbound(vec![message]).await.unwrap();
        assert_eq!(learn(db, tenant, session, &lid("123"), NUMBER).await.chat(), &lid("123"));
        // What comes later does not move it, the number's own messages and a change of number included.
        db.accepted(tenant, session, NUMBER).await;
        assert_eq!(learn(db, tenant, session, &lid("123"), NUMBER).await.chat(), &lid("123"));
        assert_eq!(learn(db, tenant, session, &lid("123"), "14155550100").await.chat(), &lid("123"));
        assert_eq!(learn(db, tenant, other, &lid("123"), NUMBER).await.chat(), &jid(NUMBER), "another session's");
    }

    async fn a_number_that_has_messages_keeps_its_chat(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        db.accepted(tenant, session, NUMBER).await;
        let mut message = db.inbound(tenant, session, "ABCDEF");
        (message.inbound.chat, message.inbound.sender) = (lid("123"), lid("123"));
        db.store.store_inbound(vec![message]).await.unwrap();
        assert_eq!(learn(db, tenant, session, &lid("123"), NUMBER).await.chat(), &jid(NUMBER));
    }

    async fn of_two_lids_of_a_number_the_last_counts_and_the_newest_come_first(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        learn(db, tenant, session, &lid("123"), NUMBER).await;
        let newer = learn(db, tenant, session, &lid("456"), NUMBER).await;
        assert_eq!(db.store.person_system(session, &jid(NUMBER)).await.unwrap(), Some(newer.clone()));
        assert_eq!(db.store.people_system(session, 1).await.unwrap(), [newer]);
    }

    async fn a_deleted_session_knows_nobody(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        learn(db, tenant, session, &lid("123"), NUMBER).await;
        db.store.delete_session(tenant, session, db.tick()).await.unwrap();
        assert_eq!(db.store.people_system(session, 10).await.unwrap(), []);
    }

    async fn the_sender_of_a_message_reads_back_under_both_addresses(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut message = db.inbound(tenant, session, "ABCDEF");
        message.inbound.sender_alt = Some(lid("123"));
        db.store.store_inbound(vec![message.clone()]).await.unwrap();
        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!((read.from, read.from_alt), (Some(message.inbound.sender), Some(lid("123"))));
        let events = db.store.events_after(tenant, 0, 10).await.unwrap();
        assert_eq!((&events[0].data["phoneNumber"], &events[0].data["lid"]), (&NUMBER.into(), &"123@lid".into()));
    }
}
