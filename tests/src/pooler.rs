//! `PgBouncer` in front of a PostgreSQL server.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::postgres::{as_server_user, is_root, run, server_user};
use crate::{Process, eventually};

/// A running `PgBouncer`.
#[derive(Debug)]
pub struct Pooler {
    _process: Process,
    url: String,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one in front of the database at `url`, in this `pool_mode`. Returns when it listens.
    pub async fn start(url: &str, mode: &str) -> Result<Self> {
        let bare = url.split('?').next().and_then(|url| url.split_once("://"));
        let parts =
            bare.and_then(|(_, url)| url.rsplit_once('@')).and_then(|(who, at)| Some((who, at.rsplit_once('/')?)));
        let (who, (place, database)) = parts.with_context(|| format!("{url} names no user, server and database"))?;
        let who = match who.split_once(':') {
            Some((user, password)) => format!("user={user} password={password}"),
            None => format!("user={who}"),
        };
        let (host, port) = place.split_once(':').unwrap_or((place, "5432"));
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n* = host={host} port={port} {who}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n",
            listen.port()
        );
        std::fs::write(&file, settings)?;
        if is_root() {
            run(Command::new("chown").args(["-R", server_user()]).arg(folder.path())).await?;
        }
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
        let program = program.iter().map(std::path::Path::new).find(|path| path.exists());
        let mut command = as_server_user(program.context("pgbouncer is missing. `make test` installs it")?);
        command.arg(&file).current_dir(folder.path());
        let process = Process::start("PgBouncer", command)?;
        eventually("PgBouncer to listen", async || TcpStream::connect(listen).ok()).await;
        let url = format!("postgres://postgres@{listen}/{database}");
        Ok(Self { _process: process, url, _folder: folder })
    }

    /// The URL of the database through it.
    pub fn url(&self) -> &str {
        &self.url
    }
}
