//! Time from starting the process to its first answer, on an empty database and on an existing one.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use waypost_benches::{http, stats::median};

#[tokio::main]
async fn main() -> Result<()> {
    let (mut empty, mut existing) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let data = tempfile::tempdir()?;
        empty.push(first_answer(data.path()).await?);
        existing.push(first_answer(data.path()).await?);
    }
    println!(
        "median start to first answer: empty database {:.0} ms, existing {:.0} ms",
        median(empty),
        median(existing)
    );
    Ok(())
}

async fn first_answer(data: &std::path::Path) -> Result<f64> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let binary = std::env::current_exe()?.with_file_name("waypost");
    let start = Instant::now();
    let mut child = Command::new(&binary)
        .arg("serve")
        .env("WAYPOST_LISTEN", address.to_string())
        .env("WAYPOST_DATA_DIR", data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", binary.display()))?;
    let http = http::client()?;
    let elapsed = loop {
        if http.get(format!("http://{address}/health/ready")).send().await.is_ok_and(|r| r.status().is_success()) {
            break start.elapsed();
        }
        if start.elapsed() > Duration::from_secs(30) {
            bail!("no answer within 30 s");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    child.kill()?;
    child.wait()?;
    Ok(elapsed.as_secs_f64() * 1000.0)
}
