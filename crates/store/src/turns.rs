//! Whose turn it is to list.
//!
//! One tenant's lists run a few at a time, so that a tenant who asks for many leaves the database's readers to the
//! others. All lists of the process count, whichever room makes them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use waypost_domain::TenantId;

use crate::Store;

/// How many lists of one tenant run at a time.
const AT_A_TIME: usize = 4;
/// How long a list waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to try again, in seconds, if its turn did not come.
const RETRY_AFTER: u32 = 1;

/// The turn did not come in time: too many lists of this tenant run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many lists of this tenant run; try again in {retry_after_secs} s")]
pub struct NoTurn {
    /// When to try again, in seconds.
    pub retry_after_secs: u32,
}

impl Store {
    /// Waits until this tenant may make a list. The turn lasts until it is dropped.
    ///
    /// # Errors
    /// [`NoTurn`] if it does not come in time.
    pub async fn turn_to_list(&self, tenant: TenantId) -> Result<Turn<'_>, NoTurn> {
        self.inner.turns.wait(tenant).await
    }
}

/// The lists that run, by tenant. A tenant without any is not in it.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

impl Turns {
    async fn wait(&self, tenant: TenantId) -> Result<Turn<'_>, NoTurn> {
        let places = self.lock().entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(AT_A_TIME))).clone();
        let mut turn = Turn { turns: self, tenant, places, place: None };
        match timeout(PATIENCE, turn.places.clone().acquire_owned()).await {
            Ok(place) => turn.place = place.ok(),
            Err(_) => return Err(NoTurn { retry_after_secs: RETRY_AFTER }),
        }
        Ok(turn)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Semaphore>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A list that runs, or waits.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    tenant: TenantId,
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Others come in under this lock alone: whoever holds the tenant's semaphore besides the map and this turn is
        // another turn.
        let mut tenants = self.turns.lock();
        self.place = None;
        if Arc::strong_count(&self.places) == 2 {
            tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use waypost_domain::Env;

    use super::*;

    #[tokio::test]
    async fn a_tenant_has_a_few_turns_at_a_time_and_another_tenant_its_own() {
        let (turns, env) = (Turns::default(), Env::system());
        let (one, other) = (env.new_id(), env.new_id());
        let mut running = join_all((0..AT_A_TIME).map(|_| turns.wait(one))).await;
        assert!(matches!(turns.wait(one).await, Err(NoTurn { retry_after_secs: 1 })));
        turns.wait(other).await.unwrap();
        let (waited, ()) = tokio::join!(turns.wait(one), async { drop(running.pop()) });
        drop((waited.unwrap(), running));
        assert!(turns.lock().is_empty(), "whoever lists nothing is forgotten");
    }
}
