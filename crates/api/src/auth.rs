//! Who may come in: a person with an access token under `/api`, a server with an API key under `/api/external`, the
//! operator with a token of their own under `/api/operator`.
//!
//! The tenant of everything a request touches comes from here. A credential of the wrong kind is no credential: 401.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Span;
use uuid::Uuid;
use waypost_accounts::{Caller, Credential, NOT_THE_OPERATOR};
use waypost_domain::{RefreshFamilyId, Role, Scope, TenantId, UserId};

use crate::{App, error::ApiError, input::ClientAddress};

/// The header that carries an API key.
pub const API_KEY_HEADER: &str = "x-api-key";

/// Comes with a request of the operator.
#[derive(Debug, Clone, Copy)]
pub struct Operator;

/// Who was let in: goes with the answer, for what is around every request.
#[derive(Debug, Clone, Copy)]
pub struct Entered {
    /// The tenant.
    pub tenant: TenantId,
    /// The person or the API key.
    pub credential: Uuid,
}

impl Entered {
    fn by(caller: &Caller) -> Self {
        let credential = match &caller.credential {
            Credential::User { user_id, .. } => user_id.as_uuid(),
            Credential::ApiKey { key_id, .. } => key_id.as_uuid(),
        };
        Self { tenant: caller.tenant_id, credential }
    }
}

