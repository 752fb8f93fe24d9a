//! Inbound messages become rows, and are acknowledged to the network only then.

use waypost_domain::{Jid, JidServer};
use waypost_engine::{Inbound, NotStored};
use waypost_store::NewInbound;

use crate::{Inner, live::LiveSession};

/// Stores messages that came in; `Ok` after the commit. The network repeats what it saw no acknowledgement for, so the
/// store leaves out what it has.
///
/// What the account's own other devices wrote (`from_me`) is acknowledged and not kept: it is neither the tenant's to
/// answer nor a message that a caller of this API sent.
pub(super) async fn store(inner: &Inner, session: &LiveSession, messages: Vec<Inbound>) -> Result<(), NotStored> {
    let to = session.live().phone_number.as_ref().map(ToString::to_string);
    let received_at = inner.env.now();
    let rows: Vec<_> = messages
        .into_iter()
        .filter(|message| !message.from_me)
        .map(|message| {
            let (chat, sender) = addresses(&message);
            NewInbound {
                id: inner.env.new_id(),
                tenant_id: session.tenant_id,
                session_id: session.id,
                wa_id: message.wa_id,
                chat,
                sender,
                push_name: message.push_name,
                to: to.clone(),
                content: message.content,
                sent_at: message.sent_at,
                received_at,
            }
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    // Whoever writes is no stranger any more.
    let chats: Vec<_> =
        if session.pace().is_off() { Vec::new() } else { rows.iter().map(|row| row.chat.clone()).collect() };
    let stored = inner.store.store_inbound(rows).await;
    if stored.is_ok() && !chats.is_empty() {
        for chat in chats {
            session.pace().met(chat);
        }
        session.dispatch.nudge();
    }
    stored.map(|_| ()).map_err(|error| {
        tracing::error!(
            tenant.id = %session.tenant_id, session.id = %session.id, %error,
            "messages that came in were not stored; the network is to bring them again",
        );
        NotStored
    })
}

/// The chat and the sender of a message, by number wherever the number is known: a person whom the network names once
/// by number and once by LID is one chat.
fn addresses(message: &Inbound) -> (Jid, Jid) {
    let number = message.sender_alt.as_ref().filter(|alt| alt.server() == JidServer::PhoneNumber);
    let sender = number.unwrap_or(&message.sender).clone();
    let chat = if message.chat == message.sender { sender.clone() } else { message.chat.clone() };
    (chat, sender)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use waypost_domain::{Content, Timestamp};

    use super::*;

    const LID: &str = "123456789012345@lid";
    const NUMBER: &str = "919876543210@s.whatsapp.net";
    const GROUP: &str = "120363000000000000@g.us";

    #[rstest]
    #[case::by_lid_alone(LID, LID, None, (LID, LID))]
    #[case::by_lid_with_a_known_number(LID, LID, Some(NUMBER), (NUMBER, NUMBER))]
    #[case::by_number_with_a_known_lid(NUMBER, NUMBER, Some(LID), (NUMBER, NUMBER))]
    #[case::in_a_group(GROUP, LID, Some(NUMBER), (GROUP, NUMBER))]
    fn one_person_is_one_chat(
        #[case] chat: &str,
        #[case] sender: &str,
        #[case] sender_alt: Option<&str>,
        #[case] expected: (&str, &str),
    ) {
        let message = Inbound {
            wa_id: "3EB0".to_owned().into(),
            chat: chat.parse().unwrap(),
            sender: sender.parse().unwrap(),
            sender_alt: sender_alt.map(|jid| jid.parse().unwrap()),
            from_me: false,
            push_name: None,
            sent_at: Timestamp::from_millis(0),
            content: Content::Text { text: "hi".to_owned() },
        };
        let (chat, sender) = addresses(&message);
        assert_eq!((chat.to_string().as_str(), sender.to_string().as_str()), expected);
    }
}
