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
use waypost_domain::{RefreshFamilyId, Scope, TenantId, UserId};
use waypost_gateway::{Caller, Credential};

use crate::{App, error::ApiError};

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
pub async fn require_user(State(app): State<App>, request: Request, next: Next) -> Response {
    let caller = match bearer_token(request.headers()) {
        Ok(token) => app.gateway.caller_by_access_token(token).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    enter(&app, caller, request, next).await
}

/// Lets servers in.
pub async fn require_api_key(State(app): State<App>, request: Request, next: Next) -> Response {
    let caller = match api_key(request.headers()) {
        Ok(key) => app.gateway.caller_by_api_key(key).await.map_err(ApiError::from),
        Err(error) => Err(error),
    };
    enter(&app, caller, request, next).await
}

/// Lets the operator of the server in. The answer to a wrong token does not say whether there is a right one.
pub async fn require_operator(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let allowed = match bearer_token(request.headers()) {
        Ok(token) if app.gateway.is_operator(token) => Ok(()),
        _ => Err(ApiError::Unauthorized(
            "Send `Authorization: Bearer <operator token>`, as the setting operator_token has it",
        )),
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

/// What a route asks of its caller.
pub trait Permission {
    /// Whether a credential has it; a sentence for the client where not.
    fn check(credential: &Credential) -> Result<(), String>;
}

macro_rules! by_scope {
    ($($(#[$doc:meta])* $name:ident = $scope:ident;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl Permission for $name {
                fn check(credential: &Credential) -> Result<(), String> {
                    require_scope(credential, Scope::$scope)
                }
            }
        )*
    };
}

by_scope! {
    /// Sending messages: every person, and keys with `messages:send`.
    SendMessages = MessagesSend;
    /// Reading messages: every person, and keys with `messages:read`.
    ReadMessages = MessagesRead;
    /// Reading sessions: every person, and keys with `sessions:read`.
    ReadSessions = SessionsRead;
    /// Changing sessions: every person, and keys with `sessions:write`.
    WriteSessions = SessionsWrite;
}

fn require_scope(credential: &Credential, scope: Scope) -> Result<(), String> {
    match credential {
        Credential::ApiKey { scopes, .. } if !scopes.contains(&scope) => {
            Err(format!("The API key lacks the scope {}", scope.as_str()))
        }
        Credential::ApiKey { .. } | Credential::User { .. } => Ok(()),
    }
}

/// Making and revoking API keys: owners and admins.
pub struct ManageApiKeys;

impl Permission for ManageApiKeys {
    fn check(credential: &Credential) -> Result<(), String> {
        match credential {
            Credential::User { role, .. } if role.manages_api_keys() => Ok(()),
            Credential::User { .. } => Err("Only an owner or an admin may manage API keys".into()),
            Credential::ApiKey { .. } => Err("An API key may not manage API keys".into()),
        }
    }
}

/// The tenant of a caller who has a permission. Stands before the body in a handler, so that who may not is told so
/// before what is wrong with their request.
pub struct Tenant<P> {
    /// The tenant.
    pub id: TenantId,
    permission: std::marker::PhantomData<P>,
}

impl<P: Permission> FromRequestParts<App> for Tenant<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let caller = caller(parts)?;
        P::check(&caller.credential).map_err(ApiError::Forbidden)?;
        Ok(Self { id: caller.tenant_id, permission: std::marker::PhantomData })
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
