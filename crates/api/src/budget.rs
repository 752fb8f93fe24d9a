//! A budget of bytes: what bodies may hold in memory at a time, for the process.
//!
//! What it promises: however many bodies are on their way, and however slowly, their bytes stay within the limit; no
//! tenant holds more than a quarter of it and no stranger more than a 32nd; all strangers together leave half of it to
//! those who showed a credential. A body that finds no room waits for a short while, then it is refused.
//!
//! Whoever holds nothing may always hold one body, if there is room at all: a limit never makes one impossible.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use waypost_domain::{AddressPrefix, TenantId};

/// How long a body waits for room.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many bodies wait for room at a time; more are refused at once.
const MAX_WAITING: usize = 64;

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Of someone who showed a credential.
    Tenant(TenantId),
    /// Of an address without one; none if it is not known.
    Stranger(Option<AddressPrefix>),
}

/// There was no room in time.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoom;

/// The bytes that may be held, and are.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    strangers: usize,
    by_holder: HashMap<Holder, usize>,
    waiting: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, state: Mutex::default(), freed: Notify::new() }))
    }

    /// Holds `bytes` until the answer is dropped. Waits a few seconds for room.
    pub async fn hold(&self, holder: Holder, bytes: usize) -> Result<Held, NoRoom> {
        if let Some(held) = self.try_hold(holder, bytes) {
            return Ok(held);
        }
        let _place = self.wait_place().ok_or(NoRoom)?;
        let wait = async {
            loop {
                let freed = self.0.freed.notified();
                tokio::pin!(freed);
                // From here on nothing that is freed is missed.
                freed.as_mut().enable();
                if let Some(held) = self.try_hold(holder, bytes) {
                    return held;
                }
                freed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| NoRoom)
    }

    fn try_hold(&self, holder: Holder, bytes: usize) -> Option<Held> {
        let fits = |held: usize, limit: usize| held == 0 || held.saturating_add(bytes) <= limit;
        let limit = self.0.limit;
        let mut state = self.0.lock();
        let own = state.by_holder.get(&holder).copied().unwrap_or_default();
        let has_room = fits(state.all, limit)
            && match holder {
                Holder::Tenant(_) => fits(own, limit / 4),
                Holder::Stranger(_) => fits(own, limit / 32) && fits(state.strangers, limit / 2),
            };
        if !has_room {
            return None;
        }
        state.all += bytes;
        if let Holder::Stranger(_) = holder {
            state.strangers += bytes;
        }
        state.by_holder.insert(holder, own + bytes);
        drop(state);
        Some(Held { budget: self.clone(), holder, bytes })
    }

    fn wait_place(&self) -> Option<WaitPlace<'_>> {
        let mut state = self.0.lock();
        let free = state.waiting < MAX_WAITING;
        state.waiting += usize::from(free);
        drop(state);
        free.then(|| WaitPlace(&self.0))
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are held. They are free again when this is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    holder: Holder,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let inner = &self.budget.0;
        let mut state = inner.lock();
        state.all -= self.bytes;
        if let Holder::Stranger(_) = self.holder {
            state.strangers -= self.bytes;
        }
        if let Some(own) = state.by_holder.get_mut(&self.holder) {
            *own -= self.bytes;
            if *own == 0 {
                state.by_holder.remove(&self.holder);
            }
        }
        let somebody_waits = state.waiting > 0;
        drop(state);
        if somebody_waits {
            inner.freed.notify_waiters();
        }
    }
}

struct WaitPlace<'i>(&'i Inner);

impl Drop for WaitPlace<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LIMIT: usize = 6400;

    fn tenant(number: u128) -> Holder {
        Holder::Tenant(TenantId::from(Uuid::from_u128(number)))
    }

    fn stranger(last: u8) -> Holder {
        Holder::Stranger(Some(AddressPrefix::of([192, 0, 2, last].into())))
    }

    #[test]
    fn a_tenant_holds_a_quarter_and_leaves_the_rest_to_others() {
        let budget = Budget::new(LIMIT);
        let first = budget.try_hold(tenant(1), LIMIT / 4).unwrap();
        assert!(budget.try_hold(tenant(1), 1).is_none());
        let _other = budget.try_hold(tenant(2), LIMIT / 4).unwrap();
        drop(first);
        assert!(budget.try_hold(tenant(1), LIMIT / 4).is_some());
    }

    #[test]
    fn strangers_leave_half_of_it_to_those_with_a_credential() {
        let budget = Budget::new(LIMIT);
        let strangers: Vec<_> = (0..=255).map_while(|n| budget.try_hold(stranger(n), LIMIT / 32)).collect();
        assert_eq!(strangers.len(), 16);
        assert!(budget.try_hold(tenant(1), LIMIT / 4).is_some());
        drop(strangers);
        let _one = budget.try_hold(stranger(1), LIMIT / 32).unwrap();
        assert!(budget.try_hold(stranger(1), 1).is_none(), "one address held more than its share");
    }

    #[test]
    fn all_of_them_together_stay_within_the_limit() {
        let budget = Budget::new(LIMIT);
        let held: Vec<_> = (0..100).map_while(|n| budget.try_hold(tenant(n), LIMIT / 5)).collect();
        assert_eq!(held.len(), 5);
    }

    #[test]
    fn one_body_over_the_share_is_taken_from_whoever_holds_nothing() {
        let budget = Budget::new(LIMIT);
        let _large = budget.try_hold(tenant(1), LIMIT * 2).unwrap();
        assert!(budget.try_hold(tenant(2), 1).is_none());
    }

    #[test]
    fn what_is_free_again_is_forgotten() {
        let budget = Budget::new(LIMIT);
        drop((budget.try_hold(tenant(1), 10).unwrap(), budget.try_hold(stranger(1), 10).unwrap()));
        let state = budget.0.lock();
        assert!(state.all == 0 && state.strangers == 0 && state.by_holder.is_empty());
    }

    #[tokio::test]
    async fn a_body_waits_for_room() {
        let budget = Budget::new(LIMIT);
        let held = budget.try_hold(tenant(1), LIMIT).unwrap();
        let waits = budget.hold(tenant(2), 1);
        tokio::pin!(waits);
        assert!(futures::poll!(waits.as_mut()).is_pending());
        drop(held);
        assert!(waits.await.is_ok());
        assert_eq!(budget.0.lock().waiting, 0);
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let budget = Budget::new(LIMIT);
        let _held = budget.try_hold(tenant(1), LIMIT).unwrap();
        let places: Vec<_> = (0..MAX_WAITING).map(|_| budget.wait_place().unwrap()).collect();
        let refused = budget.hold(tenant(2), 1);
        tokio::pin!(refused);
        assert!(futures::poll!(refused.as_mut()).is_ready());
        drop(places);
        assert_eq!(budget.0.lock().waiting, 0);
    }
}
