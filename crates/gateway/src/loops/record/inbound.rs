//! Inbound messages become rows, and are acknowledged to the network only then.

use waypost_domain::Inbound;
use waypost_engine::NotStored;
use waypost_store::{NewInbound, Person, StoreError};

use crate::{Inner, live::LiveSession};

/// Stores messages that came in; `Ok` after the commit. The network repeats what it saw no acknowledgement for, so the
/// store leaves out what it has.
///
/// What the account's own other devices wrote (`from_me`) is acknowledged and not kept: it is neither the tenant's to
/// answer nor a message that a caller of this API sent.
pub(super) async fn store(inner: &Inner, session: &LiveSession, messages: Vec<Inbound>) -> Result<(), NotStored> {
    let messages: Vec<_> = messages.into_iter().filter(|message| !message.from_me).collect();
    if messages.is_empty() {
        return Ok(());
    }
    write(inner, session, messages).await.map_err(|error| {
        tracing::error!(
            tenant.id = %session.tenant_id, session.id = %session.id, %error,
            "messages that came in were not stored; the network is to bring them again",
        );
        NotStored
    })
}

async fn write(inner: &Inner, session: &LiveSession, messages: Vec<Inbound>) -> Result<(), StoreError> {
    let named_twice: Vec<_> =
        messages.iter().filter_map(|message| Some((&message.sender, message.sender_alt.as_ref()?))).collect();
    inner.learn_people(session, &named_twice).await?;
    let to = session.live().phone_number.as_ref().map(ToString::to_string);
    let received_at = inner.env.now();
    let mut rows = Vec::with_capacity(messages.len());
    for message in messages {
        let person = inner.person(session, &message.sender).await?;
        rows.push(NewInbound {
            id: inner.env.new_id(),
            tenant_id: session.tenant_id,
            session_id: session.id,
            inbound: in_one_chat(message, person),
            to: to.clone(),
            received_at,
        });
    }
    // Whoever writes is no stranger any more.
    let chats: Vec<_> =
        if session.pace().is_off() { Vec::new() } else { rows.iter().map(|row| row.inbound.chat.clone()).collect() };
    inner.store.store_inbound(rows).await?;
    if !chats.is_empty() {
        for chat in chats {
            session.pace().met(chat);
        }
        session.dispatch.nudge();
    }
    Ok(())
}

/// The message under the addresses of its chat: a person who is known by number and by LID is named by the address of
/// the chat with them, in groups too.
fn in_one_chat(message: Inbound, person: Option<Person>) -> Inbound {
    let Some(person) = person else { return message };
    let between_two = message.chat == person.lid || message.chat == person.number;
    let sender = person.chat().clone();
    let chat = if between_two { sender.clone() } else { message.chat };
    let sender_alt = Some(if person.chat_by_lid { person.number } else { person.lid });
    Inbound { chat, sender, sender_alt, ..message }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use waypost_domain::{Content, Jid, Timestamp};

    use super::*;

    const LID: &str = "123456789012345@lid";
    const NUMBER: &str = "919876543210@s.whatsapp.net";
    const GROUP: &str = "120363000000000000@g.us";

    #[rstest]
    #[case::by_a_lid_that_is_all_that_is_known(LID, LID, None, (LID, LID, None))]
    #[case::by_a_number_that_is_all_that_is_known(NUMBER, NUMBER, None, (NUMBER, NUMBER, None))]
    #[case::by_lid_in_the_numbers_chat(LID, LID, Some(false), (NUMBER, NUMBER, Some(LID)))]
    #[case::by_number_in_the_numbers_chat(NUMBER, NUMBER, Some(false), (NUMBER, NUMBER, Some(LID)))]
    #[case::by_number_in_the_lids_chat(NUMBER, NUMBER, Some(true), (LID, LID, Some(NUMBER)))]
    #[case::by_lid_in_the_lids_chat(LID, LID, Some(true), (LID, LID, Some(NUMBER)))]
    #[case::chat_and_sender_in_two_namespaces(NUMBER, LID, Some(false), (NUMBER, NUMBER, Some(LID)))]
    #[case::in_a_group(GROUP, LID, Some(false), (GROUP, NUMBER, Some(LID)))]
    fn one_person_is_one_chat(
        #[case] chat: &str,
        #[case] sender: &str,
        #[case] known_with_chat_by_lid: Option<bool>,
        #[case] expected: (&str, &str, Option<&str>),
    ) {
        let jid = |text: &str| -> Jid { text.parse().unwrap() };
        let message = Inbound {
            wa_id: "3EB0".to_owned().into(),
            chat: jid(chat),
            sender: jid(sender),
            sender_alt: None,
            from_me: false,
            push_name: None,
            sent_at: Timestamp::from_millis(0),
            content: Content::Text { text: "hi".to_owned() },
        };
        let person =
            known_with_chat_by_lid.map(|chat_by_lid| Person { lid: jid(LID), number: jid(NUMBER), chat_by_lid });
        let (chat, sender, sender_alt) = expected;
        let stored = in_one_chat(message, person);
        let expected = (jid(chat), jid(sender), sender_alt.map(jid));
        assert_eq!((stored.chat, stored.sender, stored.sender_alt), expected);
    }
}
