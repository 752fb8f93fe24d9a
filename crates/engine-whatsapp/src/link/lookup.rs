//! Which numbers have an account: one `usync` question for all of them.
//!
//! The client's own `is_on_whatsapp` does not say which number an answer belongs to, and where an account is known under
//! another form of its number the address in the answer is not the number that was asked. The answer's `<contact>`
//! repeats what was asked for, so the question is put here.

use std::{collections::HashMap, time::Duration};

use waypost_domain::{FoundAccount, JidServer, NumberFound, PhoneNumber};
use waypost_engine::LinkError;
use whatsapp_rust::{
    Client, IqError,
    lid_pn_cache::LearningSource,
    usync::{
        UsyncAddressingMode, UsyncContext, UsyncMode, UsyncOutcome, UsyncProtocol, UsyncProtocolKind,
        UsyncProtocolResult, UsyncQuery, UsyncResponse, UsyncSubprotocolError, UsyncUser, UsyncUserResult,
    },
};

use super::LinkCore;
use crate::jid;

/// How long WhatsApp may take to answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long to wait after "too many" where the server does not say.
const RETRY_AFTER_SECS: u32 = 60;

/// Asks which of `numbers` have an account.
pub(super) async fn lookup(link: &LinkCore, numbers: &[PhoneNumber]) -> Result<Vec<NumberFound>, LinkError> {
    let not_connected =
        || LinkError::Unavailable("The session is not connected. Connect it, then try again".to_owned());
    let client = link.running_client().ok_or_else(not_connected)?;
    let users = numbers.iter().map(|number| UsyncUser::from_phone(number.as_str())).collect();
    let protocols = vec![UsyncProtocol::Contact { addressing_mode: UsyncAddressingMode::Pn }, UsyncProtocol::Lid];
    let query = UsyncQuery::new(UsyncMode::Query, UsyncContext::Interactive, protocols, users)
        .map_err(|error| LinkError::Internal(error.to_string()))?;
    let answer = tokio::time::timeout(TIMEOUT, client.query_usync(query)).await;
    let response = answer.map_err(|_| silent())?.map_err(|error| refusal(&error))?;
    let found = read(numbers, &response)?;
    learn(&client, &found).await;
    Ok(found)
}

/// What the answer says of each number, in their order.
fn read(numbers: &[PhoneNumber], response: &UsyncResponse) -> Result<Vec<NumberFound>, LinkError> {
    if let Some(error) = response.protocol_state(UsyncProtocolKind::Contact).and_then(|state| state.error.as_ref()) {
        return Err(subprotocol_refusal(error));
    }
    let mut accounts = HashMap::new();
    for user in &response.users {
        let Some(UsyncProtocolResult::Contact(contact)) = user.protocol(UsyncProtocolKind::Contact) else { continue };
        let contact = match contact {
            UsyncOutcome::Value(contact) => contact,
            UsyncOutcome::Error(error) => return Err(subprotocol_refusal(error)),
        };
        let asked = contact.content.as_ref().map(|asked| asked.trim_start_matches('+'));
        // An answer that does not repeat the question is for the number that it names.
        let number = asked.or_else(|| user.id.as_ref().map(wacore_binary::Jid::user_base));
        if let (Some(number), "in") = (number, contact.contact_type.as_str()) {
            accounts.extend(account(user).map(|account| (number.to_owned(), account)));
        }
    }
    let found =
        |number: &PhoneNumber| NumberFound { number: number.clone(), account: accounts.get(number.as_str()).cloned() };
    Ok(numbers.iter().map(found).collect())
}

/// The account in an answer, by its number where the server says it.
fn account(user: &UsyncUserResult) -> Option<FoundAccount> {
    let given = user.id.as_ref().and_then(jid::from_wire)?;
    let named = match user.protocol(UsyncProtocolKind::Lid) {
        Some(UsyncProtocolResult::Lid(UsyncOutcome::Value(lid))) => lid.as_ref().and_then(jid::from_wire),
        _ => None,
    };
    if given.server() != JidServer::Lid {
        return Some(FoundAccount { jid: given, lid: named });
    }
    let by_number = user.pn_jid.as_ref().and_then(jid::from_wire);
    Some(FoundAccount { jid: by_number.unwrap_or_else(|| given.clone()), lid: Some(given) })
}

/// Tells the client which LID belongs to which number, as it would have learned from its own question.
async fn learn(client: &Client, found: &[NumberFound]) {
    for account in found.iter().filter_map(|found| found.account.as_ref()) {
        let (Some(lid), JidServer::PhoneNumber) = (&account.lid, account.jid.server()) else { continue };
        if client.add_lid_pn_mapping(lid.user(), account.jid.user(), LearningSource::Usync).await.is_err() {
            tracing::warn!("a LID that a look-up told was not kept; the next message to it asks again");
        }
    }
}

fn refusal(error: &IqError) -> LinkError {
    match error {
        IqError::ServerError { code: 429, backoff, .. } => {
            LinkError::RateLimited { retry_after_secs: backoff.unwrap_or(RETRY_AFTER_SECS) }
        }
        IqError::ServerError { code, .. } => {
            LinkError::Unavailable(format!("WhatsApp refused the look-up (error {code}). Try again later"))
        }
        IqError::Timeout => silent(),
        _ => LinkError::Unavailable("The connection broke during the look-up. Try again".to_owned()),
    }
}

fn subprotocol_refusal(error: &UsyncSubprotocolError) -> LinkError {
    match error.code {
        Some(429) => LinkError::RateLimited { retry_after_secs: error.backoff.unwrap_or(RETRY_AFTER_SECS) },
        Some(code) => LinkError::Unavailable(format!("WhatsApp refused the look-up (error {code}). Try again later")),
        None => LinkError::Unavailable("WhatsApp refused the look-up. Try again later".to_owned()),
    }
}

fn silent() -> LinkError {
    LinkError::Unavailable("WhatsApp did not answer the look-up. Try again".to_owned())
}
