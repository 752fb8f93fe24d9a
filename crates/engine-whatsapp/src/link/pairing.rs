//! Linking by a code that the owner types into the phone, instead of a QR code.

use std::{sync::Arc, time::Duration};

use wacore::pair_code::{PairCodeError, PairCodeRejection, PairCodeUtils};
use waypost_domain::PhoneNumber;
use waypost_engine::{LinkError, PairingCode};
use whatsapp_rust::{
    Client,
    pair_code::{PairCodeOptions, PairError},
};

use super::{LinkCore, driver};

/// How long a connection may take before a code is asked for.
const CONNECT_WAIT: Duration = Duration::from_secs(20);
/// How long to wait after "too many attempts" where the server does not say. Its own limit is per number and unknown.
const RETRY_AFTER_SECS: u32 = 60;

/// Asks WhatsApp for a pairing code, connecting first if need be.
pub(super) async fn pairing_code(link: &Arc<LinkCore>, number: &PhoneNumber) -> Result<PairingCode, LinkError> {
    if driver::is_linked(link).await {
        return Err(LinkError::Conflict("The session is linked already. Log it out to link it anew".to_owned()));
    }
    link.connect().await?;
    let client = connected_client(link).await?;
    let _permit = link
        .shared
        .pairing_codes
        .acquire()
        .await
        .map_err(|_| LinkError::Internal("the pairing code limit is closed".to_owned()))?;
    let options = PairCodeOptions { phone_number: number.as_str().to_owned(), ..PairCodeOptions::default() };
    let asked_at = link.shared.env.now();
    let code = client.pair_with_code(options).await.map_err(|error| refusal(&error))?;
    Ok(PairingCode { code, expires_at: asked_at.plus(PairCodeUtils::code_validity()) })
}

/// The client, once its socket is open.
async fn connected_client(link: &LinkCore) -> Result<Arc<Client>, LinkError> {
    let waiting = async {
        let mut clients = link.client.subscribe();
        let client = clients.wait_for(Option::is_some).await.ok()?.clone()?;
        client.wait_for_socket(CONNECT_WAIT).await.ok()?;
        Some(client)
    };
    let client = tokio::time::timeout(CONNECT_WAIT, waiting).await.ok().flatten();
    client.ok_or_else(|| LinkError::Unavailable("WhatsApp could not be reached. Try again in a minute".to_owned()))
}

/// Why there is no code, and what to do.
fn refusal(error: &PairError) -> LinkError {
    if let PairError::PairCode(PairCodeError::CodeAlreadyOutstanding { remaining }) = error {
        // A second code would not replace the first for the phone, and whoever types the first would see a failure.
        return LinkError::Conflict(format!(
            "A pairing code was made already and works for {} more seconds. Use it, or disconnect to give it up",
            remaining.as_secs()
        ));
    }
    match error.rejection() {
        // The server answers 400 both for a malformed request and for too many codes for one number; ours are well
        // formed.
        Some(rejection) if rejection.is_throttled() => LinkError::RateLimited {
            retry_after_secs: error
                .backoff()
                .map_or(RETRY_AFTER_SECS, |backoff| u32::try_from(backoff.as_secs()).unwrap_or(u32::MAX)),
        },
        Some(PairCodeRejection::FeatureNotAvailable) => LinkError::Conflict(
            "WhatsApp does not offer pairing codes for this account. Scan the QR code instead".to_owned(),
        ),
        Some(_) => {
            LinkError::Unavailable("WhatsApp refused to make a pairing code. Scan the QR code instead".to_owned())
        }
        None => LinkError::Unavailable("WhatsApp did not answer. Try again, or scan the QR code".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::IqError;

    use super::*;

    fn rejected(code: u16, text: &str, backoff: Option<u32>) -> LinkError {
        refusal(&PairError::RequestFailed(IqError::ServerError {
            code,
            text: text.to_owned(),
            error_type: None,
            backoff,
        }))
    }

    #[test]
    fn a_refused_code_says_what_to_do() {
        let outstanding = PairCodeError::CodeAlreadyOutstanding { remaining: Duration::from_mins(2) };
        insta::assert_debug_snapshot!([
            refusal(&PairError::PairCode(outstanding)),
            rejected(429, "rate-overlimit", Some(300)),
            rejected(400, "bad-request", None),
            rejected(452, "feature-not-available", None),
            rejected(500, "internal-server-error", None),
            refusal(&PairError::RequestFailed(IqError::Timeout)),
        ]);
    }
}
