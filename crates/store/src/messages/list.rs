//! Reading messages back.

use sea_orm::{DatabaseConnection, Value};
use waypost_domain::{Direction, Message, MessageId, MessageStatus, SessionId, TenantId, Timestamp};

use super::{MessageFilter, OPEN, row};
use crate::{
    Page, PageRequest, StoreError,
    page::{self, Conditions},
    sql::Sql,
};

pub(super) async fn one(
    read: &Sql<DatabaseConnection>,
    tenant: TenantId,
    message: MessageId,
) -> Result<Option<Message>, StoreError> {
    let sql = format!("SELECT {} FROM messages WHERE id = $1 AND tenant_id = $2", row::COLUMNS);
    let values = vec![message.as_uuid().into(), tenant.as_uuid().into()];
    read.one(sql, values).await?.as_ref().map(row::message).transpose()
}

pub(super) async fn many(
    read: &Sql<DatabaseConnection>,
    tenant: TenantId,
    filter: &MessageFilter,
    request: PageRequest,
) -> Result<Page<Message>, StoreError> {
    let MessageFilter { session_id, status, direction, remote_jid, from, until } = filter;
    let mut conditions = Conditions::new("tenant_id =", tenant.as_uuid());
    conditions.and("session_id =", session_id.map(SessionId::as_uuid));
    conditions.and("status =", status.map(MessageStatus::as_str));
    conditions.and("direction =", direction.map(Direction::as_str));
    conditions.and("remote_jid =", remote_jid.as_ref().map(ToString::to_string));
    conditions.and("created_at >=", from.map(Timestamp::as_millis));
    conditions.and("created_at <", until.map(Timestamp::as_millis));
    page::read(read, "messages", row::COLUMNS, conditions, request, row::message).await
}

pub(super) async fn sessions_with_queued(read: &Sql<DatabaseConnection>) -> Result<Vec<SessionId>, StoreError> {
    let rows = read.all(queued_sql(), Vec::<Value>::new()).await?;
    rows.iter().map(|row| Ok(row.get::<uuid::Uuid>("messages", 0)?.into())).collect()
}

pub(super) fn queued_sql() -> String {
    format!("SELECT DISTINCT session_id FROM messages WHERE status = 'queued' AND {OPEN}")
}
