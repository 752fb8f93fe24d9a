//! `waypost serve`: start, serve, stop.
//!
//! The stop keeps what was promised: no new connection is taken, requests that are being answered are finished within
//! the grace, then the loops end, what the network said is written, and the database is closed. A second signal ends
//! the process at once; what is unfinished then is a row, and the next start goes on from it.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::Given,
    config::Settings,
    data_dir::DataDir,
    http, telemetry,
    wire::{self, Parts},
};

/// How long tasks off the runtime (a password that is being hashed) may hold up the end.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// What the process answers when it is told to stop a second time: 128 + SIGINT, as a shell would.
const STOPPED_AT_ONCE: i32 = 130;

/// Runs the server until it is told to stop.
pub fn run(given: &Given) -> anyhow::Result<()> {
    let started = Instant::now();
    let layers = super::layers(given)?;
    let settings = Settings::read(&layers)?;
    let log = telemetry::start(&settings.log);
    for warning in &layers.warnings {
        tracing::warn!("{warning}");
    }
    if settings.lets_strangers_register() {
        tracing::warn!(
            "registration_open is true and the server listens beyond this machine: everyone who reaches it may register; \
             first and false close it"
        );
    }
    // What was written holds secrets in the clear.
    drop(layers);
    // Two providers in one process would be a panic at the first TLS connection: this is the only one that is linked.
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("a TLS provider was installed before ours"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(log.tell_of_losses());
    let served = runtime.block_on(serve(&settings, started));
    runtime.shutdown_timeout(LAST_TASKS);
    served
}

async fn serve(settings: &Settings, started: Instant) -> anyhow::Result<()> {
    // Held to the end: it is the lock on the data folder.
    let folder = DataDir::open(&settings.storage.data_dir.0)?;
    let stop = stop_on_signal()?;
    let Parts { store, accounts, gateway, router, database } = wire::build(settings, &folder).await?;
    let listen = settings.http.listen.0;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: choose another address with WAYPOST_LISTEN"))?;
    let address = listener.local_addr()?;
    let stop_loops = CancellationToken::new();
    let loops = gateway.start(stop_loops.clone()).await?;

    if settings.web.docs.0 {
        tokio::task::spawn_blocking(waypost_api::prepare_documentation);
    }
    let limits = limits(settings);
    let took = started.elapsed().as_millis();
    let line = format!(
        "Waypost {} listens on http://{address} (API documentation: http://{address}/api/docs), {database}, started in {took} ms",
        env!("CARGO_PKG_VERSION")
    );
    // Whoever started the server may have closed its output.
    let _ = writeln!(std::io::stdout(), "{line}");

    tokio::select! {
        () = http::serve(listener, router, limits, stop) => {}
        // Nothing more can be written, and what is not written is a row that the other process goes on from.
        loss = store.lost() => return Err(anyhow::Error::new(loss).context("stopped at once, without another word to the database")),
    }
    tracing::info!("stopping: no more requests; the sessions disconnect");
    stop_loops.cancel();
    tokio::join!(loops.stopped(), accounts.stopped());
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn limits(settings: &Settings) -> http::Limits {
    let descriptors = http::descriptors::raise();
    let wanted = settings.http.max_connections.0;
    let connections = http::descriptors::connections(wanted, descriptors, settings.storage.database_max_connections.0);
    if connections < wanted {
        tracing::warn!(
            connections,
            max_connections = wanted,
            descriptors,
            "fewer HTTP connections than max_connections: too few files may be open (ulimit -n, LimitNOFILE)"
        );
    } else {
        tracing::info!(connections, descriptors, "HTTP connections at a time");
    }
    let per_address = settings.http.max_connections_per_address.0;
    http::Limits {
        connections,
        // Few files mean few connections, and then too one address leaves room for others.
        per_address: (per_address > 0).then(|| per_address.min(connections.div_ceil(2))),
        proxies: settings.proxies.trusted(),
        patience: http::Patience::default(),
        grace: settings.http.shutdown_grace.0,
    }
}

/// A token that SIGTERM or SIGINT cancels.
fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        for times in 1.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if times > 1 {
                // Past the log: nobody waits for that to be written any more.
                let _ = writeln!(std::io::stderr(), "told to stop a second time: stopping at once");
                std::process::exit(STOPPED_AT_ONCE);
            }
            token.cancel();
        }
    });
    Ok(stop)
}
