//! `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS`.

use std::{fmt, net::IpAddr};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{UrlError, decoded, parameters};

/// What may stand behind the `?`; the names are libpq's, `schema` is Prisma's, `currentSchema` JDBC's.
const PARAMETERS: &[&str] = &[
    "application_name",
    "currentSchema",
    "dbname",
    "host",
    "options",
    "password",
    "port",
    "schema",
    "search_path",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
const ALL: &str = "application_name, currentSchema, dbname, host, options, password, port, schema, search_path, sslcert, \
                   sslkey, sslmode, sslrootcert, user";

/// Settings of the session that Waypost's promises rest on: no URL may say another value.
const OURS: &[&str] = &["synchronous_commit", "default_transaction_read_only", "transaction_read_only"];

/// A database of a PostgreSQL server.
#[derive(Clone)]
pub(crate) struct Postgres {
    /// How to connect. Nothing of it is a setting of the session: a pooler refuses those when a connection starts.
    pub options: PgConnectOptions,
    /// Settings of the session that the URL asks for, by name.
    pub session: Vec<(String, String)>,
    /// The schemas that the URL asks for, in their order, as they are called in the database.
    pub schemas: Vec<String>,
}

impl Postgres {
    /// The value of `search_path` that says the schemas.
    pub fn search_path(&self) -> Option<String> {
        let quoted: Vec<String> =
            self.schemas.iter().map(|schema| format!("\"{}\"", schema.replace('"', "\"\""))).collect();
        (!quoted.is_empty()).then(|| quoted.join(", "))
    }

    /// The host and port to look up and to dial; `None` for a socket of this machine.
    pub fn dialled(&self) -> Option<(&str, u16)> {
        let host = self.options.get_host();
        let is_socket = self.options.get_socket().is_some() || host.starts_with('/');
        (!is_socket).then(|| (host, self.options.get_port()))
    }

    pub(super) fn is_unverified(&self) -> bool {
        let is_elsewhere = self.dialled().is_some_and(|(host, _)| {
            host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        is_elsewhere && !matches!(self.options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.dialled(), self.options.get_socket()) {
            (Some((host, port)), _) if host.contains(':') => write!(f, "[{host}]:{port}")?,
            (Some((host, port)), _) => write!(f, "{host}:{port}")?,
            (None, Some(folder)) => write!(f, "{}", folder.display())?,
            (None, None) => f.write_str(self.options.get_host())?,
        }
        self.options.get_database().map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

pub(super) fn read(rest: &str) -> Result<Postgres, UrlError> {
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(UrlError::Part("has a blank or a control character in it"));
    }
    if rest.contains('#') {
        return Err(UrlError::Part("has a # in it"));
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err(UrlError::Part("has an @ after the first / or ?, so that its host cannot be told"));
    }
    let (before, query) = tail.split_once('?').map_or((tail, None), |(path, query)| (path, Some(query)));
    let mut parts = Parts::default();
    parts.authority(authority)?;
    let database = decoded(before.strip_prefix('/').unwrap_or(before))?;
    parts.database = Some(database).filter(|database| !database.is_empty());
    for (name, value) in parameters(query, PARAMETERS, ALL)? {
        parts.parameter(name, value)?;
    }
    parts.together()
}

/// What a URL says, before it is put together.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    ssl: Vec<(&'static str, String)>,
    application: Option<String>,
    schema_said_by: Option<&'static str>,
    schemas: Vec<String>,
    session: Vec<(String, String)>,
}

impl Parts {
    fn authority(&mut self, authority: &str) -> Result<(), UrlError> {
        let place = match authority.rsplit_once('@') {
            None => authority,
            Some((credentials, _)) if credentials.contains('@') => {
                return Err(UrlError::Part("has more than one @ before its host"));
            }
            Some((credentials, place)) => {
                let (user, password) = credentials.split_once(':').map_or((credentials, None), |(u, p)| (u, Some(p)));
                self.user = Some(decoded(user)?).filter(|user| !user.is_empty());
                self.password = password.map(decoded).transpose()?;
                place
            }
        };
        if place.contains(',') {
            return Err(UrlError::Part("names more than one host"));
        }
        // An address of IPv6 has colons of its own, and brackets around it.
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(UrlError::Part(BAD_HOST))?)),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        self.port = port.map(read_port).transpose()?;
        self.host = Some(host).filter(|host| !host.is_empty()).map(read_host).transpose()?;
        Ok(())
    }

    fn parameter(&mut self, name: &'static str, value: String) -> Result<(), UrlError> {
        let place = match name {
            "user" => &mut self.user,
            "password" => &mut self.password,
            "dbname" => &mut self.database,
            "application_name" => &mut self.application,
            "host" => {
                let said_before = self.host.replace(read_host(&value)?).is_some();
                return if said_before { twice(name) } else { Ok(()) };
            }
            "port" => {
                let said_before = self.port.replace(read_port(&value)?).is_some();
                return if said_before { twice(name) } else { Ok(()) };
            }
            "options" => return self.options(&value),
            "schema" => return self.schema(name, vec![value]),
            "search_path" | "currentSchema" => {
                return self
                    .schema(name, names(&value).ok_or(UrlError::Parameter { name, why: "is no list of schemas" })?);
            }
            _ => {
                self.ssl.push((name, value));
                return Ok(());
            }
        };
        if place.replace(value).is_some() { twice(name) } else { Ok(()) }
    }

    fn schema(&mut self, name: &'static str, schemas: Vec<String>) -> Result<(), UrlError> {
        if self.schema_said_by.replace(name).is_some() {
            return Err(UrlError::Parameter { name, why: "says the schema a second time" });
        }
        self.schemas = schemas;
        Ok(())
    }

    /// `-c name=value`, `-cname=value` and `--name=value`, with blanks between them.
    fn options(&mut self, written: &str) -> Result<(), UrlError> {
        let refused = |why| Err(UrlError::Parameter { name: "options", why });
        let words = words(written);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
                (Some(setting), _) => Some(setting),
                (None, Some("")) => words.next().map(String::as_str),
                (None, setting) => setting,
            };
            let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) else {
                return refused("says something else than -c NAME=VALUE");
            };
            let name = name.replace('-', "_").to_lowercase();
            if name == "search_path" {
                let schemas = names(value);
                self.schema(
                    "options",
                    schemas.ok_or(UrlError::Parameter {
                        name: "options",
                        why: "has a search_path that is no list of schemas",
                    })?,
                )?;
            } else if OURS.contains(&name.as_str()) {
                return refused("says synchronous_commit or a read-only session, which Waypost sets by itself");
            } else {
                self.session.push((name, value.to_owned()));
            }
        }
        Ok(())
    }

    fn together(self) -> Result<Postgres, UrlError> {
        // Without PostgreSQL's own variables this would know no user and no host that the URL leaves out.
        let mut options = PgConnectOptions::new_without_pgpass().disable_statement_logging();
        // A pooler refuses it, and no column of ours is a floating-point number.
        options = options.extra_float_digits(None);
        if let Some(host) = &self.host {
            options = if host.starts_with('/') { options.socket(host) } else { options.host(host) };
        }
        if let Some(port) = self.port {
            options = options.port(port);
        }
        if let Some(user) = &self.user {
            options = options.username(user);
        }
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if let Some(database) = &self.database {
            options = options.database(database);
        }
        if let Some(application) = &self.application {
            options = options.application_name(application);
        }
        for (name, value) in &self.ssl {
            options = match *name {
                "sslmode" => options.ssl_mode(ssl_mode(value)?),
                "sslrootcert" => options.ssl_root_cert(value),
                "sslcert" => options.ssl_client_cert(value),
                _ => options.ssl_client_key(value),
            };
        }
        Ok(Postgres { options, session: self.session, schemas: self.schemas })
    }
}

