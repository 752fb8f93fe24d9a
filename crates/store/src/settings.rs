//! Settings that an operator changes while the server runs. They are few and hold for all tenants; they stand among the
//! facts about the database itself, under names that begin with `setting.`.

use crate::{Store, StoreError};

impl Store {
    /// A setting; `None` where it is not set.
    pub async fn setting_system(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = self.read().one("SELECT value FROM meta WHERE name = $1", vec![key(name).into()]).await?;
        let value: Option<Vec<u8>> = row.map(|row| row.get("meta", 0)).transpose()?;
        let not_text = |_| StoreError::Corrupt { table: "meta", why: "a setting is no text".to_owned() };
        value.map(String::from_utf8).transpose().map_err(not_text)
    }

    /// Sets a setting, or takes it back.
    pub async fn set_setting_system(&self, name: &str, value: Option<String>) -> Result<(), StoreError> {
        let input = (key(name), value.map(String::into_bytes));
        self.writer()
            .change(input, |tx, (name, value)| {
                Box::pin(async move {
                    match value {
                        Some(value) => {
                            let sql = "INSERT INTO meta (name, value) VALUES ($1, $2)
                                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                            tx.execute(sql, vec![name.as_str().into(), value.clone().into()]).await?;
                        }
                        None => {
                            tx.execute("DELETE FROM meta WHERE name = $1", vec![name.as_str().into()]).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn key(name: &str) -> String {
    format!("setting.{name}")
}
