//! The configuration: one table of settings ([`settings`]), four places to write them ([`layers`]), typed once here.

pub mod layers;
pub mod settings;
pub mod values;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use secrecy::SecretString;
use waypost_accounts::{AccountsConfig, LoginLimits, RegistrationLimits, RegistrationOpen};
use waypost_api::{ApiConfig, TrustedProxies};
use waypost_domain::Pacing;
use waypost_engine::sandbox::SandboxDelays;
use waypost_engine_whatsapp::WhatsappConfig;
use waypost_gateway::{CheckNumbers, GatewayConfig, LookupLimits};
use waypost_store::DatabaseUrl;

use layers::{ConfigError, Layers};

/// The least room for bodies, in bytes: a quarter of it, which is a tenant's share, is the longest body.
const LEAST_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Everything an operator can set, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// HTTP connections at a time.
    pub max_connections: usize,
    /// HTTP connections at a time from one address, where there is a limit.
    pub max_connections_per_address: Option<usize>,
    /// How long requests may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The database, if it is not the one in the data folder.
    pub database_url: Option<DatabaseUrl>,
    /// Connections to the database.
    pub database_max_connections: u32,
    /// The key that encrypts secrets at rest.
    pub master_key: KeySource,
    /// The key that signs access tokens.
    pub token_key: KeySource,
    /// Who may come in.
    pub accounts: AccountsConfig,
    /// What the gateway may be told.
    pub gateway: GatewayConfig,
    /// What the HTTP surface may be told.
    pub api: ApiConfig,
    /// What the WhatsApp engine may be told.
    pub whatsapp: WhatsappConfig,
    /// The pace of pretend phones.
    pub sandbox: SandboxDelays,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Where a key comes from: given as it is, or in a file; else it is kept in the data folder.
#[derive(Debug, Clone)]
pub struct KeySource {
    /// The key itself.
    pub given: Option<SecretString>,
    /// A file with the key.
    pub file: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or a filter.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Config {
    /// Reads every setting.
    pub fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let count = |key, least, most| layers.get(key, |text| values::number::<u32>(text, least, most));
        Ok(Self {
            listen: layers.get("listen", address)?,
            max_connections: layers.get("max_connections", |text| values::number(text, 1, 1_000_000))?,
            max_connections_per_address: Some(
                layers.get("max_connections_per_address", |text| values::number(text, 0, 1_000_000))?,
            )
            .filter(|most| *most > 0),
            shutdown_grace: layers.get("shutdown_grace", values::duration)?,
            data_dir: layers.get("data_dir", path)?,
            database_url: database_url(layers)?,
            database_max_connections: count("database_max_connections", 1, 1_000)?,
            master_key: key_source(layers, "master_key", "master_key_file")?,
            token_key: key_source(layers, "token_key", "token_key_file")?,
            accounts: AccountsConfig {
                registration_open: layers.get("registration_open", registration_open)?,
                registration_limits: RegistrationLimits {
                    per_network: limit(layers, "registrations_per_hour")?,
                    in_all: limit(layers, "registrations_per_hour_in_all")?,
                },
                login_limits: LoginLimits {
                    failures_per_minute: limit(layers, "login_failures_per_minute")?,
                    failures_per_email: limit(layers, "login_failures_per_email")?,
                },
                refused_credentials_per_minute: limit(layers, "refused_credentials_per_minute")?,
                access_token_life: layers.get("access_token_life", values::lasting)?,
                refresh_token_life: layers.get("refresh_token_life", values::lasting)?,
                operator_token: layers.get_set("operator_token", operator_token)?,
                ..AccountsConfig::default()
            },
            gateway: GatewayConfig {
                ack_timeout: layers.get("ack_timeout", values::lasting)?,
                send_attempts: count("send_attempts", 1, 100)?,
                message_expiry: Some(layers.get("message_expiry", values::duration)?).filter(|life| !life.is_zero()),
                pacing: pacing(layers)?,
                max_sessions_per_tenant: Some(count("max_sessions_per_tenant", 0, u32::MAX)?).filter(|most| *most > 0),
                session_logins_per_second: count("logins_per_second", 1, 10_000)?,
                check_numbers: layers.get("check_numbers", |text| match text {
                    "asked" => Ok(CheckNumbers::Asked),
                    "always" => Ok(CheckNumbers::Always),
                    _ => Err("must be asked or always".to_owned()),
                })?,
                lookup_limits: LookupLimits {
                    per_minute: layers.get("lookups_per_minute", positive)?,
                    burst: layers.get("lookup_burst", positive)?,
                },
                min_free_disk: layers.get("min_free_disk", values::size)?,
                folders: vec![layers.get("data_dir", path)?],
                ..GatewayConfig::default()
            },
            api: ApiConfig {
                requests_per_minute: limit(layers, "rate_limit_per_minute")?,
                open_requests_per_minute: limit(layers, "open_requests_per_minute")?,
                open_requests_per_second: limit(layers, "open_requests_per_second")?,
                max_body_bytes_in_flight: layers
                    .get("max_body_bytes_in_flight", |text| values::number(text, LEAST_BODY_BYTES, usize::MAX))?,
                proxies: proxies(layers)?,
                refusal_pause: layers.get("refusal_pause", refusal_pause)?,
                docs: layers.get("docs", values::boolean)?,
                cors_origins: layers.get_set("cors_origins", origins)?.unwrap_or_default(),
                ..ApiConfig::default()
            },
            whatsapp: WhatsappConfig {
                version: layers.get_set("whatsapp_version", values::version)?,
                dials_per_second: count("logins_per_second", 1, 10_000)?,
                #[cfg(feature = "wire-sim")]
                url: layers.get_set("whatsapp_url", |url| Ok(url.to_owned()))?,
                ..WhatsappConfig::default()
            },
            sandbox: sandbox(layers)?,
            log: LogConfig {
                level: layers.get("log_level", crate::telemetry::check_filter)?,
                format: layers.get("log_format", |text| match text {
                    "text" => Ok(LogFormat::Text),
                    "json" => Ok(LogFormat::Json),
                    _ => Err("must be text or json".to_owned()),
                })?,
            },
        })
    }
}

