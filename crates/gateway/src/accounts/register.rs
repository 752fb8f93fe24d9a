//! Registers a new tenant with its owner.

use waypost_domain::{Email, Role, Tenant, User};
use waypost_store::{NewAccount, StoreError};

use super::{NewPassword, SignedIn};
use crate::{Gateway, GatewayError};

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

impl Gateway {
    /// Creates a tenant, its owner and its trial, and signs the owner in. Forbidden where registration is closed, a
    /// conflict where the e-mail is in use.
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, GatewayError> {
        let inner = &self.inner;
        if !inner.config.registration_open {
            return Err(GatewayError::Forbidden("Registration is closed on this installation".into()));
        }
        let password_hash = inner.auth.passwords.hash(registration.password, &inner.env).await?;
        let now = inner.env.now();
        let tenant = Tenant {
            id: inner.env.new_id(),
            name: registration.business_name,
            trial_ends_at: now.plus(inner.config.trial),
            created_at: now,
        };
        let owner = User {
            id: inner.env.new_id(),
            tenant_id: tenant.id,
            email: registration.email,
            name: registration.name,
            role: Role::Owner,
            created_at: now,
        };
        let account = NewAccount { tenant: tenant.clone(), owner: owner.clone(), password_hash };
        inner.store.create_account(account).await.map_err(|error| match error {
            StoreError::Duplicate { .. } => {
                GatewayError::Conflict("The e-mail is in use. Log in, or register with another one".into())
            }
            error => error.into(),
        })?;
        tracing::info!(tenant.id = %tenant.id, "tenant registered");
        self.sign_in(owner, tenant).await
    }
}
