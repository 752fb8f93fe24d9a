//! Every setting: its name, its default, its meaning. The name is the same everywhere: `listen` in the TOML file,
//! `WAYPOST_LISTEN` in the environment, `--listen` on the command line.

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the TOML file.
    pub key: &'static str,
    /// What its value is, for the help: `ADDRESS`, `DURATION`, …
    pub value: &'static str,
    /// Its default, as it would be written; empty where it is unset by default.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Whether its value may never be shown.
    pub secret: bool,
}

impl Setting {
    /// Its name in the environment.
    pub fn env_name(&self) -> String {
        format!("WAYPOST_{}", self.key.to_uppercase())
    }

    /// A second name in the environment, which the world expects; the first one wins.
    pub fn env_alias(&self) -> Option<&'static str> {
        (self.key == "database_url").then_some("DATABASE_URL")
    }

    /// All its names in the environment, for the help.
    pub fn env_names(&self) -> String {
        let ours = self.env_name();
        self.env_alias().map_or_else(|| ours.clone(), |alias| format!("{ours} or {alias}"))
    }

    /// Its name on the command line, without the dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

const fn plain(key: &'static str, value: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { key, value, default, meaning, secret: false }
}

const fn secret(key: &'static str, value: &'static str, meaning: &'static str) -> Setting {
    Setting { key, value, default: "", meaning, secret: true }
}

/// The setting that only a `wire-sim` build has.
pub const WHATSAPP_URL: Setting =
    plain("whatsapp_url", "URL", "", "Where WhatsApp is: a simulator on this machine (ws:// or wss://, loopback only)");

/// Settings that there were once, and what took their place.
pub const GONE: [(&str, &str); 1] = [(
    "client_address_header",
    "set trusted_proxies to the addresses of your proxies, and trusted_proxy_header to the header if it is not \
     x-forwarded-for",
)];