impl Config {
    /// Whether everyone who reaches the port from another machine may register.
    pub fn lets_strangers_register(&self) -> bool {
        self.accounts.registration_open == RegistrationOpen::Yes && !self.listen.ip().is_loopback()
    }
}

fn pacing(layers: &Layers) -> Result<Pacing, ConfigError> {
    let limit = |key| layers.get(key, |text| values::number(text, 0, 10_000_000));
    let time = |key, unit: Duration, most: Duration| {
        layers.get(key, |text| {
            let found = values::duration(text).map(|found| u32::try_from(found.as_millis() / unit.as_millis()));
            let most = u32::try_from(most.as_millis() / unit.as_millis()).unwrap_or(u32::MAX);
            let within = found?.ok().filter(|found| *found <= most);
            within.ok_or_else(|| format!("must be {} s at most", unit.as_secs_f64() * f64::from(most)))
        })
    };
    let written = Pacing {
        per_minute: limit("pacing_per_minute")?,
        per_day: limit("pacing_per_day")?,
        first_contact_per_minute: limit("pacing_first_contact_per_minute")?,
        first_contact_per_day: limit("pacing_first_contact_per_day")?,
        jitter_ms: time("pacing_jitter", Duration::from_millis(1), Duration::from_mins(10))?,
        first_contact_pause_secs: time(
            "pacing_first_contact_pause",
            Duration::from_secs(1),
            Duration::from_hours(7 * 24),
        )?,
    };
    layers.get("pacing", |text| match text {
        "gentle" => Ok(written),
        "off" => Ok(Pacing::OFF),
        _ => Err("must be gentle or off".to_owned()),
    })
}

fn sandbox(layers: &Layers) -> Result<SandboxDelays, ConfigError> {
    if layers.get("sandbox_fast", values::boolean)? {
        return Ok(SandboxDelays::NONE);
    }
    Ok(SandboxDelays {
        ack: layers.get("sandbox_ack_delay", values::duration)?,
        delivered: layers.get("sandbox_delivered_delay", values::duration)?,
        read: layers.get("sandbox_read_delay", values::duration)?,
        reply: layers.get("sandbox_reply_delay", values::duration)?,
        ..SandboxDelays::default()
    })
}

/// A number of which 0 says that there is no limit.
fn limit(layers: &Layers, key: &'static str) -> Result<Option<NonZeroU32>, ConfigError> {
    layers.get(key, |text| values::number(text, 0, u32::MAX)).map(NonZeroU32::new)
}

