//! Engine events about a session's state become rows, in the order in which they came, and only then what memory says.
//!
//! Each session that has such events has one task for them, for as long as there are any; a session whose step takes
//! long (a logout that waits for the network) holds up its own events alone.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{runtime::Handle, time::sleep};
use waypost_domain::{EndReason, Failure, FailureCode, SessionEvent, SessionInput};

use crate::{
    GatewayError, Inner,
    live::LiveSession,
    sessions::{Account, Details, Qr},
};

/// How long to wait after the database failed.
const RETRY: Duration = Duration::from_millis(500);

/// Makes sure that the session's state events are written.
pub(super) fn wake(inner: &Arc<Inner>, session: &Arc<LiveSession>, runtime: &Handle) {
    if inner.stopping.is_cancelled() || !session.state_writer.ask() {
        return;
    }
    let (inner, session) = (inner.clone(), session.clone());
    let tasks = inner.tasks.clone();
    tasks.spawn_on(
        async move {
            if std::panic::AssertUnwindSafe(run(&inner, &session)).catch_unwind().await.is_err() {
                tracing::error!(tenant.id = %session.tenant_id, session.id = %session.id, "a state writer broke off");
                session.state_writer.break_off();
            }
        },
        runtime,
    );
}

async fn run(inner: &Arc<Inner>, session: &Arc<LiveSession>) {
    loop {
        while let Some((link, event)) = session.pop_state_event() {
            loop {
                match write(inner, session, link, &event).await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::error!(
                            tenant.id = %session.tenant_id, session.id = %session.id, %error,
                            "a session's state waits because the database failed; trying again",
                        );
                        tokio::select! {
                            () = sleep(RETRY) => {}
                            () = inner.stopping.cancelled() => return,
                        }
                    }
                }
            }
        }
        if session.state_writer.rest() {
            return;
        }
    }
}

/// Takes the session where one event leads. Events of a link that is no longer the session's count no more.
async fn write(
    inner: &Arc<Inner>,
    session: &Arc<LiveSession>,
    link: u64,
    event: &SessionEvent,
) -> Result<(), GatewayError> {
    let _step = session.steps.lock().await;
    let (state, current) = {
        let live = session.live();
        let current = live.link.as_ref().is_some_and(|open| open.number == link) && !live.gone;
        (live.state.clone(), current)
    };
    if !current {
        return Ok(());
    }
    let now = inner.env.now();
    let Ok(next) = state.next(SessionInput::Event(event), now, &inner.config.retry_pauses) else { return Ok(()) };
    let unlinked = matches!(event, SessionEvent::Ended(EndReason::LoggedOut { .. }));
    if unlinked {
        inner.let_go(session).await;
        inner.engine(session.engine)?.forget(session.id).await?;
    }
    log(session, event);
    inner.move_session(session, next, details(event)).await?;
    if unlinked {
        inner.store.fail_waiting_system(session.id, Failure::new(FailureCode::SessionGone), now).await?;
    }
    if matches!(event, SessionEvent::Ended(_) | SessionEvent::QrExhausted) {
        // A link that ended for good is dropped; connect opens a new one.
        session.change(|live| live.link = None);
    }
    Ok(())
}

/// The facts that an event carries beside the state.
fn details(event: &SessionEvent) -> Details {
    match event {
        SessionEvent::Qr { code, expires_at } => {
            Details { qr: Some(Qr { code: code.clone(), expires_at: *expires_at }), ..Details::default() }
        }
        SessionEvent::Linked { phone_number, lid, push_name } => Details {
            account: Account::Linked { phone_number: phone_number.clone(), lid: lid.clone() },
            push_name: push_name.clone(),
            ..Details::default()
        },
        SessionEvent::Connected { connection, push_name } => {
            Details { connection: Some(*connection), push_name: push_name.clone(), ..Details::default() }
        }
        SessionEvent::Ended(EndReason::LoggedOut { .. }) => Details::unlinked(),
        _ => Details::default(),
    }
}

fn log(session: &LiveSession, event: &SessionEvent) {
    let (tenant, id) = (session.tenant_id, session.id);
    match event {
        SessionEvent::Linked { .. } => tracing::info!(tenant.id = %tenant, session.id = %id, "a session was linked"),
        SessionEvent::Connected { .. } => {
            tracing::info!(tenant.id = %tenant, session.id = %id, "a session is connected");
        }
        SessionEvent::ConnectionLost { reason } => {
            tracing::warn!(tenant.id = %tenant, session.id = %id, reason, "a session lost its connection");
        }
        SessionEvent::Ended(reason) => {
            tracing::warn!(tenant.id = %tenant, session.id = %id, ?reason, "a session's connection ended");
        }
        _ => tracing::debug!(tenant.id = %tenant, session.id = %id, "a session's state changed"),
    }
}
