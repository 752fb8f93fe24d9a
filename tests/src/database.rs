//! A database of one's own, of either kind.

use anyhow::{Context, Result};
use sea_orm::{ConnectionTrait, Database as Connection};
use tempfile::TempDir;

/// Which kind of database a server under test keeps its rows in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the data folder.
    Sqlite,
    /// A database of a PostgreSQL server that `make test` starts or finds.
    Postgres,
}

/// Where `make test` says that PostgreSQL is: a URL that may create databases, such as
/// `postgres://postgres@127.0.0.1:5432/postgres`.
const SERVER: &str = "WAYPOST_TEST_POSTGRES";

/// A database on a PostgreSQL server, dropped with this value.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    server: String,
    name: String,
}

impl OwnPostgres {
    /// Creates a database named after a test's own folder.
    pub async fn create(folder: &TempDir) -> Result<Self> {
        let server = std::env::var(SERVER)
            .with_context(|| format!("{SERVER} is not set. `make test` starts a PostgreSQL and sets it"))?;
        let unique: String = folder.path().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("waypost_test_{}_{}", std::process::id(), unique.to_lowercase());
        execute(&server, &format!("CREATE DATABASE {name}")).await?;
        Ok(Self { server, name })
    }

    /// The URL of this database.
    pub fn url(&self) -> String {
        let (server, options) = match self.server.split_once('?') {
            Some((server, options)) => (server, format!("?{options}")),
            None => (self.server.as_str(), String::new()),
        };
        let authority_from = server.find("://").map_or(0, |at| at + 3);
        let authority_to = server[authority_from..].find('/').map_or(server.len(), |at| authority_from + at);
        format!("{}/{}{options}", &server[..authority_to], self.name)
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&server, &sql))
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} could not be dropped", self.name);
        }
    }
}

async fn execute(server: &str, sql: &str) -> Result<()> {
    let connection = Connection::connect(server).await.context("cannot reach the PostgreSQL of the tests")?;
    connection.execute_unprepared(sql).await?;
    connection.close().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_tests_own_database() {
        for (server, url) in [
            ("postgres://u:p@127.0.0.1:5432/postgres", "postgres://u:p@127.0.0.1:5432/mine"),
            ("postgres://u@127.0.0.1:5432", "postgres://u@127.0.0.1:5432/mine"),
            ("postgres:///postgres?host=/run/pg&user=u", "postgres:///mine?host=/run/pg&user=u"),
        ] {
            let database =
                std::mem::ManuallyDrop::new(OwnPostgres { server: server.to_owned(), name: "mine".to_owned() });
            assert_eq!(database.url(), url);
        }
    }
}
