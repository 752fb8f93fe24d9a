//! Plain text, in either of the two forms that clients send it in.

use waypost_domain::Content;
use whatsapp_rust::waproto::whatsapp as wa;

/// The text of a message that is one.
pub(super) fn read(message: &wa::Message) -> Option<Content> {
    let plain = message.conversation.as_deref().filter(|text| !text.is_empty());
    let extended = message.extended_text_message.as_option().and_then(|text| text.text.as_deref());
    plain.or(extended).map(|text| Content::Text { text: bounded(text) })
}

/// WhatsApp's own clients send no more than [`Content::MAX_TEXT`] characters; what another client sends beyond that
/// is cut off.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(Content::MAX_TEXT) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_beyond_the_limit_is_cut_at_a_character() {
        let longest = "ü".repeat(Content::MAX_TEXT);
        assert_eq!(bounded(&longest), longest);
        assert_eq!(bounded(&format!("{longest}more")), longest);
    }
}
