//! The stage itself: two Baileys clients and the simulator, without the gateway. What fails here is not the gateway's.

use anyhow::Result;
use waypost_tests::{Baileys, Simulator};

#[tokio::test]
async fn two_baileys_clients_talk_through_the_simulator() -> Result<()> {
    let simulator = Simulator::start().await?;
    let mut bob = Baileys::pair(&simulator, "15551230003").await?;
    let mut eve = Baileys::pair(&simulator, "15551230004").await?;
    bob.send("15551230004@s.whatsapp.net", "Hello Eve 👋🏽").await;
    let seen = eve.wait_text("Hello Eve 👋🏽").await;
    let mark = bob.mark();
    eve.read(&[&seen.id]).await;
    bob.wait_event("the read receipt", mark, |event| {
        (event["event"] == "update" && event["id"] == seen.id.as_str() && event["status"] == 4).then_some(())
    })
    .await;

    eve.disconnect().await;
    bob.send("15551230004@s.whatsapp.net", "while you were out").await;
    eve.reconnect().await;
    eve.wait_text("while you were out").await;
    Ok(())
}
