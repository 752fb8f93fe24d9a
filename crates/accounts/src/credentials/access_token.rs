//! Access tokens: JWTs signed with HMAC-SHA-256 under the installation's token key.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use waypost_domain::{RefreshFamilyId, Role, TenantId, Timestamp, UserId};

use super::ring_provider;
use crate::AccountsError;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The person.
    pub sub: UserId,
    /// Their tenant.
    pub tid: TenantId,
    /// What they may do.
    pub role: Role,
    /// The login that the token belongs to: the token dies with it.
    pub sid: RefreshFamilyId,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it stops working, in seconds since 1970.
    pub exp: i64,
}

/// Why an access token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAccess {
    /// It is not ours, or was changed.
    Invalid,
    /// It was ours and its time is over.
    Expired,
}

/// Signs and checks access tokens.
pub(crate) struct AccessTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl AccessTokens {
    /// Tokens under `key`.
    pub fn new(key: &SecretBox<[u8; 32]>) -> Self {
        ring_provider::install();
        let mut validation = Validation::new(Algorithm::HS256);
        // The expiry is checked in `read` against the time that is passed in; jsonwebtoken would ask the system clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = key.expose_secret();
        Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), validation }
    }

    /// The signed token.
    pub fn sign(&self, claims: &Claims) -> Result<String, AccountsError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .map_err(|error| AccountsError::Internal(format!("an access token was not signed: {error}")))
    }

    /// What a token says, if it is ours and has not expired.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Claims, NoAccess> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| NoAccess::Invalid)?
            .claims;
        if Timestamp::from_secs(claims.exp) <= now { Err(NoAccess::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use waypost_domain::Env;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn tokens(key: u8) -> AccessTokens {
        AccessTokens::new(&SecretBox::new(Box::new([key; 32])))
    }

    fn claims() -> Claims {
        let env = Env::system();
        Claims {
            sub: env.new_id(),
            tid: env.new_id(),
            role: Role::Admin,
            sid: env.new_id(),
            iat: 1_800_000_000,
            exp: 1_800_000_900,
        }
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let claims = claims();
        let token = tokens(1).sign(&claims).unwrap();
        assert_eq!(tokens(1).read(&token, NOW).unwrap(), claims);
    }

    #[test]
    fn a_token_dies_at_its_expiry() {
        let token = tokens(1).sign(&claims()).unwrap();
        assert!(tokens(1).read(&token, NOW.plus(Duration::from_secs(899))).is_ok());
        assert_eq!(tokens(1).read(&token, NOW.plus(Duration::from_mins(15))), Err(NoAccess::Expired));
    }

    #[test]
    fn a_token_under_another_key_or_algorithm_is_refused() {
        let token = tokens(1).sign(&claims()).unwrap();
        assert_eq!(tokens(2).read(&token, NOW), Err(NoAccess::Invalid));

        let payload = token.split('.').nth(1).unwrap();
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512","typ":"JWT"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            let signature = token.rsplit('.').next().unwrap();
            assert!(tokens(1).read(&format!("{header}.{payload}.{signature}"), NOW).is_err());
            assert!(tokens(1).read(&format!("{header}.{payload}."), NOW).is_err());
        }
    }

    #[test]
    fn a_token_whose_claims_were_changed_is_refused() {
        let token = tokens(1).sign(&claims()).unwrap();
        let mut other = claims();
        other.role = Role::Owner;
        let forged = tokens(2).sign(&other).unwrap();
        let (head, _) = forged.rsplit_once('.').unwrap();
        let (_, signature) = token.rsplit_once('.').unwrap();
        assert!(tokens(1).read(&format!("{head}.{signature}"), NOW).is_err());
    }
}
