//! Over WhatsApp's protocol: a session of the gateway and a real Baileys client talk through wa-sim, end-to-end
//! encrypted. Baileys verifies the simulator's certificates.
//!
//! The simulator's phones keep silent: every receipt that these tests see was written by Baileys.

mod delivery;
mod harness;
mod life;
mod linking;
mod once;
mod order;
mod pacing;
mod restarts;
mod stage;
mod states;
mod texts;

use anyhow::Result;
use waypost_tests::{Baileys, Database, Setup, Simulator, Tenant, Waypost};

/// The number that the gateway's session is linked to.
pub const GATEWAY: &str = "15551230001";
/// The number in the hands of Baileys.
pub const FRIEND: &str = "15551230002";

/// The first message of every scene.
const GREETING: &str = "Are you there?";

/// Everybody on stage: a session of the gateway, linked and connected, and a friend with Baileys.
pub struct Scene {
    pub simulator: Simulator,
    pub server: Waypost,
    pub ada: Tenant,
    pub session: String,
    pub friend: Baileys,
}

impl Scene {
    pub async fn on(database: Database) -> Result<Self> {
        Self::with(Setup::on(database)).await
    }

    pub async fn with(setup: Setup) -> Result<Self> {
        let simulator = Simulator::start().await?;
        let server = Waypost::start(setup.talking_to(&simulator)).await?;
        let ada = server.register("ada").await?;
        let session = ada.link(&simulator, GATEWAY).await;
        let friend = Baileys::pair(&simulator, FRIEND).await?;
        let mut scene = Self { simulator, server, ada, session, friend };
        // What comes while Baileys still fetches what it missed, it shows among the rest: from here on it is in order.
        scene.send(GREETING).await;
        scene.friend.wait_text(GREETING).await;
        Ok(scene)
    }

    /// What the friend was shown since the greeting, in order.
    pub fn texts_at_the_friend(&self) -> Vec<String> {
        let texts = self.friend.texts().into_iter().filter_map(|seen| seen.text);
        texts.filter(|text| text != GREETING).collect()
    }

    /// Sends a text from the gateway to the friend and returns the message's id.
    pub async fn send(&self, text: &str) -> String {
        self.ada.send_text(&self.session, FRIEND, text).await
    }
}

/// The friend's address.
pub fn friend_jid() -> String {
    format!("{FRIEND}@s.whatsapp.net")
}

/// The gateway's address.
pub fn gateway_jid() -> String {
    format!("{GATEWAY}@s.whatsapp.net")
}