/// Every setting of this build, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    plain("listen", "ADDRESS", "127.0.0.1:3000", "Address and port to listen on; port 0 takes a free one"),
    plain("max_connections", "NUMBER", "10000", "HTTP connections at a time; fewer if too few files may be open"),
    plain(
        "max_connections_per_address",
        "NUMBER",
        "1024",
        "HTTP connections from one address (IPv6: /56), half of all at most; 0 for no limit",
    ),
    plain("max_body_bytes_in_flight", "BYTES", "67108864", "Request bodies in memory at a time, and again of answers"),
    plain("shutdown_grace", "DURATION", "10s", "How long requests may take to finish at shutdown"),
    plain("data_dir", "PATH", "./data", "Folder for the database, the keys and the lock file"),
    secret("database_url", "URL", "sqlite://PATH or postgres://…; unset: waypost.db in the data folder"),
    plain(
        "database_require_verified_tls",
        "BOOLEAN",
        "false",
        "Refuse a PostgreSQL server on another machine whose certificate is not verified (sslmode=verify-full)",
    ),
    plain(
        "database_max_connections",
        "NUMBER",
        "8",
        "Connections for reading (SQLite) or in all (PostgreSQL; fewer than 4 count as 4)",
    ),
    plain(
        "min_free_disk",
        "SIZE",
        "256MiB",
        "Free space below which no message is accepted and the server is not ready; 0MiB to not look",
    ),
    secret("master_key", "KEY", "Key that encrypts secrets at rest, 32 bytes in base64 or hex; unset: kept in a file"),
    plain(
        "master_key_file",
        "PATH",
        "",
        "File with the master key; unset: master.key in the data folder, made at first",
    ),
    secret("token_key", "KEY", "Key that signs access tokens, 32 bytes in base64 or hex; unset: kept in a file"),
    plain("token_key_file", "PATH", "", "File with the token key; unset: token.key in the data folder, made at first"),
    secret("operator_token", "TOKEN", "Lets the operator in at /api/operator, 32 characters at least; unset: nobody"),
    plain(
        "registration_open",
        "WHEN",
        "first",
        "Whether strangers may register: true, false, or first (until there is a tenant)",
    ),
    plain("registrations_per_hour", "NUMBER", "20", "Tries to register an hour from one network; 0 for no limit"),
    plain("registrations_per_hour_in_all", "NUMBER", "200", "Tries to register an hour from all; 0 for no limit"),
    plain("access_token_life", "DURATION", "15m", "How long an access token works"),
    plain("refresh_token_life", "DURATION", "30d", "How long a refresh token works"),
    plain("rate_limit_per_minute", "NUMBER", "6000000", "Requests a minute that a tenant may make; 0 for no limit"),
    plain(
        "open_requests_per_minute",
        "NUMBER",
        "600",
        "Requests a minute without a credential from one network (IPv4 address, IPv6 /56); 0 for no limit",
    ),
    plain(
        "open_requests_per_second",
        "NUMBER",
        "200",
        "Requests a second without a credential, in all; 0 for no limit",
    ),
    plain(
        "login_failures_per_minute",
        "NUMBER",
        "60",
        "Failed logins a minute from one network, before it has to wait; 0 for no limit",
    ),
    plain(
        "login_failures_per_email",
        "NUMBER",
        "50",
        "Failed logins an hour for one e-mail, before only networks pass that logged in before; 0 for no limit",
    ),
    plain(
        "refused_credentials_per_minute",
        "NUMBER",
        "300",
        "Wrong keys and tokens a minute from one network, before unknown ones are refused unseen; 0 for no limit",
    ),
    plain(
        "refusal_pause",
        "DURATION",
        "1s",
        "How long whoever is past one of these limits waits for the refusal, so that asking again at once is no use",
    ),
    plain(
        "trusted_proxies",
        "NETWORKS",
        "",
        "Where your reverse proxies are, such as 127.0.0.1,10.0.0.0/8; unset: none",
    ),
    plain("trusted_proxy_header", "NAME", "x-forwarded-for", "Header in which they name whom they were called from"),
    plain("trusted_proxy_hops", "NUMBER", "1", "How many of them a request comes through"),
    plain("docs", "BOOLEAN", "true", "Whether the API's documentation is served, at /api/docs and /api/openapi.json"),
    plain("cors_origins", "ORIGINS", "", "Web origins whose pages may call the API, with commas between them"),
    plain("max_sessions_per_tenant", "NUMBER", "0", "Sessions that a tenant may have; 0 for no limit"),
    plain("ack_timeout", "DURATION", "30s", "How long WhatsApp may take to acknowledge before a message is sent again"),
    plain("send_attempts", "NUMBER", "3", "How often a message is sent in all before it fails with NO_ACK"),
    plain(
        "message_expiry",
        "DURATION",
        "24h",
        "How long after its accept or its sendAt a message expires that has no expiresAt; 0s for never",
    ),
    plain("logins_per_second", "NUMBER", "20", "Sessions that begin to log in each second after a start or an outage"),
    plain("pacing", "MODE", "gentle", "Pace of WhatsApp sessions: gentle (the numbers that follow), or off"),
    plain("pacing_per_minute", "NUMBER", "20", "Pace: messages of a session in any 60 seconds; 0 for no limit"),
    plain("pacing_per_day", "NUMBER", "1000", "Pace: in any 24 hours"),
    plain("pacing_first_contact_per_minute", "NUMBER", "5", "Pace: to people it never talked to, in any 60 seconds"),
    plain("pacing_first_contact_per_day", "NUMBER", "50", "Pace: to people it never talked to, in any 24 hours"),
    plain("pacing_jitter", "DURATION", "2s", "Pace: between two messages a random pause, of a quarter to all of this"),
    plain(
        "pacing_first_contact_pause",
        "DURATION",
        "1h",
        "Pace: how long first contacts wait after WhatsApp refused one; again: twice as long, up to 24 times",
    ),
    plain("check_numbers", "WHEN", "asked", "When numbers are looked up before a message is accepted: asked or always"),
    plain("lookups_per_minute", "NUMBER", "30", "Numbers that each session may look up in a minute"),
    plain("lookup_burst", "NUMBER", "100", "Numbers that each session may look up at once, after a pause"),
    plain("whatsapp_version", "VERSION", "", "WhatsApp Web's version, such as 2.3000.1023456789; unset: looked up"),
    #[cfg(feature = "wire-sim")]
    WHATSAPP_URL,
    plain("sandbox_fast", "BOOLEAN", "false", "Sandbox: no delays at all"),
    plain("sandbox_ack_delay", "DURATION", "50ms", "Sandbox: until a message is acknowledged"),
    plain("sandbox_delivered_delay", "DURATION", "150ms", "Sandbox: until it is delivered"),
    plain("sandbox_read_delay", "DURATION", "400ms", "Sandbox: until it is read"),
    plain("sandbox_reply_delay", "DURATION", "600ms", "Sandbox: until its answer comes in"),
    plain(
        "log_level",
        "FILTER",
        "info",
        "error, warn, info, debug or trace for our own crates (others: warn), or a filter such as info,sqlx=debug",
    ),
    plain("log_format", "FORMAT", "text", "text or json"),
];

/// The setting with this name.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_same_name_everywhere() {
        let setting = setting("rate_limit_per_minute").unwrap();
        assert_eq!(setting.env_name(), "WAYPOST_RATE_LIMIT_PER_MINUTE");
        assert_eq!(setting.flag(), "rate-limit-per-minute");
    }

    #[test]
    fn the_simulator_can_be_named_in_wire_sim_builds_only() {
        assert_eq!(setting("whatsapp_url").is_some(), cfg!(feature = "wire-sim"));
    }
}
