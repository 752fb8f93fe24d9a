//! Tenants, users, refresh tokens.

use std::time::Duration;

use waypost_domain::{RefreshFamilyId, Role, Tenant, TenantId, Timestamp, User, UserId};
use waypost_store::{AccountOutcome, NewAccount, RefreshToken, Rotation};

use crate::support::{START, TestDatabase};

const LIFE: Duration = Duration::from_hours(1);

impl TestDatabase {
    fn new_account(&self, email: &str) -> NewAccount {
        let tenant = Tenant {
            id: self.tenant(),
            name: "Analytical Engines".into(),
            trial_ends_at: START.plus(LIFE),
            created_at: START,
        };
        let owner = User {
            id: self.env.new_id(),
            tenant_id: tenant.id,
            email: email.parse().unwrap(),
            name: "Ada".into(),
            role: Role::Owner,
            created_at: START,
        };
        NewAccount { tenant, owner, password_hash: "$argon2id$hash".into() }
    }

    async fn create(&self, account: &NewAccount) {
        assert_eq!(self.store.create_account(account.clone(), false).await.unwrap(), AccountOutcome::Created);
    }

    async fn logged_in(&self) -> RefreshToken {
        let account = self.new_account("ada@example.com");
        self.create(&account).await;
        let token = RefreshToken {
            hash: [1; 32],
            family_id: self.env.new_id(),
            tenant_id: account.tenant.id,
            user_id: account.owner.id,
            created_at: START,
            expires_at: START.plus(LIFE),
        };
        self.store.start_refresh_family(token.clone()).await.unwrap();
        token
    }

    async fn rotate(&self, old: u8, new: u8, now: Timestamp) -> Rotation {
        self.store.rotate_refresh_token([old; 32], [new; 32], now, now.plus(LIFE)).await.unwrap()
    }

    async fn is_alive(&self, tenant: TenantId, family: RefreshFamilyId) -> bool {
        self.store.refresh_family_is_alive(tenant, family).await.unwrap()
    }
}

fn rotated(token: &RefreshToken) -> Rotation {
    Rotation::Rotated { tenant_id: token.tenant_id, user_id: token.user_id, family_id: token.family_id }
}

fn reused(token: &RefreshToken) -> Rotation {
    Rotation::Reused { tenant_id: token.tenant_id, family_id: token.family_id }
}

