//! A program of ours as a child process that dies with its handle.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// A running program.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
}

impl Child {
    /// Starts `name`, which must lie beside the benchmark's own binary, and reads its output until a line holds
    /// `marker`. Returns the program and that line.
    pub async fn start(name: &str, args: &[&str], envs: &[(&str, &str)], marker: &str) -> Result<(Self, String)> {
        Self::start_at(&beside(name)?, args, envs, marker).await
    }

    /// Starts `program`, which may be of another build; for the rest as [`Self::start`].
    pub async fn start_at(
        program: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
        marker: &str,
    ) -> Result<(Self, String)> {
        let name = program.display();
        let mut process = Command::new(program)
            .args(args)
            .envs(envs.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut lines = BufReader::new(process.stdout.take().context("the child's output is piped")?).lines();
        let line = loop {
            match lines.next_line().await? {
                Some(line) if line.contains(marker) => break line,
                Some(_) => {}
                None => bail!("{name} ended before it said {marker:?}"),
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Self { process }, line))
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Its anonymous memory in bytes: what it needs for itself, without the pages of its binary.
    pub fn anonymous_memory(&self) -> Result<u64> {
        let pid = self.process.id().context("the child has ended")?;
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).context("no line Anonymous:")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }

    /// The processor time that it has used, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let pid = self.process.id().context("the child has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().context("no fields")?.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / 100.0)
    }
}

/// The path of a program beside this one.
pub fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.parent().unwrap_or_else(|| Path::new(".")).join(name);
    if !path.exists() {
        bail!("{} is missing: build it first (docs/benchmarks.md)", path.display());
    }
    Ok(path)
}
