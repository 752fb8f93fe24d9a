//! Evidence: how the status of a message moves, and what is written when it does.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::json;
use waypost_domain::{EventType, Failure, MessageStatus, Progress, StatusChange, WaMessageId, status::FailureCode};
use waypost_store::{Evidence, EvidenceOutcome, MessageRef};

use crate::support::TestDatabase;

use MessageStatus::{Canceled, Delivered, Failed, Queued, Read, Sending, Sent};

on_both_databases! {
    async fn a_change_writes_the_status_the_timeline_and_the_event(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let mut message = db.outbound(tenant, session, "919876543210");
        message.client_reference = Some("order-7".to_owned());
        db.store.accept_message(message.clone()).await.unwrap();
        db.store.claim_queued_system(session, &[], 1, db.tick()).await.unwrap();
        let at = db.tick();
        let evidence = Evidence {
            session_id: session,
            message: MessageRef::Wire(message.wa_id.clone()),
            change: StatusChange::To(Sent),
            at,
        };
        let outcomes = db.store.record_evidence_system(vec![evidence]).await.unwrap();
        assert_eq!(outcomes, [EvidenceOutcome::Advanced(Sent)]);

        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!(read.progress, Progress::at(Sent));
        let step = read.timeline.last().unwrap();
        assert_eq!((step.status, step.at, step.reason.as_deref()), (Sent, at, None));

        let events = db.store.events_after(tenant, 0, 10).await.unwrap();
        let kinds: Vec<EventType> = events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventType::MessageQueued, EventType::MessageSent]);
        assert_eq!((events[1].session_id, events[1].created_at), (Some(session), at));
        assert_eq!(events[1].data, json!({
            "id": message.id, "sessionId": session, "status": "sent", "direction": "outbound", "to": "919876543210",
            "remoteJid": "919876543210@s.whatsapp.net", "type": "text", "clientReference": "order-7", "at": at,
        }));
    }

    async fn a_failure_keeps_its_code_and_reason(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        let failure = Failure { code: FailureCode::ReachOutLimited, reason: Some("463".to_owned()) };
        let outcome = db.advance(session, message.id, StatusChange::Failed(failure.clone())).await;
        assert_eq!(outcome, EvidenceOutcome::Advanced(Failed));

        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!(read.failure(), Some(&failure));
        assert_eq!(read.timeline.last().unwrap().reason.as_deref(), Some("463"));
        let event = db.store.events_after(tenant, 1, 10).await.unwrap().pop().unwrap();
        assert_eq!(event.kind, EventType::MessageFailed);
        assert_eq!(event.data["error"]["code"], "REACH_OUT_LIMITED");
        assert_eq!(event.data["error"]["message"], FailureCode::ReachOutLimited.sentence());
    }

    async fn a_late_receipt_clears_the_failure_of_an_unconfirmed_message(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        db.advance_to(session, message.id, Sending).await;
        db.advance(session, message.id, StatusChange::Failed(Failure::new(FailureCode::NoAck))).await;
        db.advance_to(session, message.id, Delivered).await;
        let read = db.store.message(tenant, message.id).await.unwrap().unwrap();
        assert_eq!(read.progress, Progress::at(Delivered));
        let steps: Vec<MessageStatus> = read.timeline.iter().map(|step| step.status).collect();
        assert_eq!(steps, [Queued, Sending, Failed, Delivered]);
    }

    async fn what_changes_nothing_writes_nothing(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let message = db.accepted(tenant, session, "919876543210").await;
        db.advance_to(session, message.id, Read).await;
        let before = db.store.message(tenant, message.id).await.unwrap();
        for status in [Sent, Delivered, Read, Canceled, Queued] {
            assert_eq!(db.advance_to(session, message.id, status).await, EvidenceOutcome::Unchanged(Read));
        }
        assert_eq!(db.store.message(tenant, message.id).await.unwrap(), before);
        assert_eq!(db.store.events_after(tenant, 0, 10).await.unwrap().len(), 2);
    }

    async fn pieces_about_one_message_apply_in_their_order(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let (one, two) = (db.accepted(tenant, session, "919876543210").await, db.accepted(tenant, session, "14155550100").await);
        db.store.claim_queued_system(session, &[], 2, db.tick()).await.unwrap();
        let piece = |message: MessageRef, status| Evidence {
            session_id: session,
            message,
            change: StatusChange::To(status),
            at: db.tick(),
        };
        let outcomes = db.store.record_evidence_system(vec![
            piece(MessageRef::Id(one.id), Sent),
            piece(MessageRef::Wire(one.wa_id.clone()), Read),
            piece(MessageRef::Wire(two.wa_id.clone()), Delivered),
            piece(MessageRef::Id(one.id), Delivered),
            piece(MessageRef::Wire(WaMessageId::from("3EB0AA".to_owned())), Delivered),
        ]).await.unwrap();
        assert_eq!(outcomes, [
            EvidenceOutcome::Advanced(Sent),
            EvidenceOutcome::Advanced(Read),
            EvidenceOutcome::Advanced(Delivered),
            EvidenceOutcome::Unchanged(Read),
            EvidenceOutcome::Unknown,
        ]);
        let steps = |message: waypost_domain::Message| message.timeline.iter().map(|step| step.status).collect::<Vec<_>>();
        assert_eq!(steps(db.store.message(tenant, one.id).await.unwrap().unwrap()), [Queued, Sending, Sent, Read]);
        assert_eq!(steps(db.store.message(tenant, two.id).await.unwrap().unwrap()), [Queued, Sending, Delivered]);
    }

    async fn a_session_cannot_speak_of_anothers_messages(db: &TestDatabase) {
        let tenant = db.tenant();
        let (one, other) = (db.session(tenant).await.id, db.session(tenant).await.id);
        let message = db.accepted(tenant, one, "919876543210").await;
        db.store.claim_queued_system(one, &[], 1, db.tick()).await.unwrap();
        for name in [MessageRef::Id(message.id), MessageRef::Wire(message.wa_id)] {
            let evidence = Evidence {
                session_id: other, message: name, change: StatusChange::To(Sent), at: db.tick(),
            };
            let outcomes = db.store.record_evidence_system(vec![evidence]).await.unwrap();
            assert_eq!(outcomes, [EvidenceOutcome::Unknown]);
        }
        assert_eq!(db.status(tenant, message.id).await, Sending);
    }

    async fn an_inbound_message_is_not_found_by_its_id_on_the_wire(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let inbound = db.inbound(tenant, session, "ABCDEF");
        db.store.store_inbound(vec![inbound.clone()]).await.unwrap();
        let evidence = Evidence {
            session_id: session,
            message: MessageRef::Wire(inbound.inbound.wa_id),
            change: StatusChange::To(Read),
            at: db.tick(),
        };
        assert_eq!(db.store.record_evidence_system(vec![evidence]).await.unwrap(), [EvidenceOutcome::Unknown]);
        assert_eq!(db.status(tenant, inbound.id).await, MessageStatus::Received);
    }

    async fn failing_what_waits_spares_what_has_left(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let sent = db.accepted(tenant, session, "919876543210").await.id;
        db.advance_to(session, sent, Sent).await;
        let sending = db.accepted(tenant, session, "919876543210").await.id;
        db.advance_to(session, sending, Sending).await;
        let queued = db.accepted(tenant, session, "919876543210").await.id;
        let other = db.session(tenant).await.id;
        let neighbour = db.accepted(tenant, other, "919876543210").await.id;

        let failure = Failure::new(FailureCode::SessionGone);
        assert_eq!(db.store.fail_waiting_system(session, failure.clone(), db.tick()).await.unwrap(), 2);
        for (id, status) in [(sent, Sent), (sending, Failed), (queued, Failed), (neighbour, Queued)] {
            assert_eq!(db.status(tenant, id).await, status);
        }
        let failed = db.store.events_after(tenant, 0, 100).await.unwrap();
        assert_eq!(failed.iter().filter(|event| event.kind == EventType::MessageFailed).count(), 2);
        assert_eq!(db.store.fail_waiting_system(session, failure, db.tick()).await.unwrap(), 0);
    }

    async fn a_long_queue_fails_as_a_whole(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let messages = (0..1200).map(|_| db.outbound(tenant, session, "919876543210"));
        futures::future::try_join_all(messages.map(|message| db.store.accept_message(message))).await.unwrap();
        let failed = db.store.fail_waiting_system(session, Failure::new(FailureCode::SessionGone), db.tick()).await;
        assert_eq!(failed.unwrap(), 1200);
        assert_eq!(db.store.sessions_with_queued_system().await.unwrap(), vec![]);
    }

    async fn any_evidence_in_any_batches_leaves_what_the_status_machine_says(db: &TestDatabase) {
        let tenant = db.tenant();
        let session = db.session(tenant).await.id;
        let change = prop_oneof![
            prop::sample::select(vec![Sending, Sent, Delivered, Read, Canceled, Queued]).prop_map(StatusChange::To),
            prop::sample::select(FailureCode::ALL.to_vec()).prop_map(|code| StatusChange::Failed(Failure::new(code))),
        ];
        let batches = prop::collection::vec(prop::collection::vec((0..3_usize, change), 1..6), 1..5);
        let mut runner = TestRunner::deterministic();
        for _ in 0..24 {
            let batches = batches.new_tree(&mut runner).unwrap().current();
            let mut messages = Vec::new();
            for _ in 0..3 {
                messages.push(db.accepted(tenant, session, "919876543210").await);
            }
            let mut model = vec![Progress::at(Queued); 3];
            let mut steps = [1; 3];
            for batch in batches {
                let evidence = batch.iter().map(|(n, change)| Evidence {
                    session_id: session,
                    message: MessageRef::Id(messages[*n].id),
                    change: change.clone(),
                    at: db.tick(),
                });
                let outcomes = db.store.record_evidence_system(evidence.collect()).await.unwrap();
                for ((n, change), outcome) in batch.iter().zip(outcomes) {
                    let expected = match model[*n].advance(change) {
                        Some(next) => {
                            steps[*n] += 1;
                            model[*n] = next;
                            EvidenceOutcome::Advanced(model[*n].status)
                        }
                        None => EvidenceOutcome::Unchanged(model[*n].status),
                    };
                    assert_eq!(outcome, expected);
                }
            }
            for n in 0..3 {
                let read = db.store.message(tenant, messages[n].id).await.unwrap().unwrap();
                assert_eq!(read.progress, model[n]);
                assert_eq!(read.timeline.len(), steps[n]);
                assert_eq!(read.timeline.last().unwrap().status, model[n].status);
            }
        }
    }
}
