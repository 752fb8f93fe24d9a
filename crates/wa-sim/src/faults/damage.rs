//! One wrong byte in a ciphertext, where the receiver's check of it must fail.

use crate::stanza::str_attr;
use std::borrow::Cow;
use wacore_binary::{NodeContentRef, NodeRef};
use wacore_libsignal::protocol::PreKeySignalMessage;

/// The `<enc>` elements of one copy, the last one damaged.
pub(crate) fn damaged<'n>(encs: &[NodeRef<'n>]) -> Vec<NodeRef<'n>> {
    let mut encs = encs.to_vec();
    if let Some(last) = encs.last_mut()
        && let Some(bytes) = last.content_bytes()
    {
        let bytes = flipped(str_attr(last, "type").as_deref() == Some("pkmsg"), bytes);
        last.content = Some(NodeContentRef::Bytes(Cow::Owned(bytes)));
    }
    encs
}

/// A message ends in its MAC or signature; one that starts a session has it in the middle.
fn flipped(starts_session: bool, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let inner = starts_session.then(|| PreKeySignalMessage::try_from(bytes).ok()).flatten();
    let end = inner.and_then(|outer| {
        let inner = outer.message().serialized();
        Some(bytes.windows(inner.len()).position(|window| window == inner)? + inner.len())
    });
    if let Some(byte) = end.unwrap_or(bytes.len()).checked_sub(1).and_then(|at| out.get_mut(at)) {
        *byte ^= 1;
    }
    out
}