const BAD_HOST: &str = "has a host that is no name and no address";

fn twice(name: &'static str) -> Result<(), UrlError> {
    Err(UrlError::Parameter { name, why: "says again what the URL said before" })
}

fn read_port(text: &str) -> Result<u16, UrlError> {
    let number = text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or(UrlError::Part("has a port that is no number from 1 to 65535"))
}

fn read_host(text: &str) -> Result<String, UrlError> {
    let host = decoded(text)?;
    let is_name = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    let is_host = host.starts_with('/') || host.parse::<IpAddr>().is_ok() || (is_name(&host) && host.len() <= 253);
    if is_host { Ok(host) } else { Err(UrlError::Part(BAD_HOST)) }
}

fn ssl_mode(text: &str) -> Result<PgSslMode, UrlError> {
    Ok(match text {
        "disable" => PgSslMode::Disable,
        "prefer" => PgSslMode::Prefer,
        "require" => PgSslMode::Require,
        "verify-ca" => PgSslMode::VerifyCa,
        "verify-full" => PgSslMode::VerifyFull,
        _ => {
            let why = "must be disable, prefer, require, verify-ca or verify-full";
            return Err(UrlError::Parameter { name: "sslmode", why });
        }
    })
}

/// The names of a `search_path`: folded to lower case, but for those in double quotes. `None` for what is no list.
fn names(list: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start();
        let name = match rest.strip_prefix('"') {
            None => {
                let (name, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                rest = after;
                let name = name.trim_end();
                if name.contains('"') || name.contains(char::is_whitespace) {
                    return None;
                }
                name.to_lowercase()
            }
            Some(quoted) => {
                let mut name = String::new();
                rest = quoted;
                loop {
                    let (part, after) = rest.split_once('"')?;
                    name.push_str(part);
                    rest = after;
                    let Some(after) = rest.strip_prefix('"') else { break };
                    name.push('"');
                    rest = after;
                }
                rest = rest.trim_start();
                name
            }
        };
        if name.is_empty() {
            return None;
        }
        names.push(name);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return rest.is_empty().then_some(names),
        }
    }
}

/// The words between blanks; a backslash takes the next character as it is (PostgreSQL's manual, 34.1.2, `options`).
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ' ' => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            '\\' => word.extend(characters.next()),
            c => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}
