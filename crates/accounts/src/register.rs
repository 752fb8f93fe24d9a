//! Registers a new tenant with its owner.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
};

use waypost_domain::{Email, Role, Tenant, User};
use waypost_store::{AccountOutcome, NewAccount};

use crate::{
    Accounts, AccountsError, NewPassword, SignedIn,
    limits::{Allowance, Client, Limiter, Network, network_of},
};

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationOpen {
    /// Everyone.
    Yes,
    /// Nobody.
    No,
    /// Whoever comes first: it is closed from when there is a tenant.
    First,
}

/// How many may try to register; none for no limit. Tries count, since each costs a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationLimits {
    /// An hour, from one network (an IPv4 address, an IPv6 /56).
    pub per_network: Option<NonZeroU32>,
    /// An hour, from all.
    pub in_all: Option<NonZeroU32>,
}

impl Default for RegistrationLimits {
    fn default() -> Self {
        Self { per_network: NonZeroU32::new(20), in_all: NonZeroU32::new(200) }
    }
}

/// Counts registrations, and knows when they are over.
pub(crate) struct Registrations {
    per_network: Limiter<Network>,
    in_all: Limiter<()>,
    /// There is a tenant: the first one has come.
    has_tenant: AtomicBool,
}

impl Registrations {
    pub fn new(limits: RegistrationLimits) -> Self {
        Self {
            per_network: Limiter::new(Allowance::per_hour(limits.per_network)),
            in_all: Limiter::new(Allowance::per_hour(limits.in_all)),
            has_tenant: AtomicBool::new(false),
        }
    }
}

/// Who wants an account.
pub struct Registration {
    /// The owner's name.
    pub name: String,
    /// The owner's e-mail.
    pub email: Email,
    /// The owner's password.
    pub password: NewPassword,
    /// The tenant's name.
    pub business_name: String,
}

impl Accounts {
    /// Creates a tenant, its owner and its trial, and signs the owner in. An e-mail that is in use costs the same work as
    /// one that is not; a closed registration costs none. `client` is the caller's address, if it is known.
    pub async fn register(&self, registration: Registration, client: Client) -> Result<SignedIn, AccountsError> {
        let accounts = &*self.shared;
        self.admit_registration(client).await?;
        let network = network_of(client);
        let password_hash = accounts.passwords.hash(registration.password, &accounts.env, network).await?;
        let now = accounts.env.now();
        let tenant = Tenant {
            id: accounts.env.new_id(),
            name: registration.business_name,
            trial_ends_at: now.plus(accounts.config.trial),
            created_at: now,
        };
        let owner = User {
            id: accounts.env.new_id(),
            tenant_id: tenant.id,
            email: registration.email,
            name: registration.name,
            role: Role::Owner,
            created_at: now,
        };
        let account = NewAccount { tenant: tenant.clone(), owner: owner.clone(), password_hash };
        // Of two who come first at once, the database's writer decides.
        let only_first = accounts.config.registration_open == RegistrationOpen::First;
        match accounts.store.create_account(account, only_first).await? {
            AccountOutcome::Created => {}
            AccountOutcome::EmailInUse => return Err(AccountsError::EmailInUse),
            AccountOutcome::NotFirst => return Err(AccountsError::RegistrationClosed),
        }
        tracing::info!(tenant.id = %tenant.id, "tenant registered");
        accounts.guesses.remember(owner.id, network);
        self.sign_in(owner, tenant).await
    }

    /// Counts who wants to register before anything costs, and turns away whom the setting does not let in.
    async fn admit_registration(&self, client: Client) -> Result<(), AccountsError> {
        let accounts = &*self.shared;
        let registrations = &accounts.registrations;
        match accounts.config.registration_open {
            RegistrationOpen::Yes => {}
            RegistrationOpen::No => return Err(AccountsError::RegistrationClosed),
            RegistrationOpen::First => {
                // A tenant stays, so the answer is asked for until it is yes.
                if registrations.has_tenant.load(Ordering::Relaxed) || accounts.store.any_tenant_system().await? {
                    registrations.has_tenant.store(true, Ordering::Relaxed);
                    return Err(AccountsError::RegistrationClosed);
                }
            }
        }
        let now = accounts.env.now();
        registrations.per_network.take(&network_of(client), now).map_err(AccountsError::rate_limited)?;
        registrations.in_all.take(&(), now).map_err(AccountsError::rate_limited)
    }
}
