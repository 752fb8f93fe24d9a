//! How a session's row and what memory says of it change: the row first, in one commit with its event.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use waypost_domain::{ConnectionId, Jid, PhoneNumber, Session, SessionId, SessionState, SessionStatus, TenantId};
use waypost_store::SessionChange;

use super::{Qr, SessionView};
use crate::{Gateway, GatewayError, Inner, live::LiveSession, loops::dispatch};

/// How long the dispatcher of a session that is logged out may take to let go of its messages.
const LET_GO: Duration = Duration::from_secs(10);

/// The facts that change along with the state.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// The code that waits to be scanned.
    pub(crate) qr: Option<Qr>,
    /// What became of the link to an account.
    pub(crate) account: Account,
    /// The account's name for itself, where it was said.
    pub(crate) push_name: Option<String>,
    /// What the link calls the connection that it has made.
    pub(crate) connection: Option<ConnectionId>,
}

/// What became of the link to an account.
#[derive(Debug, Default)]
pub(crate) enum Account {
    #[default]
    Same,
    Linked {
        phone_number: PhoneNumber,
        lid: Option<Jid>,
    },
    Forgotten,
}

impl Details {
    /// Forgets the account.
    pub(crate) fn unlinked() -> Self {
        Self { account: Account::Forgotten, ..Self::default() }
    }

    const fn is_about_the_row(&self) -> bool {
        self.push_name.is_some() || !matches!(self.account, Account::Same)
    }
}

impl Inner {
    /// The session, if it is the tenant's. Costs a read of the database only where memory does not know it.
    pub(crate) async fn session(&self, tenant: TenantId, id: SessionId) -> Result<Arc<LiveSession>, GatewayError> {
        let session = if let Some(session) = self.sessions.get(id) {
            session
        } else {
            let row = self.store.session(tenant, id).await?.ok_or(GatewayError::NotFound("session"))?;
            self.sessions.remember(row)
        };
        if session.tenant_id == tenant && !session.is_gone() {
            Ok(session)
        } else {
            Err(GatewayError::NotFound("session"))
        }
    }

    /// Moves a session to `next`. Whoever calls it holds the session's steps.
    pub(crate) async fn move_session(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        next: SessionState,
        details: Details,
    ) -> Result<(), GatewayError> {
        let now = self.env.now();
        let before = session.live().state.clone();
        let connects = next.status == SessionStatus::Connected && before.status != SessionStatus::Connected;
        // Each QR code is told of: whoever shows them must know when to fetch the next.
        let another_qr = details.qr.is_some() && before.status == SessionStatus::Qr && next.status == before.status;
        if before != next || details.is_about_the_row() || another_qr {
            let mut change = SessionChange {
                status: (before.status != next.status).then_some(next.status),
                linked: (before.linked != next.linked).then_some(next.linked),
                wanted: (before.wanted != next.wanted).then_some(next.wanted),
                last_error: (before.last_error != next.last_error).then(|| next.last_error.clone()),
                push_name: details.push_name,
                connected_at: connects.then_some(now),
                tell_again: another_qr,
                ..SessionChange::new(now, self.env.new_id())
            };
            (change.phone_number, change.lid) = match &details.account {
                Account::Same => (None, None),
                Account::Linked { phone_number, lid } => (Some(Some(phone_number.clone())), Some(lid.clone())),
                Account::Forgotten => (Some(None), Some(None)),
            };
            if self.store.change_session(session.tenant_id, session.id, change).await?.is_none() {
                session.change(|live| live.gone = true);
                return Err(GatewayError::NotFound("session"));
            }
        }
        let retry_at = next.retry_at();
        session.change(|live| {
            if let Some(connection) = details.connection {
                // Another one, also where nobody said that the one before was lost: what was sent on it is in doubt.
                live.connections += 1;
                live.connection = connection;
            }
            live.leaving &= !connects;
            match (next.status, details.qr) {
                (SessionStatus::Qr, Some(qr)) => live.qr = Some(qr),
                (SessionStatus::Qr, None) => {}
                _ => live.qr = None,
            }
            match details.account {
                Account::Same => {}
                Account::Linked { phone_number, .. } => live.phone_number = Some(phone_number),
                Account::Forgotten => live.phone_number = None,
            }
            live.state = next;
        });
        dispatch::wake(self, session);
        if let Some(at) = retry_at.filter(|at| before.retry_at() != Some(*at)) {
            self.supervision.plan(session, at);
        }
        Ok(())
    }

    /// Stops the dispatcher of a session whose messages are about to fail: what is reported failed is never sent
    /// later, and what the network said before is on disk first.
    pub(crate) async fn let_go(self: &Arc<Self>, session: &Arc<LiveSession>) {
        session.change(|live| live.leaving = true);
        dispatch::wake(self, session);
        if timeout(LET_GO, session.dispatch.rested()).await.is_err() {
            tracing::warn!(
                tenant.id = %session.tenant_id, session.id = %session.id,
                "a send call of a session that is logged out did not end in time",
            );
        }
        self.recorder.flush().await;
    }

    /// Lets a session send again whose logout came to nothing.
    pub(crate) fn take_up(self: &Arc<Self>, session: &Arc<LiveSession>) {
        session.change(|live| live.leaving = false);
        dispatch::wake(self, session);
    }
}

impl Gateway {
    /// The session as its row and memory have it now.
    pub(super) async fn view(&self, session: &LiveSession) -> Result<SessionView, GatewayError> {
        let row = self.inner.store.session(session.tenant_id, session.id).await?;
        Ok(self.view_of(row.ok_or(GatewayError::NotFound("session"))?))
    }

    pub(super) fn view_of(&self, row: Session) -> SessionView {
        let now = self.inner.env.now();
        let qr = self.inner.sessions.get(row.id).and_then(|session| session.qr(now));
        let pacing = row.pacing.over(self.inner.default_pacing(row.engine));
        // A session that is not paced does not keep to a pause either.
        let first_contact_pause = row.first_contact_pause.clone().filter(|pause| pause.until > now && !pacing.is_off());
        SessionView { session: row, qr, pacing, first_contact_pause }
    }
}
