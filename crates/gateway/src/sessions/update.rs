//! Change a session's settings: its name and its pace.

use std::sync::Arc;

use waypost_domain::{PacingChoice, SessionId, TenantId};
use waypost_store::SessionSettings;

use super::SessionView;
use crate::{Gateway, GatewayError, Inner, live::LiveSession, loops::dispatch};

/// What a session's owner changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionUpdate {
    /// Its name.
    pub name: Option<String>,
    /// Its pace.
    pub pacing: PacingUpdate,
    /// Whether a pause of its first contacts ends now.
    pub end_first_contact_pause: bool,
}

/// What changes in a session's pace. For each number: `None` leaves it as it is, `Some(None)` goes back to the default,
/// `Some(Some(0))` lifts the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "leave it, forget it, set it: the doc says which is which")]
#[expect(missing_docs, reason = "the fields are those of `waypost_domain::Pacing`")]
pub struct PacingUpdate {
    pub per_minute: Option<Option<u32>>,
    pub per_day: Option<Option<u32>>,
    pub first_contact_per_minute: Option<Option<u32>>,
    pub first_contact_per_day: Option<Option<u32>>,
    pub jitter_ms: Option<Option<u32>>,
    pub first_contact_pause_secs: Option<Option<u32>>,
}

impl PacingUpdate {
    /// Back to the default in everything.
    pub const DEFAULT: Self = Self {
        per_minute: Some(None),
        per_day: Some(None),
        first_contact_per_minute: Some(None),
        first_contact_per_day: Some(None),
        jitter_ms: Some(None),
        first_contact_pause_secs: Some(None),
    };

    fn apply(self, choice: PacingChoice) -> PacingChoice {
        PacingChoice {
            per_minute: self.per_minute.unwrap_or(choice.per_minute),
            per_day: self.per_day.unwrap_or(choice.per_day),
            first_contact_per_minute: self.first_contact_per_minute.unwrap_or(choice.first_contact_per_minute),
            first_contact_per_day: self.first_contact_per_day.unwrap_or(choice.first_contact_per_day),
            jitter_ms: self.jitter_ms.unwrap_or(choice.jitter_ms),
            first_contact_pause_secs: self.first_contact_pause_secs.unwrap_or(choice.first_contact_pause_secs),
        }
    }
}

impl Gateway {
    /// Changes a session's settings. They hold at once: also for messages that wait.
    #[tracing::instrument(level = "debug", skip_all, fields(tenant.id = %tenant, session.id = %session))]
    pub async fn update_session(
        &self,
        tenant: TenantId,
        session: SessionId,
        update: SessionUpdate,
    ) -> Result<SessionView, GatewayError> {
        let session = self.inner.session(tenant, session).await?;
        let (inner, step) = (self.inner.clone(), session.clone());
        self.inner.undisturbed(async move { inner.update(&step, update).await }).await?;
        self.view(&session).await
    }
}

impl Inner {
    async fn update(self: &Arc<Self>, session: &Arc<LiveSession>, update: SessionUpdate) -> Result<(), GatewayError> {
        let _step = session.steps.lock().await;
        if session.is_gone() {
            return Err(GatewayError::NotFound("session"));
        }
        let before = session.pace().choice();
        let choice = update.pacing.apply(before);
        let settings = SessionSettings {
            name: update.name.clone(),
            pacing: (choice != before).then_some(choice),
            first_contact_pause: update.end_first_contact_pause.then_some(None),
        };
        let now = self.env.now();
        let changed = self.store.change_session_settings(session.tenant_id, session.id, settings, now).await?;
        if changed.is_none() {
            return Err(GatewayError::NotFound("session"));
        }
        if let Some(name) = update.name {
            session.change(|live| live.name = name);
        }
        {
            let mut pace = session.pace();
            pace.choose(choice, self.default_pacing(session.engine));
            if update.end_first_contact_pause {
                pace.end_pause(&self.env);
            }
        }
        dispatch::wake(self, session);
        Ok(())
    }
}
