//! Asking: what is remembered, what others ask already, and the question itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::time::timeout;
use waypost_domain::{JidServer, NumberCheck, NumberFound, PhoneNumber, Timestamp};
use waypost_engine::{Link, LinkError};

use super::{ABSENT_LIFE, CheckedNumber, FOUND_LIFE, Lookups, UnderWay, throttle::Throttle};
use crate::{GatewayError, Inner, live::LiveSession, messages::require_connected};

/// How long WhatsApp may take to answer.
const LOOKUP_TIME: Duration = Duration::from_secs(20);
/// How often old answers are forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);
/// With more throttles than this, those that are full again are dropped.
const THROTTLES: usize = 10_000;

impl Inner {
    /// What WhatsApp says of exactly these numbers, from memory where it was asked lately.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        numbers: &[PhoneNumber],
    ) -> Result<BTreeMap<PhoneNumber, CheckedNumber>, GatewayError> {
        let numbers: BTreeSet<PhoneNumber> = numbers.iter().cloned().collect();
        let asked: Vec<PhoneNumber> = numbers.iter().cloned().collect();
        let now = self.env.now();
        let remembered = self.store.number_checks(session.tenant_id, &asked).await?;
        let mut known: BTreeMap<PhoneNumber, CheckedNumber> = remembered
            .into_iter()
            .filter(|check| is_fresh(check, now))
            .map(|check| (check.found.number.clone(), CheckedNumber { check, cached: true }))
            .collect();
        let missing: Vec<PhoneNumber> = asked.into_iter().filter(|number| !known.contains_key(number)).collect();
        for answers in self.ask(session, missing)? {
            for check in answers.await?.iter().filter(|check| numbers.contains(&check.found.number)) {
                known.insert(check.found.number.clone(), CheckedNumber { check: check.clone(), cached: false });
            }
        }
        Ok(known)
    }

    /// Joins the look-ups that ask for some of the numbers already, and starts one for the rest.
    fn ask(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        numbers: Vec<PhoneNumber>,
    ) -> Result<Vec<UnderWay>, GatewayError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        require_connected(session)?;
        let Some(connection) = session.connection() else {
            let why = "The session is not connected: it is being logged out".to_owned();
            return Err(GatewayError::WhatsappUnavailable(why));
        };
        let mut under_way = self.lookups.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut joined, mut fresh) = (Vec::new(), Vec::new());
        for number in numbers {
            match under_way.get(&(session.id, number.clone())) {
                Some(lookup) => joined.push(lookup.clone()),
                None => fresh.push(number),
            }
        }
        if fresh.is_empty() {
            return Ok(joined);
        }
        self.throttle(session, |throttle, now| throttle.take(fresh.len(), self.config.lookup_limits, now))
            .map_err(GatewayError::RateLimited)?;
        let lookup: UnderWay = {
            let (inner, session, numbers) = (self.clone(), session.clone(), fresh.clone());
            async move { inner.question(&session, &*connection.link, &numbers).await.map(Arc::new) }.boxed().shared()
        };
        for number in &fresh {
            under_way.insert((session.id, number.clone()), lookup.clone());
        }
        drop(under_way);
        // It goes on to its end even where nobody waits any more: it was paid for, and its answer is remembered.
        let (inner, id, running) = (self.clone(), session.id, lookup.clone());
        self.tasks.spawn(async move {
            let _ = running.await;
            let mut under_way = inner.lookups.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            for number in fresh {
                under_way.remove(&(id, number));
            }
        });
        joined.push(lookup);
        Ok(joined)
    }

    /// Asks WhatsApp and remembers what it says.
    async fn question(
        &self,
        session: &LiveSession,
        link: &dyn Link,
        numbers: &[PhoneNumber],
    ) -> Result<Vec<NumberCheck>, LinkError> {
        let silent = || LinkError::Unavailable("WhatsApp did not answer the look-up. Try again".to_owned());
        let found = timeout(LOOKUP_TIME, link.lookup(numbers)).await.map_err(|_| silent()).flatten();
        if let Err(LinkError::RateLimited { retry_after_secs }) = &found {
            tracing::warn!(
                tenant.id = %session.tenant_id, session.id = %session.id, retry_after_secs,
                "WhatsApp limits the look-ups of a session",
            );
            self.throttle(session, |throttle, now| throttle.silence(*retry_after_secs, now));
        }
        let checked_at = self.env.now();
        let checks: Vec<NumberCheck> =
            found?.into_iter().map(|found| NumberCheck { found: with_lid(found), checked_at }).collect();
        let internal = |error: waypost_store::StoreError| LinkError::Internal(error.to_string());
        self.store.save_number_checks(session.tenant_id, checks.clone()).await.map_err(internal)?;
        let accounts = checks.iter().filter_map(|check| check.found.account.as_ref());
        let named_twice: Vec<_> = accounts.filter_map(|account| Some((&account.jid, account.lid.as_ref()?))).collect();
        self.learn_people(session, &named_twice).await.map_err(internal)?;
        self.forget_old_checks(checked_at).await;
        Ok(checks)
    }

    fn throttle<T>(&self, session: &LiveSession, act: impl FnOnce(&mut Throttle, Timestamp) -> T) -> T {
        let (limits, now) = (self.config.lookup_limits, self.env.now());
        let mut throttles = self.lookups.throttles.lock().unwrap_or_else(PoisonError::into_inner);
        if throttles.len() >= THROTTLES {
            throttles.retain(|_, throttle| !throttle.is_idle(limits, now));
        }
        act(throttles.entry(session.id).or_insert_with(|| Throttle::new(limits, now)), now)
    }

    /// Keeps the table small, now and then.
    async fn forget_old_checks(&self, now: Timestamp) {
        if !self.lookups.is_time_to_prune(now) {
            return;
        }
        let pruned = self.store.prune_number_checks_system(now.minus(FOUND_LIFE), now.minus(ABSENT_LIFE)).await;
        if let Err(error) = pruned {
            tracing::warn!(%error, "old look-ups were not forgotten; the next hour tries again");
        }
    }
}

impl Lookups {
    fn is_time_to_prune(&self, now: Timestamp) -> bool {
        let mut pruned_at = self.pruned_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = pruned_at.is_none_or(|at| at.plus(PRUNE_EVERY) <= now);
        if due {
            *pruned_at = Some(now);
        }
        due
    }
}

fn is_fresh(check: &NumberCheck, now: Timestamp) -> bool {
    let life = if check.found.account.is_some() { FOUND_LIFE } else { ABSENT_LIFE };
    check.checked_at.plus(life) > now
}

/// If the network names an account by its LID alone, that is its address and its LID.
fn with_lid(mut found: NumberFound) -> NumberFound {
    if let Some(account) = &mut found.account
        && account.lid.is_none()
        && account.jid.server() == JidServer::Lid
    {
        account.lid = Some(account.jid.clone());
    }
    found
}
