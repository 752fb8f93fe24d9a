//! Pacing: what a session chose, the pause of its first contacts, and what it sent lately.
//!
//! What was sent is kept by minute: at most 1,441 rows a session for the longest limit, a day. The two lanes of the queue
//! are in `messages/lanes.rs`.

use sea_orm::Value;
use waypost_domain::{FirstContactPause, PacingChoice, Session, SessionId, TenantId, Timestamp};

use crate::{
    Store, StoreError, sessions,
    sql::{self, Assignments, Row},
    writer::Tx,
};

const TABLE: &str = "pacing_spent";
const MINUTE: i64 = 60_000;

/// What a session's owner changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
#[expect(clippy::option_option, reason = "leave it, forget it, set it: the field's doc says which is which")]
pub struct SessionSettings {
    /// Its name.
    pub name: Option<String>,
    /// The pace that was chosen for it.
    pub pacing: Option<PacingChoice>,
    /// The pause of its first contacts; `Some(None)` ends it.
    pub first_contact_pause: Option<Option<FirstContactPause>>,
}

/// What a session sent within one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The last time within the minute; none of it was sent later.
    pub last_at: Timestamp,
    /// Messages.
    pub sent: u32,
    /// First contacts among them.
    pub first_contacts: u32,
}

impl Store {
    /// Changes a session's settings and returns it as it is now; `None` where the tenant has no such session.
    pub async fn change_session_settings(
        &self,
        tenant: TenantId,
        session: SessionId,
        settings: SessionSettings,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.writer().change(settings, move |tx, settings| Box::pin(change(tx, tenant, session, settings, now))).await
    }

    /// Notes a pause of a session's first contacts, or that there is none any more.
    pub async fn set_first_contact_pause_system(
        &self,
        session: SessionId,
        pause: Option<FirstContactPause>,
    ) -> Result<(), StoreError> {
        self.writer()
            .change(pause, move |tx, pause| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET first_contact_pause = $2 WHERE id = $1";
                    let values = vec![session.as_uuid().into(), Value::String(pause.as_ref().map(sql::json))];
                    tx.execute(sql, values).await.map(drop)
                })
            })
            .await
    }

    /// Counts one more sending of a message that was claimed before ([`Store::claim_paced_system`] counts the first).
    /// Returns after the commit: what is counted may go.
    pub async fn spend_system(&self, session: SessionId, at: Timestamp, first_contact: bool) -> Result<(), StoreError> {
        self.writer().change((), move |tx, ()| Box::pin(spend(tx, session, at, 1, first_contact.into()))).await
    }

    /// What a session sent from `since` on, by minute, oldest first.
    pub async fn spent_system(&self, session: SessionId, since: Timestamp) -> Result<Vec<Spent>, StoreError> {
        let sql = "SELECT last_at, sent, first_contacts FROM pacing_spent WHERE session_id = $1 AND minute >= $2
                   ORDER BY minute";
        let values = vec![session.as_uuid().into(), minute(since).into()];
        self.read().all(sql, values).await?.iter().map(spent).collect()
    }

    /// Forgets what was sent before `before`. Returns how many rows went.
    pub async fn prune_spent_system(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.writer()
            .change((), move |tx, ()| {
                let sql = "DELETE FROM pacing_spent WHERE minute < $1";
                Box::pin(tx.execute(sql, vec![minute(before).into()]))
            })
            .await
    }
}

const fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MINUTE)
}

async fn change(
    tx: &Tx,
    tenant: TenantId,
    session: SessionId,
    settings: &SessionSettings,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let values = vec![session.as_uuid().into(), tenant.as_uuid().into()];
    let Some(row) = tx.one(sessions::one(), values).await? else {
        return Ok(None);
    };
    let mut changed = Session { updated_at: now, ..sessions::read(&row)? };
    let mut columns = Assignments::of(session.as_uuid());
    columns.set("updated_at", now.as_millis());
    if let Some(name) = &settings.name {
        columns.set("name", sql::free_text(name));
        changed.name.clone_from(name);
    }
    if let Some(pacing) = settings.pacing {
        columns.set("pacing", (pacing != PacingChoice::default()).then(|| sql::json(&pacing)));
        changed.pacing = pacing;
    }
    if let Some(pause) = &settings.first_contact_pause {
        columns.set("first_contact_pause", pause.as_ref().map(sql::json));
        changed.first_contact_pause.clone_from(pause);
    }
    let (sql, values) = columns.update("sessions");
    tx.execute(sql, values).await?;
    Ok(Some(changed))
}

/// Counts messages, and the first contacts among them, as sent at `at`.
pub(crate) async fn spend(
    tx: &Tx,
    session: SessionId,
    at: Timestamp,
    sent: u32,
    first_contacts: u32,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO pacing_spent (session_id, minute, sent, first_contacts, last_at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (session_id, minute) DO UPDATE SET sent = pacing_spent.sent + excluded.sent,
               first_contacts = pacing_spent.first_contacts + excluded.first_contacts,
               last_at = CASE WHEN excluded.last_at > pacing_spent.last_at THEN excluded.last_at
                              ELSE pacing_spent.last_at END";
    let values = vec![
        session.as_uuid().into(),
        minute(at).into(),
        i64::from(sent).into(),
        i64::from(first_contacts).into(),
        at.as_millis().into(),
    ];
    tx.execute(sql, values).await.map(drop)
}

/// Forgets what a session that is deleted sent.
pub(crate) async fn forget(tx: &Tx, session: SessionId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM pacing_spent WHERE session_id = $1", vec![session.as_uuid().into()]).await.map(drop)
}

fn spent(row: &Row) -> Result<Spent, StoreError> {
    let count = |index| row.count(TABLE, index).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Ok(Spent { last_at: row.time(TABLE, 0)?, sent: count(1)?, first_contacts: count(2)? })
}
