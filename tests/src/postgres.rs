//! A PostgreSQL server of one's own, to be killed.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sea_orm::Database;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Process, eventually_or_tell};

/// How a database server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// `SIGKILL` to its first process; the others notice, and leave.
    Killed,
    /// "Immediate shutdown": no connection is ended properly, nothing is written out.
    Immediate,
}

/// A running server with an empty database.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    port: u16,
    // Dropped after the process: fields go in the order of their declaration.
    folder: TempDir,
}

impl PostgresServer {
    /// Makes and starts a server. Returns when it answers.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        if is_root() {
            run(Command::new("chown").arg(server_user()).arg(folder.path())).await?;
        }
        let mut initdb = as_server_user(&tool("initdb")?);
        initdb.arg("--pgdata").arg(folder.path().join("data"));
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync"]);
        run(initdb.current_dir(folder.path())).await?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = Self { process: serve(folder.path(), port)?, port, folder };
        server.wait_ready().await;
        Ok(server)
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it in the middle of whatever it does.
    pub async fn die(&mut self, death: Death) {
        match death {
            Death::Killed => self.process.kill().await,
            Death::Immediate => drop(self.process.end_by("QUIT").await),
        }
    }

    /// Starts it again on the same data and port. Returns when it answers.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = serve(self.folder.path(), self.port)?;
        self.wait_ready().await;
        Ok(())
    }

    async fn wait_ready(&mut self) {
        let url = self.url();
        eventually_or_tell("PostgreSQL to answer", async || {
            if self.process.has_ended() {
                // Processes of the server before may still be there; then it refuses to start.
                self.process = serve(self.folder.path(), self.port).map_err(|error| error.to_string())?;
            }
            let connection = Database::connect(&url).await.map_err(|error| error.to_string())?;
            connection.close().await.map_err(|error| error.to_string())
        })
        .await;
    }
}

fn serve(folder: &Path, port: u16) -> Result<Process> {
    let mut command = as_server_user(&tool("postgres")?);
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=40"] {
        command.args(["-c", setting]);
    }
    command.current_dir(folder);
    Process::start("PostgreSQL", command)
}

/// A tool of the server. Debian keeps them out of the PATH.
fn tool(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut on_path = on_path.map(|folder| folder.join(name)).filter(|path| path.exists());
    found
        .pop()
        .or_else(|| on_path.next())
        .with_context(|| format!("{name} is missing. `make test` installs PostgreSQL"))
}

/// Whether this process is root's: its folder in /proc belongs to its user.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// PostgreSQL refuses to run as root.
pub(crate) fn server_user() -> &'static str {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}

pub(crate) fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = server_user();
    command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
    command
}

pub(crate) async fn run(command: &mut Command) -> Result<()> {
    let output = command.output().await.with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
