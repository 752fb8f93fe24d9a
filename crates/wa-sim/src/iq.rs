//! Requests and their answers. Every iq gets one: an unanswered iq costs a client 75 s and its
//! keepalive (wire.md 2.0). What wa-sim does not know gets a plain result.

use crate::account::Account;
use crate::core::Core;
use crate::session::Session;
use crate::stanza::{self, BadStanza, id_of, str_attr, tag};
use crate::{appstate, devices, groups, prekeys, usync};
use wacore::iq::abprops::web::LID_ONE_ON_ONE_MIGRATION_ENABLED;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeRef};

/// What a media connection is said to be good for, in seconds.
const MEDIA_TTL: u32 = 3600;

/// Takes an iq of a logged-in companion; gives the answer, or nothing for answers to the server's own.
pub(crate) fn answer(core: &Core, session: &Session, iq: &NodeRef<'_>) -> Result<Option<Node>, BadStanza> {
    let id = id_of(iq)?;
    let kind = str_attr(iq, "type");
    if matches!(kind.as_deref(), Some("result" | "error")) {
        return Ok(None);
    }
    let (account, device) = (&session.account, &session.device);
    let reply = match str_attr(iq, "xmlns").as_deref() {
        Some("encrypt") => prekeys::answer(core, account, device, iq, &id),
        Some("usync") => usync::answer(core, account, device, iq, &id),
        Some("w:sync:app:state") => appstate::answer(iq, &id),
        Some("w:g2") => groups::answer(core, session, iq, &id),
        Some("md") if iq.get_optional_child("remove-companion-device").is_some() => {
            session.push(&stanza::iq_result(&id, Vec::new()));
            devices::unlink(core, account, device.id);
            return Ok(None);
        }
        Some("abt") => stanza::iq_result(&id, vec![props(account)]),
        Some("blocklist") => stanza::iq_result(&id, vec![tag("list")]),
        Some("privacy") => privacy(iq, &id),
        Some("w:m") => stanza::iq_result(&id, vec![media_conn(core)]),
        _ => stanza::iq_result(&id, Vec::new()),
    };
    Ok(Some(reply))
}

/// The experiments an account is part of: how a companion that is linked already learns that its account was migrated.
fn props(account: &Account) -> Node {
    if account.namespace().migrated() != Some(true) {
        return tag("props");
    }
    let prop =
        NodeBuilder::new("prop").attr("config_code", LID_ONE_ON_ONE_MIGRATION_ENABLED.code).attr("config_value", "1");
    NodeBuilder::new("props").attr("protocol", "1").children([prop.build()]).build()
}

/// Everything is visible to everyone: `readreceipts=all` is what makes Baileys send `read` rather
/// than `read-self` (`Socket/messages-send.js`, `readMessages`).
fn privacy(iq: &NodeRef<'_>, id: &str) -> Node {
    if iq.get_attr("type").is_some_and(|kind| *kind == "set") {
        return stanza::iq_result(id, Vec::new());
    }
    let categories = ["readreceipts", "last", "online", "profile", "status", "groupadd", "calladd"]
        .map(|name| NodeBuilder::new("category").attr("name", name).attr("value", "all").build());
    stanza::iq_result(id, vec![NodeBuilder::new("privacy").children(categories).build()])
}

/// There is no media server behind it: uploads fail at the host, not here.
fn media_conn(core: &Core) -> Node {
    NodeBuilder::new("media_conn")
        .attr("auth", "wasim")
        .attr("ttl", MEDIA_TTL)
        .attr("auth_ttl", MEDIA_TTL)
        .attr("max_buckets", 12_u32)
        .children([NodeBuilder::new("host")
            .attr("hostname", core.config.listen.to_string())
            .attr("type", "primary")
            .build()])
        .build()
}
