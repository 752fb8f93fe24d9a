//! What a message of ours looks like on the wire: one file for each kind, free of I/O.

mod text;

use waypost_domain::{Content, FailureCode};
use waypost_engine::SendFailure;
use whatsapp_rust::waproto::whatsapp as wa;

/// The protobuf that carries `content`.
pub(crate) fn build(content: &Content) -> Result<wa::Message, SendFailure> {
    match content {
        Content::Text { text } => Ok(text::build(text)),
        Content::Unsupported { .. } | Content::Unknown => Err(SendFailure::Reject {
            code: FailureCode::Unsendable,
            reason: "this kind of message cannot be sent".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_cannot_be_sent_is_rejected_for_good() {
        let failure = build(&Content::Unsupported { kind: "imageMessage".to_owned() }).unwrap_err();
        insta::assert_debug_snapshot!(failure, @r#"
        Reject {
            code: Unsendable,
            reason: "this kind of message cannot be sent",
        }
        "#);
    }
}
