//! Plain text.

use whatsapp_rust::waproto::whatsapp as wa;

/// A text goes as `conversation`, as WhatsApp Web sends one without a link preview or a quote.
pub(super) fn build(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..wa::Message::default() }
}

#[cfg(test)]
mod tests {
    use whatsapp_rust::waproto::codec;

    use super::*;

    #[test]
    fn a_text_is_a_conversation_and_nothing_else() {
        let message = build("Grüße 👋");
        let bytes = codec::message_to_vec(&message);
        // Field 1, length-delimited, 12 bytes of UTF-8.
        assert_eq!(bytes, [&[0x0a, 12], "Grüße 👋".as_bytes()].concat());
        assert_eq!(codec::message_decode(&bytes).unwrap().conversation.as_deref(), Some("Grüße 👋"));
    }

    #[test]
    fn the_longest_text_goes_out_whole() {
        let text = "é".repeat(waypost_domain::Content::MAX_TEXT);
        assert_eq!(build(&text).conversation.as_deref(), Some(text.as_str()));
    }
}
