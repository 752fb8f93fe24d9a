//! Reading and building stanzas.

use bytes::Bytes;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{CompactString, Jid, Node, NodeRef, Server};

/// A stanza the server cannot make sense of: it ends the connection it came from, and only that one.
#[derive(Debug, thiserror::Error)]
#[error("bad <{tag}>: {why}")]
pub(crate) struct BadStanza {
    pub(crate) tag: String,
    pub(crate) why: &'static str,
}

impl BadStanza {
    pub(crate) fn new(node: &NodeRef<'_>, why: &'static str) -> Self {
        Self { tag: node.tag.to_string(), why }
    }
}

/// A JID attribute, in whichever of the two wire forms it came.
pub(crate) fn jid_attr(node: &NodeRef<'_>, key: &str) -> Option<Jid> {
    node.get_attr(key)?.to_jid()
}

/// A string attribute.
pub(crate) fn str_attr(node: &NodeRef<'_>, key: &str) -> Option<CompactString> {
    Some(CompactString::from(node.get_attr(key)?.as_str()))
}

/// The `id`, without which no stanza can be answered.
pub(crate) fn id_of(node: &NodeRef<'_>) -> Result<CompactString, BadStanza> {
    str_attr(node, "id").ok_or_else(|| BadStanza::new(node, "no id"))
}

/// The bytes of a named child.
pub(crate) fn child_bytes<'n>(node: &'n NodeRef<'_>, tag: &str) -> Option<&'n [u8]> {
    node.get_optional_child(tag)?.content_bytes()
}

/// A big-endian number in the content of a named child, as key ids and registration ids are sent.
pub(crate) fn child_uint(node: &NodeRef<'_>, tag: &str) -> Option<u32> {
    let bytes = child_bytes(node, tag)?;
    (bytes.len() <= 4).then(|| bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte)))
}

/// Content of a child as exactly `N` bytes.
pub(crate) fn child_array<const N: usize>(node: &NodeRef<'_>, tag: &str) -> Option<[u8; N]> {
    child_bytes(node, tag)?.try_into().ok()
}

/// The wire form of a stanza: one flag byte and the binary node.
pub(crate) fn encode(node: &Node) -> Bytes {
    // Marshalling into memory fails only for nodes beyond the format's size limits (2^32 items),
    // which nothing here builds; an empty frame would be dropped by the client.
    wacore_binary::marshal(node).map(Bytes::from).unwrap_or_default()
}

/// Like [`encode`], for a node that borrows.
pub(crate) fn encode_ref(node: &NodeRef<'_>) -> Bytes {
    wacore_binary::marshal_ref(node).map(Bytes::from).unwrap_or_default()
}

/// The server's own address (bare, without a user).
pub(crate) fn server_jid() -> Jid {
    Jid::new("", Server::Pn)
}

/// An empty element.
pub(crate) fn tag(name: &'static str) -> Node {
    NodeBuilder::new(name).build()
}

/// An element with bytes.
pub(crate) fn blob(name: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(name).bytes(bytes).build()
}

/// A positive answer to an iq.
pub(crate) fn iq_result(id: &str, children: Vec<Node>) -> Node {
    let builder = NodeBuilder::new("iq").attr("from", server_jid()).attr("id", id).attr("type", "result");
    if children.is_empty() { builder.build() } else { builder.children(children).build() }
}

/// A negative answer to an iq.
pub(crate) fn iq_error(id: &str, code: u16, text: &str) -> Node {
    NodeBuilder::new("iq")
        .attr("from", server_jid())
        .attr("id", id)
        .attr("type", "error")
        .children([error(code, text)])
        .build()
}

/// An `<error>` element.
pub(crate) fn error(code: u16, text: &str) -> Node {
    NodeBuilder::new("error").attr("code", u32::from(code)).attr("text", text).build()
}

/// `<stream:error code=…>`. A replaced connection gets no code, only the conflict.
pub(crate) fn stream_error(code: Option<u16>, conflict: Option<&str>) -> Node {
    let mut builder = NodeBuilder::new("stream:error");
    if let Some(code) = code {
        builder = builder.attr("code", u32::from(code));
    }
    match conflict {
        None => builder.build(),
        Some(kind) => builder.children([NodeBuilder::new("conflict").attr("type", kind).build()]).build(),
    }
}

/// `<failure reason=…>`, the answer to a login that is refused.
pub(crate) fn failure(reason: u16) -> Node {
    NodeBuilder::new("failure").attr("reason", u32::from(reason)).attr("location", "wasim").build()
}
