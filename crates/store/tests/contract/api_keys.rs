//! API keys.

use waypost_domain::{ApiKey, Scope, TenantId};
use waypost_store::{NewApiKey, PageRequest};

use crate::support::{START, TestDatabase};

impl TestDatabase {
    async fn api_key(&self, tenant: TenantId, hash: u8) -> ApiKey {
        let key = ApiKey {
            id: self.env.new_id(),
            tenant_id: tenant,
            name: "Shop".into(),
            prefix: "awp_Xy12".into(),
            scopes: vec![Scope::MessagesSend, Scope::SessionsRead],
            created_at: self.tick(),
            last_used_at: None,
            expires_at: Some(START),
        };
        self.store.create_api_key(NewApiKey { key: key.clone(), hash: [hash; 32] }).await.unwrap();
        key
    }

    async fn listed(&self, tenant: TenantId) -> Vec<ApiKey> {
        self.store.api_keys(tenant, PageRequest::Number { page: 1, limit: 20 }).await.unwrap().items
    }
}

on_both_databases! {
    async fn a_key_is_found_by_its_hash_alone(db: &TestDatabase) {
        let key = db.api_key(db.tenant(), 1).await;
        assert_eq!(db.store.api_key_by_hash_system(&[1; 32]).await.unwrap(), Some(key));
        assert_eq!(db.store.api_key_by_hash_system(&[2; 32]).await.unwrap(), None);
    }

    async fn keys_are_listed_newest_first_for_their_tenant(db: &TestDatabase) {
        let tenant = db.tenant();
        let (first, second) = (db.api_key(tenant, 1).await, db.api_key(tenant, 2).await);
        db.api_key(db.tenant(), 3).await;
        assert_eq!(db.listed(tenant).await, [second.clone(), first.clone()]);
        let page = db.store.api_keys(tenant, PageRequest::Number { page: 1, limit: 1 }).await.unwrap();
        assert_eq!((page.items, page.total), (vec![second], Some(2)));
        let after = PageRequest::After { cursor: page.next_cursor.unwrap(), limit: 1 };
        assert_eq!(db.store.api_keys(tenant, after).await.unwrap().items, [first]);
    }

    async fn a_revoked_key_is_gone_and_only_its_own_tenant_can_revoke_it(db: &TestDatabase) {
        let tenant = db.tenant();
        let key = db.api_key(tenant, 1).await;
        assert!(!db.store.revoke_api_key(db.tenant(), key.id, db.tick()).await.unwrap());
        assert_eq!(db.listed(tenant).await.len(), 1);
        assert!(db.store.revoke_api_key(tenant, key.id, db.tick()).await.unwrap());
        assert_eq!(db.listed(tenant).await, vec![]);
        assert_eq!(db.store.api_key_by_hash_system(&[1; 32]).await.unwrap(), None);
        assert!(!db.store.revoke_api_key(tenant, key.id, db.tick()).await.unwrap());
    }

    async fn the_last_use_only_moves_forward(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, two) = (db.api_key(tenant, 1).await, db.api_key(tenant, 2).await);
        let (early, late, later) = (db.tick(), db.tick(), db.tick());
        db.store.touch_api_keys_system(vec![(one.id, late), (two.id, early), (one.id, early)]).await.unwrap();
        db.store.touch_api_keys_system(vec![(one.id, early), (two.id, later)]).await.unwrap();
        db.store.touch_api_keys_system(vec![]).await.unwrap();
        let used: Vec<_> = db.listed(tenant).await.iter().map(|key| key.last_used_at).collect();
        assert_eq!(used, [Some(later), Some(late)]);
    }
}
