//! Where a message to a number goes.

use std::sync::Arc;

use waypost_domain::{Jid, Recipient};

use super::CheckNumbers;
use crate::{GatewayError, Inner, live::LiveSession};

impl Inner {
    /// The address of the chat with `to`: with the address that WhatsApp gives for it, where it is to be looked up, else
    /// with `to` as it was given. Groups and LIDs come from WhatsApp and are not looked up.
    ///
    /// # Errors
    /// [`GatewayError::NotOnWhatsapp`] where no form of the number has an account; whatever keeps a look-up from being
    /// made.
    pub(crate) async fn address_of(
        self: &Arc<Self>,
        session: &Arc<LiveSession>,
        to: &Recipient,
        asked: bool,
    ) -> Result<Jid, GatewayError> {
        let given = to.to_jid();
        let Some(number) = given.phone_number().filter(|_| asked || self.config.check_numbers == CheckNumbers::Always)
        else {
            return Ok(self.chat_of(session, given).await?);
        };
        let known = self.resolve_numbers(session, std::slice::from_ref(&number)).await?;
        let jid = known.get(&number).and_then(|known| known.check.jid.clone());
        let none = || {
            let why = "The number has no WhatsApp account, in no form that its country knows. Check the number";
            GatewayError::NotOnWhatsapp(why.to_owned())
        };
        Ok(self.chat_of(session, jid.ok_or_else(none)?).await?)
    }
}
