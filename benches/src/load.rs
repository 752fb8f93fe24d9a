//! A load generator: keep-alive connections that each send the next request when the last is answered.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;

use crate::stats::percentile;

/// One kind of request, sent again and again.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to.
    pub address: SocketAddr,
    /// The path.
    pub path: String,
    /// The API key.
    pub api_key: String,
    /// The JSON body.
    pub body: String,
    /// The status that every answer must have.
    pub expect: u16,
}

/// What a load measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Answers a second.
    pub rate: f64,
    /// The middle time to an answer.
    pub p50: Duration,
    /// The time that 99 % of the answers stayed under.
    pub p99: Duration,
}

impl Load {
    /// Runs `connections` of it for `time`.
    pub async fn run(&self, connections: usize, time: Duration) -> Result<Measured> {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let workers: Vec<_> = (0..connections)
            .map(|_| {
                let (load, stop) = (self.clone(), Arc::clone(&stop));
                tokio::spawn(async move { load.connection(&stop).await })
            })
            .collect();
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for worker in workers {
            latencies.extend(worker.await??);
        }
        let elapsed = start.elapsed();
        latencies.sort_unstable();
        Ok(Measured {
            rate: latencies.len() as f64 / elapsed.as_secs_f64(),
            p50: percentile(&latencies, 0.50),
            p99: percentile(&latencies, 0.99),
        })
    }

    async fn connection(&self, stop: &AtomicBool) -> Result<Vec<Duration>> {
        let stream = tokio::net::TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut latencies = Vec::new();
        let body = Bytes::from(self.body.clone());
        while !stop.load(Ordering::Relaxed) {
            let request = Request::post(self.path.as_str())
                .header("host", "localhost")
                .header("content-type", "application/json")
                .header("x-api-key", self.api_key.as_str())
                .body(Full::new(body.clone()))
                .context("a request of constant parts")?;
            let sent = Instant::now();
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let answer = response.into_body().collect().await?.to_bytes();
            latencies.push(sent.elapsed());
            ensure!(status == self.expect, "{status}: {}", String::from_utf8_lossy(&answer));
        }
        drop(sender);
        driver.await??;
        Ok(latencies)
    }
}
