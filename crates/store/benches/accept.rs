//! Durable accepts a second, and the rest of a message's way, through the group-commit writer.
//!
//! `cargo bench -p waypost-store --bench accept [-- <database URL>]`; without a URL on SQLite in a temporary folder of
//! `CARGO_TARGET_DIR` or the working folder, because a disk in memory would flatter. A PostgreSQL database must be
//! empty.

#![expect(clippy::print_stdout, reason = "a benchmark's result is what it prints")]

use std::time::{Duration, Instant};

use waypost_domain::{Content, Env, MessageStatus, SessionId, StatusChange, TenantId};
use waypost_store::{Evidence, MasterKey, MessageRef, NewOutbound, Store, StoreConfig};

const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let folder = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| ".".to_owned());
    let folder = tempfile::tempdir_in(folder).expect("a folder for the database");
    let url = std::env::args()
        .find(|argument| argument.contains("://"))
        .unwrap_or_else(|| format!("sqlite://{}", folder.path().join("bench.db").display()));
    let env = Env::system();
    let config = StoreConfig {
        database_url: url.parse().expect("a URL of a database"),
        master_key: MasterKey::new([1; 32]),
        max_connections: 4,
    };
    let store = Store::open(&config, env.clone()).await.expect("an open store");
    let (tenant, session) = (env.new_id(), env.new_id());

    for callers in [1, 16, 64, 256] {
        let mut rates: Vec<f64> = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(accepts(&store, &env, tenant, session, callers).await);
        }
        rates.sort_by(f64::total_cmp);
        println!("{callers:>4} callers: {:>8.0} durable accepts/s (median of {ROUNDS})", rates[ROUNDS / 2]);
    }
    way(&store, &env, session).await;
    store.close().await;
}

async fn accepts(store: &Store, env: &Env, tenant: TenantId, session: SessionId, callers: u32) -> f64 {
    let start = Instant::now();
    let callers = (0..callers).map(|caller| {
        let (store, env) = (store.clone(), env.clone());
        tokio::spawn(async move {
            let mut accepted = 0_u32;
            while start.elapsed() < ROUND {
                let message = message(&env, tenant, session, caller * 1000 + accepted % 1000);
                store.accept_message(message).await.expect("accepted");
                accepted += 1;
            }
            accepted
        })
    });
    let accepted = futures::future::try_join_all(callers).await.expect("no caller panics");
    f64::from(accepted.iter().sum::<u32>()) / start.elapsed().as_secs_f64()
}

fn message(env: &Env, tenant: TenantId, session: SessionId, chat: u32) -> NewOutbound {
    let to = format!("49151{chat:07}");
    NewOutbound {
        id: env.new_id(),
        tenant_id: tenant,
        session_id: session,
        wa_id: env.new_wa_message_id(),
        remote_jid: format!("{to}@s.whatsapp.net").parse().expect("a JID"),
        to,
        content: Content::Text { text: "Your parcel arrives today between 14:00 and 15:00.".to_owned() },
        client_reference: None,
        send_at: None,
        expires_at: None,
        created_at: env.now(),
    }
}

/// Claims of 64, each message then sent, delivered, read: by its id on the wire, 64 pieces of evidence a commit.
async fn way(store: &Store, env: &Env, session: SessionId) {
    let start = Instant::now();
    let mut messages = 0_u32;
    while start.elapsed() < ROUND * 2 {
        let claimed = store.claim_queued_system(session, &[], 64, env.now()).await.expect("claimed").messages;
        messages += u32::try_from(claimed.len()).expect("64 at most");
        for status in [MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read] {
            let evidence = claimed.iter().map(|message| Evidence {
                session_id: session,
                message: MessageRef::Wire(message.outgoing.wa_id.clone()),
                change: StatusChange::To(status),
                at: env.now(),
            });
            store.record_evidence_system(evidence.collect()).await.expect("recorded");
        }
    }
    let rate = f64::from(messages) / start.elapsed().as_secs_f64();
    println!("one session, 64 at a time: {rate:>8.0} messages/s from claim to read (4 commits each 64)");
}
