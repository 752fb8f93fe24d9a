//! The operator of the server: whoever knows the operator token.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Accounts, AccountsError, limits::Client};

/// What whoever is not the operator is told.
pub const NOT_THE_OPERATOR: &str =
    "Send `Authorization: Bearer <operator token>`, as the setting operator_token has it";

impl Accounts {
    /// Lets the operator in, by their token. It takes as long for a wrong token as for the right one; if none is set,
    /// nobody is an operator, and the answer does not say so. `client` is the caller's address, if it is known.
    pub fn admit_operator(&self, token: &str, client: Client) -> Result<(), AccountsError> {
        if self.is_operator(token) {
            return Ok(());
        }
        Err(self.shared.credentials.refuse(client, "wrong operator token", NOT_THE_OPERATOR))
    }

    fn is_operator(&self, token: &str) -> bool {
        let Some(wanted) = &self.shared.config.operator_token else { return false };
        // Digests have one length, so that not even the token's own length can be learned.
        let (wanted, given) = (Sha256::digest(wanted.expose_secret()), Sha256::digest(token));
        bool::from(wanted.as_slice().ct_eq(given.as_slice()))
    }
}
