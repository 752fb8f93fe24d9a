use super::*;

fn rule(json: &str) -> FaultRule {
    serde_json::from_str(json).unwrap()
}

fn message<'a>(from: &'a str, to: &'a str, id: &'a str) -> Subject<'a> {
    Subject { from, to, chat: to, id }
}

fn normal() -> Fate {
    Fate::Accept(AckPlan::default())
}

#[test]
fn a_rule_strikes_what_it_names_as_often_as_it_says() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"nack","code":463,"to":"2","times":2}"#));
    assert_eq!(faults.on_message(message("1", "3", "a")), normal());
    assert_eq!(faults.on_message(message("1", "2", "a")), Fate::Nack(463));
    assert_eq!(faults.on_receipt(message("1", "2", "a"), None), Some(ReceiptPlan::default()));
    assert_eq!(faults.on_message(message("1", "2", "b")), Fate::Nack(463));
    assert_eq!(faults.on_message(message("1", "2", "c")), normal());
    assert!(faults.list().is_empty());
}

#[test]
fn after_skips_the_first_matches_only() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"withholdAck","from":"1","after":2,"times":1}"#));
    let withheld = Fate::Accept(AckPlan { withhold: true, ..AckPlan::default() });
    let seen: Vec<bool> = ["a", "b", "c", "d"].map(|id| faults.on_message(message("1", "2", id)) == withheld).to_vec();
    assert_eq!(seen, [false, false, true, false]);
}

#[test]
fn a_chat_is_named_by_either_side_or_by_the_group() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"dropReceipt","chat":"7"}"#));
    let dropped = |from, to, chat| faults.on_receipt(Subject { from, to, chat, id: "a" }, None).unwrap().drop;
    assert!(dropped("7", "1", "1") && dropped("1", "7", "7") && dropped("1", "2", "7"));
    assert!(!dropped("1", "2", "2"));
}

#[test]
fn receipts_are_dropped_by_type() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"dropReceipt","type":"delivery"}"#));
    assert!(faults.on_receipt(message("1", "2", "a"), None).unwrap().drop);
    assert!(!faults.on_receipt(message("1", "2", "a"), Some("read")).unwrap().drop);
    faults.clear();
    assert_eq!(faults.on_receipt(message("1", "2", "a"), None), None);
}

#[test]
fn kinds_add_up_and_a_refusal_stands_alone() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"delayAck","ms":20,"times":1}"#));
    faults.add(rule(r#"{"kind":"repeatAck","count":2}"#));
    faults.add(rule(r#"{"kind":"nack","code":400,"id":"bad"}"#));
    assert_eq!(faults.on_message(message("1", "2", "bad")), Fate::Nack(400));
    let plan = AckPlan { delay: Some(Duration::from_millis(20)), repeats: 2, ..AckPlan::default() };
    assert_eq!(faults.on_message(message("1", "2", "a")), Fate::Accept(plan));
    let plan = AckPlan { repeats: 2, ..AckPlan::default() };
    assert_eq!(faults.on_message(message("1", "2", "b")), Fate::Accept(plan));
}

#[test]
fn copies_are_told_apart_by_class_and_device() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"redeliver","count":3,"only":"message","device":2}"#));
    assert_eq!(faults.on_copy(message("1", "2", "a"), Copied::Message, 2).again, 3);
    assert_eq!(faults.on_copy(message("1", "2", "a"), Copied::Message, 0).again, 0);
    assert_eq!(faults.on_copy(message("1", "2", "a"), Copied::Receipt, 2).again, 0);
}

#[test]
fn copies_of_the_senders_own_devices_are_damaged_only_by_name() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"corrupt","from":"1","times":1}"#));
    let own = message("1", "1", "a");
    assert!(!faults.on_copy(own, Copied::Message, 0).corrupt);
    assert!(faults.on_copy(message("1", "2", "a"), Copied::Message, 0).corrupt);
    faults.add(rule(r#"{"kind":"corrupt","to":"1","device":0}"#));
    assert!(!faults.on_copy(own, Copied::Message, 2).corrupt);
    assert!(faults.on_copy(own, Copied::Message, 0).corrupt);
}

#[test]
fn lookups_fail_by_asker_and_by_any_number_asked() {
    let faults = Faults::default();
    faults.add(rule(r#"{"kind":"lookupError","code":429,"backoff":30,"from":"1","to":"5","after":1,"times":1}"#));
    let numbers = [CompactString::from("4"), "5".into()];
    assert_eq!(faults.on_lookup("2", &numbers), None);
    assert_eq!(faults.on_lookup("1", &numbers[..1]), None);
    assert_eq!(faults.on_lookup("1", &numbers), None, "the first match is let pass");
    assert_eq!(faults.on_lookup("1", &numbers), Some((429, Some(30))));
    assert_eq!(faults.on_lookup("1", &numbers), None);
}

#[test]
fn every_kind_reads_back_as_it_was_written() {
    for json in [
        r#"{"kind":"withholdAck","from":"1"}"#,
        r#"{"kind":"earlyReceipt","id":"a"}"#,
        r#"{"kind":"delayReceipt","ms":5,"type":"read"}"#,
        r#"{"kind":"repeatReceipt","count":2,"to":"1"}"#,
        r#"{"kind":"receiptForm","as":"companion","chat":"1"}"#,
        r#"{"kind":"shuffleReceipts","hold":10,"seed":7,"after":1,"times":30}"#,
        r#"{"kind":"redeliver","count":1,"only":"receipt"}"#,
        r#"{"kind":"lookupError","code":429,"backoff":60}"#,
    ] {
        let read = rule(json);
        read.check().unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::from_str::<serde_json::Value>(json).unwrap());
    }
    assert!(rule(r#"{"kind":"repeatAck","count":101}"#).check().is_err());
    assert!(rule(r#"{"kind":"shuffleReceipts","hold":0}"#).check().is_err());
    assert!(rule(r#"{"kind":"withholdAck","times":0}"#).check().is_err());
}
