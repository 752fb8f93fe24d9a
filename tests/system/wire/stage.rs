//! A smaller scene: the friend has the simulator's own phone, which shows what a phone would.

use anyhow::Result;
use reqwest::RequestBuilder;
use serde_json::json;
use waypost_tests::{Answer, Database, Setup, Simulator, Tenant, Waypost, eventually};

use super::{FRIEND, GATEWAY};

/// Everybody on stage: a session of the gateway and a phone that is its friend's.
pub struct Stage {
    pub simulator: Simulator,
    pub server: Waypost,
    pub ada: Tenant,
    pub session: String,
}

impl Stage {
    pub async fn on(database: Database) -> Result<Self> {
        Self::with(Setup::on(database)).await
    }

    pub async fn with(setup: Setup) -> Result<Self> {
        let simulator = Simulator::start().await?;
        simulator.add_account(FRIEND).await;
        let server = Waypost::start(setup.talking_to(&simulator)).await?;
        let ada = server.register("ada").await?;
        let session = ada.link(&simulator, GATEWAY).await;
        Ok(Self { simulator, server, ada, session })
    }

    /// A request with an idempotency key.
    pub fn request(&self, key: &str, text: &str) -> RequestBuilder {
        let body = json!({"sessionId": self.session, "to": FRIEND, "text": text});
        let request = self.ada.server.request(reqwest::Method::POST, "/api/external/messages/send-text");
        request.header("Idempotency-Key", key).json(&body)
    }

    pub async fn send(&self, key: &str, text: &str) -> Answer {
        self.ada.server.send(self.request(key, text)).await.expect(200)
    }

    /// Waits until `last` is shown on the friend's phone, and gives all that is shown up to it. What was sent before
    /// it to the same chat was shown before it.
    pub async fn shown_up_to(&self, last: &str) -> Vec<String> {
        self.send(last, last).await;
        eventually("the last text on the phone", async || {
            let texts = self.simulator.texts_on_phone(FRIEND).await;
            texts.iter().any(|text| text == last).then_some(texts)
        })
        .await
    }

    pub async fn messages(&self) -> usize {
        let list = self.ada.person.get("/api/messages?direction=outbound&limit=100").await.data();
        list.as_array().map_or(0, Vec::len)
    }
}
