//! Receipts from whatever address, in whatever order and number, say the same of the same message.

use wa_sim::{Fault, FaultRule, ReceiptForm};

use crate::bench::{Bench, jid, text};
use waypost_domain::ReceiptKind;

const ALICE: &str = "4915100000001";
const BOB: &str = "4915100000002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_names_its_message_from_a_number_a_lid_and_a_companion_alike() {
    for form in [ReceiptForm::Pn, ReceiptForm::Lid, ReceiptForm::Companion] {
        let bench = Bench::new().await;
        let alice = bench.linked(ALICE).await;
        let bob = bench.sim.account(BOB);
        let rule = FaultRule::new(Fault::ReceiptForm { form, receipt: None }).from(BOB);
        bench.sim.faults().add(rule);
        bench.sim.faults().add(FaultRule::new(Fault::RepeatReceipt { count: 2, receipt: None }).from(BOB));
        bench.sim.faults().add(FaultRule::new(Fault::EarlyReceipt).from(ALICE));
        let message = text(&bench.env, &jid(BOB), "in any form");
        bench.send(&alice, &message).await.unwrap();
        let from = bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Delivered).await.unwrap();
        let (number, lid) = (jid(BOB).to_string(), format!("{}@lid", bob.lid()));
        match form {
            ReceiptForm::Pn => assert_eq!(from.to_string(), number),
            ReceiptForm::Lid => assert_eq!(from.to_string(), lid),
            ReceiptForm::Companion => assert!([number, lid].contains(&from.to_string()), "{from}"),
        }
        bench.sink.acked(alice.id, &message.wa_id).await;
        bob.read(None).await;
        bench.sink.receipt(alice.id, &message.wa_id, ReceiptKind::Read).await;
    }
}
