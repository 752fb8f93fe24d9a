//! Where a message to a number goes.

use std::sync::Arc;

use waypost_domain::{Jid, Recipient};

use super::CheckNumbers;
use crate::{GatewayError, Inner, live::LiveSession};

impl Inner {
    /// The address of the chat with `to`: with the address that WhatsApp gives for it if it is to be looked up, else with
    /// `to` as it was given. Groups and LIDs come from WhatsApp and are not looked up.
    ///
    /// # Errors
    /// [`GatewayError::NotOnWhatsapp`] if no form of the number has an account; whatever keeps a look-up from being
    /// made.
    pub(crate) async fn address_of(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        to: &Recipient,
        asked: bool,
    ) -> Result<Jid, GatewayError> {
        let is_checked = asked || self.config.check_numbers == CheckNumbers::Always;
        let jid = match to.phone_number() {
            Some(number) if is_checked => {
                let known = self.resolve_numbers(session, std::slice::from_ref(&number)).await?;
                let account = known.get(&number).and_then(|known| known.check.found.account.as_ref());
                let jid = account.map(|account| account.jid.clone());
                let none = || {
                    let why = "The number has no WhatsApp account, in no form that its country knows. Check the number";
                    GatewayError::NotOnWhatsapp(why.to_owned())
                };
                jid.ok_or_else(none)?
            }
            _ => to.to_jid(),
        };
        Ok(self.chat_of(session, jid).await?)
    }
}
