//! The baseline of the end-to-end benchmark: whatsapp-rust alone, everything in memory, no gateway around it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use whatsapp_rust::{
    prelude::*, transport::TokioWebSocketTransportFactory, types::presence::ReceiptType,
    wacore::store::in_memory::InMemoryBackend,
};

use crate::simulator::Simulator;

/// A paired, connected client that counts the delivery receipts it gets.
pub struct Bare {
    client: Arc<Client>,
    delivered: Arc<AtomicU64>,
    _run: BotHandle,
}

impl Bare {
    /// Pairs with the simulator's phone `phone` and waits until it is connected.
    pub async fn pair(simulator: &Simulator, phone: &str) -> Result<Self> {
        let (events, mut received) = mpsc::unbounded_channel();
        let delivered = Arc::new(AtomicU64::new(0));
        let bot = Bot::builder()
            .with_backend(InMemoryBackend::new())
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(simulator.socket_url()))
            .with_version((2, 3000, 1_023_000_000))
            .with_push_name(format!("bare {phone}"))
            .skip_history_sync()
            .with_event_handler(Counter { delivered: Arc::clone(&delivered), events })
            .build()
            .await?;
        let client = bot.client();
        let run = bot.spawn();
        let qr = received.recv().await.context("a QR code")?;
        simulator.scan(&qr, phone).await?;
        client.wait_for_connected(std::time::Duration::from_mins(1)).await?;
        client.wait_for_startup_sync(std::time::Duration::from_mins(1)).await?;
        Ok(Self { client, delivered, _run: run })
    }

    /// Sends one text; returns when it is on the socket.
    pub async fn send(&self, to: &Jid, text: &str) -> Result<()> {
        self.client.send_text(to.clone(), text).await?;
        Ok(())
    }

    /// How many messages were reported delivered.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }
}

struct Counter {
    delivered: Arc<AtomicU64>,
    events: mpsc::UnboundedSender<String>,
}

impl EventHandler for Counter {
    fn handle_event(&self, event: Arc<Event>) {
        match &*event {
            Event::PairingQrCode(qr) => {
                // Nobody listens after the first code.
                let _ = self.events.send(qr.code.clone());
            }
            Event::Receipt(receipt) if matches!(receipt.r#type, ReceiptType::Delivered | ReceiptType::Inactive) => {
                self.delivered.fetch_add(receipt.message_ids.len() as u64, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&[EventKind::PairingQrCode, EventKind::Receipt])
    }
}
