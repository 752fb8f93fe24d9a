//! Somebody who sends messages at a steady pace, and how long each answer takes.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use super::SENDER;
use crate::Client;

/// Sends texts through one session.
pub struct Sender {
    client: Client,
    session: String,
}

/// How long answers took, sorted.
#[derive(Debug, Clone)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// The time that a `share` of the answers (0 to 1) stayed under.
    pub fn percentile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the list")]
        let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Sender {
    /// Sends as `client`, from an address of its own.
    pub fn new(client: &Client, session: &str) -> Result<Self> {
        Ok(Self { client: client.calling_from(SENDER)?, session: session.to_owned() })
    }

    /// Sends `rate` texts a second for `time`, whether or not earlier ones were answered. An error is an answer other
    /// than 200: the sender is within every limit.
    pub async fn measure(&self, rate: u32, time: Duration) -> Result<Latencies> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let end = Instant::now() + time;
        let mut requests = JoinSet::new();
        while Instant::now() < end {
            let due = ticks.tick().await;
            let client = self.client.clone();
            let body = json!({"sessionId": self.session, "to": "919876543210", "text": "Hello from Waypost!"});
            requests.spawn(async move {
                let request = client.request(Method::POST, "/api/external/messages/send-text").json(&body);
                let answer = client.try_send(request).await?;
                ensure!(answer.status.is_success(), "the sender was answered {}: {}", answer.status, answer.body);
                // From when it was due: a request that could not be made in time waited as well.
                Ok(due.elapsed())
            });
        }
        let mut latencies = Vec::new();
        while let Some(answered) = requests.join_next().await {
            latencies.push(answered??);
        }
        latencies.sort_unstable();
        Ok(Latencies(latencies))
    }
}
