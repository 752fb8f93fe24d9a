//! One plain connection before the pools are opened: a pool says "timed out" for a host that does not exist.
//!
//! It sees that the server is there, lets us in and may be written to, that the schema asked for exists, and that the
//! session is ours and not a pooler's.

use std::{fmt, time::Duration};

use sqlx::{Connection, PgConnection, Row};
use tokio::time::timeout;

use crate::{database, hold::Loss, url::Postgres};

/// How long the name service may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How long the server may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);
/// How long all questions together may take.
const QUESTIONS: Duration = Duration::from_secs(10);
/// Connections that hold a transaction open while the first one is looked at.
const CROWD: usize = 2;

/// Why the database cannot be used. Neither user nor password nor a parameter is in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProbeError {
    /// There is no server, or it does not let us in.
    #[error("{0}")]
    Server(String),
    /// A pooler is in between.
    #[error(transparent)]
    Pooler(#[from] Loss),
}

/// Tries everything. Changes nothing.
pub(crate) async fn postgres(place: &Postgres) -> Result<(), ProbeError> {
    if let Some((host, port)) = place.dialled() {
        let looked_up = timeout(LOOKUP, tokio::net::lookup_host((host, port))).await;
        match looked_up {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => {
                return server(format!("the host {host} does not resolve ({why}): check it in DATABASE_URL"));
            }
            Err(_) => return server(format!("the host {host} does not resolve: the name service does not answer")),
        }
    }
    let mut connection = connect(place).await?;
    match timeout(QUESTIONS, questions(place, &mut connection)).await {
        Ok(answered) => answered?,
        Err(_) => {
            return server(format!(
                "the server at {place} lets us in but does not answer; a pooler in between may have no connection free"
            ));
        }
    }
    // It has told what it was for.
    let _ = connection.close().await;
    Ok(())
}

async fn connect(place: &Postgres) -> Result<PgConnection, ProbeError> {
    match timeout(CONNECT, database::plain(place)).await {
        Ok(connected) => connected.map_err(|error| ProbeError::Server(why_not(place, &error))),
        Err(_) => server(format!("the server at {place} does not answer within {} s", CONNECT.as_secs())),
    }
}

async fn questions(place: &Postgres, connection: &mut PgConnection) -> Result<(), ProbeError> {
    let failed = |error: sqlx::Error| ProbeError::Server(why_not(place, &error));
    refuse_a_shared_session(place, connection).await?;
    database::set(connection, place, &[]).await.map_err(failed)?;
    let sql = "SELECT coalesce(current_schema(), ''), pg_is_in_recovery()";
    let row = sqlx::raw_sql(sql).fetch_one(&mut *connection).await.map_err(failed)?;
    let (schema, is_standby): (String, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    if is_standby {
        return server(format!("the server at {place} is a standby, which cannot be written to: name the primary"));
    }
    match place.schemas.iter().find(|wanted| *wanted != "$user") {
        Some(wanted) if *wanted != schema => server(format!(
            "the schema {wanted:?} that DATABASE_URL asks for does not exist, or this user may not use it: CREATE SCHEMA, GRANT USAGE, CREATE"
        )),
        None if schema.is_empty() => {
            server("no schema of the search path exists: name one with ?search_path=".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether somebody else gets our session between two transactions. A pooler hands the session that was just given back
/// to the next that asks: while others hold transactions open, ours is then another one, or one of theirs.
async fn refuse_a_shared_session(place: &Postgres, connection: &mut PgConnection) -> Result<(), ProbeError> {
    let failed = |error: sqlx::Error| ProbeError::Server(why_not(place, &error));
    let ours = pid(connection).await.map_err(failed)?;
    let mut crowd = Vec::new();
    let mut is_shared = false;
    for _ in 0..CROWD {
        let mut other = connect(place).await?;
        // PgBouncer refuses transactions in its statement mode, in these words.
        match sqlx::raw_sql("BEGIN").execute(&mut other).await {
            Err(error) if error.to_string().contains("statement pooling") => is_shared = true,
            done => is_shared |= done.and(pid(&mut other).await).map_err(failed)? == ours,
        }
        crowd.push(other);
        is_shared |= pid(connection).await.map_err(failed)? != ours;
    }
    for other in crowd {
        // Ends its transaction too.
        let _ = other.close().await;
    }
    if is_shared { Err(Loss::Pooler.into()) } else { Ok(()) }
}

async fn pid(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

fn server<T>(why: String) -> Result<T, ProbeError> {
    Err(ProbeError::Server(why))
}

/// The reason in our words if the server's would hold a user's name; else in its own, the user's name taken out.
fn why_not(place: &Postgres, error: &sqlx::Error) -> String {
    let sqlx::Error::Database(refusal) = error else {
        return match error {
            sqlx::Error::Io(why) => format!(
                "the server at {place} cannot be reached ({why}): check that it runs and that DATABASE_URL is right"
            ),
            sqlx::Error::Tls(why) => {
                format!("the TLS connection to {place} failed ({why}): check sslmode and sslrootcert")
            }
            // What the driver could not make sense of may be anything.
            _ => format!("what answers at {place} does not speak PostgreSQL's protocol as expected"),
        };
    };
    let code = refusal.code().unwrap_or_default().into_owned();
    let ours: &dyn fmt::Display = match code.as_str() {
        "28P01" => &"the user or the password is wrong",
        "28000" => &"this user may not come in from here: there is no such role, or pg_hba.conf does not let it in",
        "3D000" => &"the database does not exist: CREATE DATABASE",
        "42501" => &"this user has not the rights it needs",
        "42704" | "42602" | "22023" => &"a setting in the URL's options is not taken",
        "53300" => &"all its connections are taken: raise max_connections, or lower WAYPOST_DATABASE_MAX_CONNECTIONS",
        "57P03" => &"it is starting or stopping: try again in a moment",
        _ => &refusal.message().replace(place.options.get_username(), "…"),
    };
    format!("the server at {place} refuses: {ours} ({code})")
}
