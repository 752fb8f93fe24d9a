//! What an operator sets while the server runs.

use crate::support::TestDatabase;

on_both_databases! {
    async fn a_setting_is_read_as_it_was_last_written_by_any_process_until_it_is_taken_back(db: &TestDatabase) {
        assert_eq!(db.store.setting_system("whatsapp_version").await.unwrap(), None);
        for value in ["2.3000.1", "2.3000.2"] {
            db.store.set_setting_system("whatsapp_version", Some(value.to_owned())).await.unwrap();
            let other_process = db.reopen().await;
            assert_eq!(other_process.setting_system("whatsapp_version").await.unwrap().as_deref(), Some(value));
            other_process.close().await;
        }
        assert_eq!(db.store.setting_system("another").await.unwrap(), None);
        db.store.set_setting_system("whatsapp_version", None).await.unwrap();
        assert_eq!(db.store.setting_system("whatsapp_version").await.unwrap(), None);
    }
}