fn registration_open(text: &str) -> Result<RegistrationOpen, String> {
    match text {
        "true" => Ok(RegistrationOpen::Yes),
        "false" => Ok(RegistrationOpen::No),
        "first" => Ok(RegistrationOpen::First),
        _ => Err("must be true, false or first".to_owned()),
    }
}

fn refusal_pause(text: &str) -> Result<Duration, String> {
    // Proxies and clients give up after ten seconds or more.
    let pause = values::duration(text)?;
    (pause <= Duration::from_secs(5)).then_some(pause).ok_or_else(|| "must be 5s at most".to_owned())
}

fn positive(text: &str) -> Result<NonZeroU32, String> {
    values::number(text, NonZeroU32::MIN, NonZeroU32::MAX)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as 127.0.0.1:3000 or [::]:3000".to_owned())
}

// The readers of settings all have the same form.
#[expect(clippy::unnecessary_wraps)]
fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// The database that is named. Whether its server must prove who it is, is said here too.
fn database_url(layers: &Layers) -> Result<Option<DatabaseUrl>, ConfigError> {
    let verified = layers.get("database_require_verified_tls", values::boolean)?;
    layers.get_set("database_url", |text| {
        let url: DatabaseUrl = text.parse().map_err(|why: waypost_store::UrlError| why.to_string())?;
        if verified && url.is_unverified() {
            let why = "names a server on another machine and does not verify its certificate, which \
                       database_require_verified_tls forbids: add ?sslmode=verify-full (and sslrootcert=PATH)";
            return Err(why.to_owned());
        }
        Ok(url)
    })
}

fn operator_token(text: &str) -> Result<SecretString, String> {
    // Anything shorter may be guessed in time, from many networks.
    let strong = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_graphic());
    strong.then(|| SecretString::from(text)).ok_or_else(|| "must be 32 visible characters at least".to_owned())
}

fn proxies(layers: &Layers) -> Result<TrustedProxies, ConfigError> {
    Ok(TrustedProxies {
        networks: layers.get_set("trusted_proxies", networks)?.unwrap_or_default(),
        header: layers.get("trusted_proxy_header", proxy_header)?,
        hops: layers.get("trusted_proxy_hops", |text| values::number(text, 1, 16))?,
    })
}

/// Reads addresses and networks with commas between them.
fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |text: &str| {
        let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        text.parse().ok().or_else(address)
    };
    let networks: Option<_> = text.split(',').map(str::trim).map(network).collect();
    networks
        .ok_or_else(|| "must be addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8".into())
}

fn proxy_header(text: &str) -> Result<HeaderName, String> {
    if text.eq_ignore_ascii_case("forwarded") {
        return Err(
            "must be a header with bare addresses, such as x-forwarded-for: Forwarded (RFC 7239) is not read".into()
        );
    }
    text.parse().map_err(|_| "must be the name of an HTTP header, such as x-forwarded-for".to_owned())
}

fn origins(text: &str) -> Result<Vec<HeaderValue>, String> {
    let origins: Option<_> = text.split(',').map(|text| origin(text.trim())).collect();
    origins.ok_or_else(|| {
        "must be web origins with commas between them, without a path, such as https://app.example.com".to_owned()
    })
}

/// An origin as a browser sends it (RFC 6454, 6.2): in small letters and without a path. Others would never match.
fn origin(text: &str) -> Option<HeaderValue> {
    let text = text.strip_suffix('/').unwrap_or(text).to_lowercase();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_host =
        !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', '\\']) && !host.contains(char::is_whitespace);
    is_host.then(|| text.parse().ok()).flatten()
}

fn key_source(layers: &Layers, key: &'static str, file: &'static str) -> Result<KeySource, ConfigError> {
    let source = KeySource {
        given: layers.get_set(key, |text| values::key(text).map(|_| SecretString::from(text)))?,
        file: layers.get_set(file, path)?,
    };
    if source.given.is_some() && source.file.is_some() {
        let why = format!("and {key} (from {}) say the same thing twice: set one of them", layers.value(key).source);
        return Err(ConfigError::Invalid { key: file, from: layers.value(file).source.clone(), why });
    }
    Ok(source)
}
