//! Numbers: who is on WhatsApp, and under which address.
//!
//! A look-up is a question that WhatsApp watches: accounts that ask about many strangers are banned. So
//! - answers are remembered, each tenant's for itself: [`FOUND_LIFE`] where an account was found, [`ABSENT_LIFE`] where
//!   none was;
//! - of those who ask for a number at the same time through one session, one asks and all hear the answer;
//! - each session asks about so many numbers a minute and no more ([`throttle`]), and not at all for as long as WhatsApp
//!   says that it is too much.
//!
//! No number is ever rewritten: the form that was given is asked for first, the other forms that its country has
//! ([`PhoneNumber::variants`]) only where that one has no account, and what is used is the address that WhatsApp gives.

mod check;
mod lookup;
mod recipient;
mod throttle;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::{BoxFuture, Shared};
use waypost_domain::{NumberCheck, PhoneNumber, SessionId, Timestamp};
use waypost_engine::LinkError;

pub use throttle::LookupLimits;
use throttle::Throttle;

use crate::{GatewayError, Inner, live::LiveSession};

/// How long an account that was found is believed to be there.
const FOUND_LIFE: Duration = Duration::from_hours(7 * 24);
/// How long a number is believed to have no account. Short: its owner may be about to get one.
const ABSENT_LIFE: Duration = Duration::from_hours(1);

/// When numbers are looked up before a message is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckNumbers {
    /// Always.
    Always,
    /// Where the caller asks for it.
    Asked,
}

/// The look-ups of all sessions.
#[derive(Default)]
pub(crate) struct Lookups {
    /// The look-ups under way, under each number that they ask for.
    under_way: Mutex<HashMap<(SessionId, PhoneNumber), UnderWay>>,
    throttles: Mutex<HashMap<SessionId, Throttle>>,
    /// When old answers were last forgotten.
    pruned_at: Mutex<Option<Timestamp>>,
}

/// A look-up of some numbers, for all who wait for it.
type UnderWay = Shared<BoxFuture<'static, Result<Arc<Vec<NumberCheck>>, LinkError>>>;

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedNumber {
    /// What WhatsApp said, and when.
    pub check: NumberCheck,
    /// Whether that was before now.
    pub cached: bool,
}

impl Inner {
    /// What WhatsApp says of each number, under the form that was given or another one of its country. The answer holds
    /// every number.
    async fn resolve_numbers(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        numbers: &[PhoneNumber],
    ) -> Result<BTreeMap<PhoneNumber, CheckedNumber>, GatewayError> {
        let mut known = self.look_up(session, numbers).await?;
        let absent = |known: &BTreeMap<PhoneNumber, CheckedNumber>, number| {
            known.get(number).is_none_or(|known: &CheckedNumber| known.check.found.account.is_none())
        };
        let variants: BTreeMap<&PhoneNumber, Vec<PhoneNumber>> =
            numbers.iter().filter(|number| absent(&known, number)).map(|number| (number, number.variants())).collect();
        let others: Vec<PhoneNumber> = variants.values().flatten().cloned().collect();
        if !others.is_empty() {
            let others = self.look_up(session, &others).await?;
            for (number, variants) in variants {
                let found =
                    variants.iter().filter_map(|other| others.get(other)).find(|it| it.check.found.account.is_some());
                if let Some(found) = found {
                    known.insert(number.clone(), found.clone());
                }
            }
        }
        Ok(known)
    }
}