on_both_databases! {
    async fn an_account_reads_back_by_email_and_by_id(db: &TestDatabase) {
        let account = db.new_account("ada@example.com");
        db.create(&account).await;
        let email = "ada@example.com".parse().unwrap();
        let stored = db.store.password_by_email_system(&email).await.unwrap().unwrap();
        assert_eq!((stored.user, stored.password_hash), (account.owner.clone(), account.password_hash));
        let found = db.store.user(account.tenant.id, account.owner.id).await.unwrap();
        assert_eq!(found, Some((account.owner.clone(), account.tenant)));
        assert_eq!(db.store.user(db.tenant(), account.owner.id).await.unwrap(), None);
        let nobody = "bob@example.com".parse().unwrap();
        assert!(db.store.password_by_email_system(&nobody).await.unwrap().is_none());
    }

    async fn of_many_accounts_with_one_email_the_first_is_made(db: &TestDatabase) {
        let accounts: Vec<NewAccount> = (0..8).map(|_| db.new_account("ada@example.com")).collect();
        let results =
            futures::future::join_all(accounts.iter().map(|account| db.store.create_account(account.clone(), false))).await;
        assert_eq!(*results[0].as_ref().unwrap(), AccountOutcome::Created);
        for (account, result) in accounts.iter().zip(&results).skip(1) {
            assert_eq!(*result.as_ref().unwrap(), AccountOutcome::EmailInUse);
            let user: Option<_> = db.store.user(account.tenant.id, account.owner.id).await.unwrap();
            assert_eq!(user, None);
        }
    }

    async fn of_many_who_want_to_be_the_first_tenant_one_is(db: &TestDatabase) {
        assert!(!db.store.any_tenant_system().await.unwrap());
        // Two stores, as two processes have them.
        let other = db.reopen().await;
        let accounts: Vec<NewAccount> = (0..8).map(|n| db.new_account(&format!("ada{n}@example.com"))).collect();
        let create = |n: usize| {
            let store = if n.is_multiple_of(2) { &db.store } else { &other };
            store.create_account(accounts[n].clone(), true)
        };
        let outcomes = futures::future::join_all((0..8).map(create)).await;
        let outcomes: Vec<AccountOutcome> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == AccountOutcome::Created).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == AccountOutcome::NotFirst).count(), 7, "{outcomes:?}");
        assert!(other.any_tenant_system().await.unwrap());
        other.close().await;
    }

    async fn a_reader_tells_which_refresh_tokens_the_writer_has_to_see(db: &TestDatabase) {
        let token = db.logged_in().await;
        let matters = async |token: u8, now| db.store.refresh_token_matters_system([token; 32], now).await.unwrap();
        assert!(matters(1, START).await);
        assert!(!matters(9, START).await, "unknown");
        assert!(!matters(1, token.expires_at).await, "expired");
        db.rotate(1, 2, START).await;
        assert!(matters(1, token.expires_at).await, "used: it gives a thief away");
        db.rotate(1, 3, START).await;
        assert!(!matters(1, START).await && !matters(2, START).await, "revoked");
    }

    async fn a_token_is_exchanged_for_one_of_the_same_family(db: &TestDatabase) {
        let token = db.logged_in().await;
        assert_eq!(db.rotate(1, 2, db.tick()).await, rotated(&token));
        assert_eq!(db.rotate(2, 3, db.tick()).await, rotated(&token));
        assert!(db.is_alive(token.tenant_id, token.family_id).await);
    }

    async fn a_used_token_revokes_the_family(db: &TestDatabase) {
        let token = db.logged_in().await;
        db.rotate(1, 2, db.tick()).await;
        assert_eq!(db.rotate(1, 3, db.tick()).await, reused(&token));
        assert!(!db.is_alive(token.tenant_id, token.family_id).await);
        for old in [1, 2, 3] {
            assert_eq!(db.rotate(old, 4, db.tick()).await, Rotation::Invalid);
        }
    }

    async fn of_twins_one_wins_and_the_other_is_a_reuse(db: &TestDatabase) {
        let token = db.logged_in().await;
        let (first, second) = futures::join!(db.rotate(1, 2, START), db.rotate(1, 3, START));
        let mut both = [first, second];
        both.sort_by_key(|rotation| *rotation == reused(&token));
        assert_eq!(both, [rotated(&token), reused(&token)]);
        assert!(!db.is_alive(token.tenant_id, token.family_id).await);
    }

    async fn an_unknown_and_an_expired_token_are_invalid(db: &TestDatabase) {
        let token = db.logged_in().await;
        assert_eq!(db.rotate(9, 2, db.tick()).await, Rotation::Invalid);
        assert_eq!(db.rotate(1, 2, token.expires_at).await, Rotation::Invalid);
    }

    async fn a_revoked_family_is_dead_and_only_its_own_tenant_can_revoke_it(db: &TestDatabase) {
        let token = db.logged_in().await;
        db.store.revoke_refresh_family(db.tenant(), token.family_id, db.tick()).await.unwrap();
        assert!(db.is_alive(token.tenant_id, token.family_id).await);
        assert!(!db.is_alive(db.tenant(), token.family_id).await);
        db.store.revoke_refresh_family(token.tenant_id, token.family_id, db.tick()).await.unwrap();
        assert!(!db.is_alive(token.tenant_id, token.family_id).await);
        assert_eq!(db.rotate(1, 2, db.tick()).await, Rotation::Invalid);
    }

    async fn pruning_takes_expired_tokens_and_the_families_they_were_all_of(db: &TestDatabase) {
        let token = db.logged_in().await;
        assert_eq!(db.store.prune_refresh_tokens_system(token.expires_at).await.unwrap(), 0);
        db.rotate(1, 2, START.plus(Duration::from_mins(1))).await;
        let behind_the_first = token.expires_at.plus(Duration::from_secs(1));
        assert_eq!(db.store.prune_refresh_tokens_system(behind_the_first).await.unwrap(), 1);
        assert!(db.is_alive(token.tenant_id, token.family_id).await);
        assert_eq!(db.store.prune_refresh_tokens_system(behind_the_first.plus(LIFE)).await.unwrap(), 1);
        assert!(!db.is_alive(token.tenant_id, token.family_id).await);
    }

    async fn a_token_of_nobody_is_refused(db: &TestDatabase) {
        let token = RefreshToken {
            hash: [1; 32],
            family_id: db.env.new_id(),
            tenant_id: db.tenant(),
            user_id: db.env.new_id::<UserId>(),
            created_at: START,
            expires_at: START.plus(LIFE),
        };
        assert!(db.store.start_refresh_family(token).await.is_err());
    }
}
