//! What goes wrong, and when: chosen by dice.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::load::Load;
use super::{Options, World};

/// The dice of the mayhem: no task of the load has this number.
const DICE: u64 = u64::MAX;
/// The longest that a receipt is held back, in milliseconds: longer than a process mostly lives.
const RECEIPT_DELAY: u64 = 2_000;

/// What was done, and how long recovery took.
#[derive(Debug, Default)]
pub(super) struct Happened {
    pub kills: u64,
    pub cuts: u64,
    pub restarts: u64,
    pub withheld: u64,
    pub delayed: u64,
    pub recoveries: Vec<Duration>,
}

/// Kills the gateway as often as the options say, with smaller accidents between. The gateway runs in the end.
pub(super) async fn make(world: &mut World, load: &Load, options: &Options) -> Result<Happened> {
    let mut dice = Dice::new(options.seed, DICE);
    let mut happened = Happened::default();
    load.wait_accepted(10).await;
    for kill in 1..=options.kills {
        live(world, &mut dice, &mut happened).await?;
        world.server.crash().await;
        let killed = Instant::now();
        happened.kills += 1;
        if dice.once_in(4) {
            sleep(Duration::from_millis(dice.between(0, 300))).await;
        }
        world.server.start_again().await?;
        if dice.once_in(5) && kill < options.kills {
            // It dies again while it recovers.
            sleep(Duration::from_millis(dice.between(0, 250))).await;
            continue;
        }
        world.wait_connected().await?;
        happened.recoveries.push(killed.elapsed());
        if options.progress && kill % 10 == 0 {
            println!("{kill} kills, {} messages accepted", load.accepted());
        }
    }
    live(world, &mut dice, &mut happened).await?;
    Ok(happened)
}

/// A while of a process's life.
async fn live(world: &mut World, dice: &mut Dice, happened: &mut Happened) -> Result<()> {
    sleep(Duration::from_millis(dice.between(50, 900))).await;
    let sessions: Vec<usize> = (0..world.sessions.len()).collect();
    if dice.once_in(4) {
        let from = &world.sessions[*dice.one_of(&sessions)].number;
        let (ms, times) = (dice.between(100, 3_000), dice.between(1, 6));
        world.simulator.add_fault(&json!({"kind": "delayAck", "from": from, "ms": ms, "times": times})).await;
        happened.delayed += times;
    }
    if dice.once_in(4) {
        let to = &world.sessions[*dice.one_of(&sessions)].number;
        let (ms, times) = (dice.between(50, 400), dice.between(1, 20));
        world.simulator.add_fault(&json!({"kind": "delayReceipt", "to": to, "ms": ms, "times": times})).await;
        happened.delayed += times;
    }
    if dice.once_in(5) {
        let from = &world.sessions[*dice.one_of(&sessions)].number;
        let times = dice.between(1, 6);
        world.simulator.add_fault(&json!({"kind": "withholdAck", "from": from, "times": times})).await;
        happened.withheld += times;
        sleep(Duration::from_millis(dice.between(0, 500))).await;
    }
    if dice.once_in(3) {
        // Neither acknowledgement nor receipt: when the process dies, what it sent is in doubt.
        let number = &world.sessions[*dice.one_of(&sessions)].number;
        let (ms, times) = (dice.between(RECEIPT_DELAY / 2, RECEIPT_DELAY), dice.between(1, 40));
        world.simulator.add_fault(&json!({"kind": "delayReceipt", "to": number, "ms": ms, "times": times})).await;
        world.simulator.add_fault(&json!({"kind": "withholdAck", "from": number, "times": times})).await;
        happened.withheld += times;
        happened.delayed += times;
        sleep(Duration::from_millis(dice.between(0, 500))).await;
    }
    if dice.once_in(4) {
        world.cut(*dice.one_of(&sessions)).await?;
        happened.cuts += 1;
        sleep(Duration::from_millis(dice.between(0, 1_500))).await;
    }
    if dice.once_in(8) {
        // A receipt that it holds back when it ends is lost, which WhatsApp's are not.
        world.simulator.clear_faults().await;
        sleep(Duration::from_millis(RECEIPT_DELAY + 50)).await;
        world.simulator.restart().await?;
        happened.restarts += 1;
        sleep(Duration::from_millis(dice.between(0, 1_500))).await;
    }
    Ok(())
}
