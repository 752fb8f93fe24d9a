//! What WhatsApp said of numbers.

use std::time::Duration;

use waypost_domain::{FoundAccount, NumberCheck, NumberFound, PhoneNumber, Timestamp};

use crate::support::{TestDatabase, jid};

fn found(number: &str, checked_at: Timestamp) -> NumberCheck {
    let lid = Some("100000000000001@lid".parse().unwrap());
    let account = Some(FoundAccount { jid: jid(number), lid });
    NumberCheck { found: NumberFound { number: number.parse().unwrap(), account }, checked_at }
}

fn absent(number: &str, checked_at: Timestamp) -> NumberCheck {
    NumberCheck { found: NumberFound { number: number.parse().unwrap(), account: None }, checked_at }
}

fn numbers(digits: &[&str]) -> Vec<PhoneNumber> {
    digits.iter().map(|digits| digits.parse().unwrap()).collect()
}

on_both_databases! {
    async fn what_was_said_of_a_number_reads_back_for_its_tenant_alone(db: &TestDatabase) {
        let (tenant, other) = (db.tenant(), db.tenant());
        let (known, unknown) = (found("919876543210", db.tick()), absent("14155550100", db.tick()));
        db.store.save_number_checks(tenant, vec![known.clone(), unknown.clone()]).await.unwrap();
        let asked = numbers(&["919876543210", "14155550100", "4915100000001"]);
        let mut read = db.store.number_checks(tenant, &asked).await.unwrap();
        read.sort_by_key(|check| check.checked_at);
        assert_eq!(read, [known, unknown]);
        assert_eq!(db.store.number_checks(other, &asked).await.unwrap(), []);
        assert_eq!(db.store.number_checks(tenant, &[]).await.unwrap(), []);
    }

    async fn the_newest_answer_counts(db: &TestDatabase) {
        let tenant = db.tenant();
        let (first, second) = (db.tick(), db.tick());
        let newer = found("919876543210", second);
        db.store.save_number_checks(tenant, vec![absent("919876543210", first), newer.clone()]).await.unwrap();
        db.store.save_number_checks(tenant, vec![absent("919876543210", first)]).await.unwrap();
        assert_eq!(db.store.number_checks(tenant, &numbers(&["919876543210"])).await.unwrap(), [newer]);
    }

    async fn old_answers_go_and_those_that_found_nobody_go_sooner(db: &TestDatabase) {
        let tenant = db.tenant();
        let at = db.tick();
        let checks = vec![found("919876543210", at), absent("14155550100", at), absent("4915100000001", db.tick())];
        db.store.save_number_checks(tenant, checks.clone()).await.unwrap();
        let asked = numbers(&["919876543210", "14155550100", "4915100000001"]);
        assert_eq!(db.store.prune_number_checks_system(at, at.plus(Duration::from_millis(1))).await.unwrap(), 1);
        assert_eq!(db.store.number_checks(tenant, &asked).await.unwrap().len(), 2);
        assert_eq!(db.store.prune_number_checks_system(at.plus(Duration::from_millis(1)), at).await.unwrap(), 1);
        assert_eq!(db.store.number_checks(tenant, &asked).await.unwrap(), checks[2..]);
    }
}