/// Lets people in.
pub async fn require_user(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let caller = match bearer_token(request.headers()) {
        Ok(token) => app.accounts.caller_by_access_token(token, client).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    enter(&app, caller, request, next).await
}

/// Lets servers in.
pub async fn require_api_key(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    request: Request,
    next: Next,
) -> Response {
    let caller = match api_key(request.headers()) {
        Ok(key) => app.accounts.caller_by_api_key(key, client).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    enter(&app, caller, request, next).await
}

/// Lets the operator of the server in. The answer to a wrong token does not say whether there is a right one.
pub async fn require_operator(
    State(app): State<App>,
    ClientAddress(client): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let allowed = match bearer_token(request.headers()) {
        Ok(token) => app.accounts.admit_operator(token, client).map_err(ApiError::from),
        Err(_) => Err(ApiError::Unauthorized(NOT_THE_OPERATOR)),
    };
    match allowed {
        Ok(()) => {
            request.extensions_mut().insert(Operator);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn enter(app: &App, caller: Result<Caller, ApiError>, request: Request, next: Next) -> Response {
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    Span::current().record("tenant.id", tracing::field::display(caller.tenant_id));
    let entered = Entered::by(&caller);
    let mut response = admit(app, caller, request, next).await;
    response.extensions_mut().insert(entered);
    response
}

async fn admit(app: &App, caller: Caller, mut request: Request, next: Next) -> Response {
    let Some(limiter) = &app.limiter else {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    };
    let (allowance, refused) = limiter.take(caller.tenant_id);
    let mut response = if let Some(wait) = refused {
        ApiError::RateLimited(wait).into_response()
    } else {
        request.extensions_mut().insert(caller);
        next.run(request).await
    };
    allowance.write(response.headers_mut());
    response
}

fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::Unauthorized(if headers.contains_key(API_KEY_HEADER) {
            "This route takes `Authorization: Bearer <accessToken>`. API keys are for /api/external"
        } else {
            "Send `Authorization: Bearer <accessToken>`. POST /api/auth/login gives one"
        }));
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.ok_or(ApiError::Unauthorized("The header Authorization must be `Bearer <accessToken>`"))
}

fn api_key(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(API_KEY_HEADER) else {
        return Err(ApiError::Unauthorized(if headers.contains_key(header::AUTHORIZATION) {
            "This route takes an API key in the header X-API-Key. Access tokens are for /api without /external"
        } else {
            "Send an API key in the header X-API-Key. POST /api/api-keys makes one"
        }));
    };
    value.to_str().map_err(|_| ApiError::Unauthorized("The API key is not valid"))
}

/// What a route asks of its caller. The check and the OpenAPI document both read these two constants.
pub trait Permission {
    /// The least role of a person who has it.
    const ROLE: Role;
    /// The scope of an API key that has it; none where no key may have it.
    const SCOPE: Option<Scope>;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $role:ident, $scope:expr;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl Permission for $name {
                const ROLE: Role = Role::$role;
                const SCOPE: Option<Scope> = $scope;
            }
        )*
    };
}

permissions! {
    /// Sending messages.
    SendMessages = Member, Some(Scope::MessagesSend);
    /// Reading messages.
    ReadMessages = Member, Some(Scope::MessagesRead);
    /// Reading sessions, without the codes that link an account.
    ReadSessions = Member, Some(Scope::SessionsRead);
    /// Changing sessions, and seeing the codes that link an account.
    WriteSessions = Member, Some(Scope::SessionsWrite);
    /// Making and revoking API keys.
    ManageApiKeys = Admin, None;
    /// What is about the person who is logged in.
    BeSomeone = Member, None;
}

/// Whether a credential has a permission; a sentence for the client if it has not.
fn check<P: Permission>(credential: &Credential) -> Result<(), String> {
    match (credential, P::SCOPE) {
        (Credential::User { role, .. }, _) if role.includes(P::ROLE) => Ok(()),
        (Credential::User { .. }, _) => Err(format!("It takes the role {} at least", P::ROLE.as_str())),
        (Credential::ApiKey { scopes, .. }, Some(scope)) if scopes.contains(&scope) => Ok(()),
        (Credential::ApiKey { .. }, Some(scope)) => Err(format!("The API key lacks the scope {}", scope.as_str())),
        (Credential::ApiKey { .. }, None) => Err("No API key may do this, only people".into()),
    }
}

/// An argument of a handler that lets only some callers in.
pub trait Gate {
    /// What it asks of them.
    type Asks: Permission;
}

/// What a handler asks of its caller, by its own arguments.
pub trait Gated<Arguments> {
    /// What the gate among its arguments asks.
    type Asks: Permission;
}

macro_rules! gated {
    ($($argument:ident)*) => {
        impl<F, Answer, G, $($argument),*> Gated<(G, $($argument,)*)> for F
        where
            F: Fn(State<App>, G, $($argument),*) -> Answer,
            G: Gate,
        {
            type Asks = G::Asks;
        }
    };
}

gated!();
gated!(A);
gated!(A B);
gated!(A B C);

/// The least role and the scope that `handler` asks for.
pub fn asked_by<Arguments, H: Gated<Arguments>>(_handler: &H) -> (Role, Option<Scope>) {
    (H::Asks::ROLE, H::Asks::SCOPE)
}

/// The tenant of a caller who has a permission. Stands before the body in a handler, so that who may not is told so
/// before what is wrong with their request.
pub struct Tenant<P> {
    /// The tenant.
    pub id: TenantId,
    credential: Credential,
    permission: std::marker::PhantomData<P>,
}

impl<P> Tenant<P> {
    /// Whether the caller has another permission too.
    pub fn may<Q: Permission>(&self) -> bool {
        check::<Q>(&self.credential).is_ok()
    }
}

impl<P: Permission> Gate for Tenant<P> {
    type Asks = P;
}

impl<P: Permission> FromRequestParts<App> for Tenant<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Caller { tenant_id, credential } = caller(parts)?;
        check::<P>(credential).map_err(ApiError::Forbidden)?;
        Ok(Self { id: *tenant_id, credential: credential.clone(), permission: std::marker::PhantomData })
    }
}

/// A person who is logged in.
pub struct Person {
    /// Their tenant.
    pub tenant: TenantId,
    /// Who they are.
    pub user: UserId,
    /// Their login.
    pub login: RefreshFamilyId,
}

impl Gate for Person {
    type Asks = BeSomeone;
}

impl FromRequestParts<App> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let Caller { tenant_id, credential } = caller(parts)?;
        match credential {
            Credential::User { user_id, family_id, .. } => {
                Ok(Self { tenant: *tenant_id, user: *user_id, login: *family_id })
            }
            Credential::ApiKey { .. } => Err(ApiError::Unauthorized("An API key is no person")),
        }
    }
}

fn caller(parts: &Parts) -> Result<&Caller, ApiError> {
    parts.extensions.get().ok_or_else(|| ApiError::Internal("the route asks for a caller but lets everyone in".into()))
}
