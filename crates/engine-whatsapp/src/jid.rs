//! Addresses in both worlds: ours name accounts and groups, the client's name devices as well.

use wacore_binary::{Jid as WireJid, Server};
use waypost_domain::{Jid, JidServer};

/// An address as the client wants it.
pub(crate) fn to_wire(jid: &Jid) -> WireJid {
    let server = match jid.server() {
        JidServer::PhoneNumber => Server::Pn,
        JidServer::Lid => Server::Lid,
        JidServer::Group => Server::Group,
    };
    WireJid::new(jid.user(), server)
}

/// The account or group behind an address, without its device. `None` for what is neither: status, newsletters,
/// broadcast lists, bots, and WhatsApp's own pseudo-accounts.
pub(crate) fn from_wire(jid: &WireJid) -> Option<Jid> {
    let server = match jid.server {
        // Hosted devices are another way to run a device of the same account.
        Server::Pn | Server::Legacy | Server::Hosted => JidServer::PhoneNumber,
        Server::Lid | Server::HostedLid => JidServer::Lid,
        Server::Group => JidServer::Group,
        _ => return None,
    };
    format!("{}@{}", jid.user_base(), server.as_str()).parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("919876543210@s.whatsapp.net", Some("919876543210@s.whatsapp.net"))]
    #[case("919876543210:5@s.whatsapp.net", Some("919876543210@s.whatsapp.net"))]
    #[case("100000000000001:2@lid", Some("100000000000001@lid"))]
    #[case("100000000000001:99@hosted.lid", Some("100000000000001@lid"))]
    #[case("120363021033254949@g.us", Some("120363021033254949@g.us"))]
    #[case("status@broadcast", None)]
    #[case("120363000000000000@newsletter", None)]
    #[case("0@s.whatsapp.net", None)]
    fn an_address_keeps_its_account_and_loses_its_device(#[case] wire: &str, #[case] ours: Option<&str>) {
        let wire: WireJid = wire.parse().unwrap();
        assert_eq!(from_wire(&wire).map(|jid| jid.to_string()).as_deref(), ours);
    }

    #[rstest]
    #[case("919876543210@s.whatsapp.net")]
    #[case("100000000000001@lid")]
    #[case("120363021033254949@g.us")]
    fn an_address_survives_the_way_there_and_back(#[case] text: &str) {
        let jid: Jid = text.parse().unwrap();
        assert_eq!(to_wire(&jid).to_string(), text);
        assert_eq!(from_wire(&to_wire(&jid)), Some(jid));
    }
}
