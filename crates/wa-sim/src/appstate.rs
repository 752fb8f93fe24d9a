//! App-state sync over collections that are always empty. wire.md 2.3.7.
//!
//! Every requested collection has to be in the answer: one that is left out counts as failed, and the
//! client reconnects after 180 s. A patch a client uploads is accepted and forgotten.

use crate::stanza;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};

/// Answers an iq of namespace `w:sync:app:state`.
pub(crate) fn answer(iq: &NodeRef<'_>, id: &str) -> Node {
    let collections = iq
        .get_optional_child("sync")
        .and_then(NodeRef::children)
        .unwrap_or_default()
        .iter()
        .filter(|child| child.tag == "collection")
        .filter_map(collection);
    let sync = NodeBuilder::new("sync").children(collections).build();
    stanza::iq_result(id, vec![sync])
}

fn collection(asked: &NodeRef<'_>) -> Option<Node> {
    let name = asked.get_attr("name")?.to_node_value();
    let version: u64 = asked.get_attr("version").and_then(|version| version.as_str().parse().ok()).unwrap_or(0);
    let version = version + u64::from(asked.get_optional_child("patch").is_some());
    Some(NodeBuilder::new("collection").attr("name", name).attr("version", version).build())
}
