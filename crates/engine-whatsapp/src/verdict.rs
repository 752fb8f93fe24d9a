//! What the network's answers mean: acks, failed sends, refused logins. Free of I/O.

use std::time::Duration;

use wacore::types::{
    events::{ConnectFailureReason, LoggedOut, Receipt, ServerAck, TempBanReason},
    presence::ReceiptType,
};
use waypost_domain::{EndReason, FailureCode, JidServer, MessageEvent, ReceiptKind, Timestamp, WaMessageId};
use waypost_engine::SendFailure;
use whatsapp_rust::{ClientError, IqError, SendError};

use crate::link::Unlinked;

/// The verdict on a message in a server ack; `None` for acks of anything else.
pub(crate) fn ack(ack: &ServerAck, now: Timestamp) -> Option<MessageEvent> {
    if ack.class.as_deref() != Some("message") {
        return None;
    }
    let wa_id = WaMessageId::from(ack.id.clone());
    let at = ack.timestamp.map_or(now, |at| Timestamp::from_millis(at.timestamp_millis()));
    Some(match &ack.error {
        None => MessageEvent::Acked { wa_id, at },
        Some(error) => MessageEvent::Refused { wa_id, code: nack(error), reason: format!("ack error {error}"), at },
    })
}

/// The code for an ack's error number (docs/protocol.md, "Sending").
///
/// An error that asks to come back later (500, 503) is a refusal like any other: the server has taken the stanza and
/// judged it, and whether to send a new message is for the caller to say, who sees the number.
fn nack(error: &str) -> FailureCode {
    match error {
        "400" | "479" => FailureCode::RejectedAsMalformed,
        "404" => FailureCode::RecipientUnknown,
        "463" => FailureCode::ReachOutLimited,
        "475" => FailureCode::NewChatLimited,
        _ => FailureCode::RejectedByWhatsapp,
    }
}

/// What a receipt proves of the recipient, where it proves anything: an `inactive` receipt comes from a companion that
/// nobody looks at, and has the message all the same; `sender` and `read-self` come from the account's own devices.
pub(crate) fn receipt_kind(kind: &ReceiptType) -> Option<ReceiptKind> {
    match kind {
        ReceiptType::Delivered | ReceiptType::Inactive => Some(ReceiptKind::Delivered),
        ReceiptType::Read => Some(ReceiptKind::Read),
        ReceiptType::Played => Some(ReceiptKind::Played),
        _ => None,
    }
}

/// The event for a receipt. The caller has made sure that it is not from a device of the account itself.
///
/// The client gives as the sender the device of a chat of two, and in a group the member's (`participant`). If the
/// receipt names no member, the sender is the group itself (whatsapp-rust 0.7.0, `receipt.rs`).
pub(crate) fn receipt(receipt: &Receipt) -> Option<MessageEvent> {
    let sender = crate::jid::from_wire(&receipt.source.sender);
    Some(MessageEvent::Receipt {
        kind: receipt_kind(&receipt.r#type)?,
        participant: sender.filter(|sender| sender.server() != JidServer::Group),
        wa_ids: receipt.message_ids.iter().cloned().map(WaMessageId::from).collect(),
        at: Timestamp::from_millis(receipt.timestamp.timestamp_millis()),
    })
}

/// What becomes of a message whose send failed. The library's own words stay out of the reason where they might name an
/// address.
pub(crate) fn send_failure(error: &SendError) -> SendFailure {
    match error {
        SendError::NotLoggedIn => park("not logged in"),
        SendError::Client(error) => client_failure(error),
        SendError::Iq(error) => iq_failure(error),
        SendError::InvalidRequest(_) => reject(FailureCode::Unsendable, "the client refused to build the message"),
        // Encryption, storage, group metadata: none of it is the message's fault, and the next attempt starts afresh.
        _ => retry("the message could not be encrypted"),
    }
}

fn client_failure(error: &ClientError) -> SendFailure {
    match error {
        ClientError::NotConnected | ClientError::NotLoggedIn => park("not connected"),
        ClientError::Socket(_) | ClientError::EncryptSend(_) => park("the connection broke"),
        ClientError::Iq(error) => iq_failure(error),
        _ => retry("the client failed"),
    }
}

/// A failed question that a send had to ask first: devices, keys, group members.
fn iq_failure(error: &IqError) -> SendFailure {
    match error {
        IqError::NotConnected
        | IqError::Disconnected(_)
        | IqError::Socket(_)
        | IqError::EncryptSend(_)
        | IqError::InternalChannelClosed => park("the connection broke"),
        IqError::ClientState(error) => client_failure(error),
        IqError::ServerError { code: 404 | 406, .. } => {
            reject(FailureCode::RecipientUnknown, "WhatsApp knows no such recipient")
        }
        IqError::ServerError { code: code @ (401 | 403), .. } => reject(
            FailureCode::RejectedByWhatsapp,
            &format!("a query for the recipient's keys was refused with {code}"),
        ),
        IqError::ServerError { code, .. } => retry(&format!("a query for the recipient's keys failed with {code}")),
        _ => retry("a query for the recipient's keys failed"),
    }
}

fn park(reason: &str) -> SendFailure {
    SendFailure::Park { reason: reason.to_owned() }
}

fn retry(reason: &str) -> SendFailure {
    SendFailure::Retry { reason: reason.to_owned() }
}

fn reject(code: FailureCode, reason: &str) -> SendFailure {
    SendFailure::Reject { code, reason: reason.to_owned() }
}

/// What it means that the server logged the device out: a word that it was unlinked, or another end.
///
/// 403 is a locked account, which its owner may get back: it restricts the session and keeps its credentials. If they are
/// worth nothing after that, the next login says so with a 401.
pub(crate) fn logged_out(out: &LoggedOut) -> Result<Unlinked, EndReason> {
    if out.reason == ConnectFailureReason::AccountLocked {
        return Err(EndReason::Restricted { reason: "the account is locked (403)".to_owned(), until: None });
    }
    let conflict = out.raw.as_ref().and_then(|raw| raw.get_optional_child("conflict"));
    let removed =
        conflict.is_some_and(|conflict| conflict.attrs().optional_string("type").as_deref() == Some("device_removed"));
    let word = if removed { "device_removed".to_owned() } else { out.reason.code().to_string() };
    Ok(Unlinked { reason: format!("the device was unlinked ({word})"), removed })
}

/// A ban that ends.
pub(crate) fn banned(code: &TempBanReason, lasts: Duration, now: Timestamp) -> EndReason {
    EndReason::Restricted { reason: format!("temporarily banned: {code}"), until: Some(now.plus(lasts)) }
}

/// A refused login that the client does not repeat; `None` where it does (500, 503).
pub(crate) fn refused_login(reason: ConnectFailureReason) -> Option<EndReason> {
    match reason {
        reason if reason.should_reconnect() => None,
        ConnectFailureReason::TempBanned => {
            Some(EndReason::Restricted { reason: "temporarily banned (402)".to_owned(), until: None })
        }
        reason => Some(EndReason::Refused { reason: format!("login refused ({})", reason.code()) }),
    }
}

#[cfg(test)]
mod tests;
