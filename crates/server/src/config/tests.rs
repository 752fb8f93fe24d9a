//! The layers together, as an operator uses them.

use std::{collections::BTreeMap, io::Write};

use rstest::rstest;

use super::{layers::Source, settings::SETTINGS, *};

#[derive(Default)]
struct Written {
    file: Option<tempfile::NamedTempFile>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<&'static str, String>,
}

impl Written {
    fn file(mut self, toml: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        self.file = Some(file);
        self
    }

    fn env(mut self, name: &str, text: &str) -> Self {
        self.environment.insert(name.to_owned(), text.to_owned());
        self
    }

    fn flag(mut self, key: &'static str, text: &str) -> Self {
        self.flags.insert(key, text.to_owned());
        self
    }

    fn layers(&self) -> Result<Layers, ConfigError> {
        Layers::read(self.file.as_ref().map(tempfile::NamedTempFile::path), &self.environment, &self.flags)
    }

    fn config(&self) -> Result<Config, ConfigError> {
        self.layers().and_then(|layers| Config::from_layers(&layers))
    }

    fn refusal(&self) -> String {
        self.config().unwrap_err().to_string()
    }
}

#[test]
fn without_any_setting_the_defaults_of_the_contract_hold() {
    let config = Written::default().config().unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert!(config.database_url.is_none());
    assert_eq!(config.accounts.access_token_life, AccountsConfig::default().access_token_life);
    assert_eq!(config.accounts.refresh_token_life, AccountsConfig::default().refresh_token_life);
    assert_eq!(config.gateway.ack_timeout, GatewayConfig::default().ack_timeout);
    assert_eq!(config.gateway.send_attempts, GatewayConfig::default().send_attempts);
    assert_eq!(config.gateway.message_expiry, GatewayConfig::default().message_expiry);
    assert_eq!(config.gateway.max_sessions_per_tenant, None);
    assert_eq!(config.accounts.registration_open, RegistrationOpen::First);
    assert_eq!(config.accounts.registration_limits, RegistrationLimits::default());
    assert_eq!(config.accounts.login_limits, LoginLimits::default());
    assert_eq!(
        config.accounts.refused_credentials_per_minute,
        AccountsConfig::default().refused_credentials_per_minute
    );
    assert_eq!(config.gateway.pacing, waypost_domain::Pacing::GENTLE);
    assert_eq!(config.sandbox, SandboxDelays::default());
    assert_eq!(config.api.requests_per_minute, ApiConfig::default().requests_per_minute);
    assert_eq!(config.api.open_requests_per_minute, ApiConfig::default().open_requests_per_minute);
    assert_eq!(config.api.open_requests_per_second, ApiConfig::default().open_requests_per_second);
    assert_eq!(config.api.refusal_pause, ApiConfig::default().refusal_pause);
    assert_eq!(config.api.proxies, TrustedProxies::default());
    assert_eq!(config.api.max_body_bytes_in_flight, ApiConfig::default().max_body_bytes_in_flight);
    assert_eq!(config.max_connections_per_address, Some(1024));
    assert!(config.api.cors_origins.is_empty());
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_environment_over_the_file() {
    let written = Written::default().file("listen = \"127.0.0.1:1\"\nsend_attempts = 5\nregistration_open = false");
    assert_eq!(written.config().unwrap().listen.port(), 1);
    let written = written.env("WAYPOST_LISTEN", "127.0.0.1:2");
    assert_eq!(written.config().unwrap().listen.port(), 2);
    let written = written.flag("listen", "127.0.0.1:3");
    let config = written.config().unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.gateway.send_attempts, 5);
    assert_eq!(config.accounts.registration_open, RegistrationOpen::No);
    assert_eq!(written.layers().unwrap().value("listen").source, Source::Flag("listen".to_owned()));
}

#[test]
fn the_database_is_named_by_either_variable_and_ours_wins() {
    let url = |written: &Written| written.config().unwrap().database_url.unwrap().to_string();
    let written = Written::default().env("DATABASE_URL", "postgres://a:1/x");
    assert_eq!(url(&written), "PostgreSQL at a:1/x");
    assert_eq!(url(&written.env("WAYPOST_DATABASE_URL", "sqlite://b")), "SQLite at b");
}

#[test]
fn a_database_url_that_cannot_be_read_is_refused_without_a_word_of_it() {
    for password in ["se@cret", "se?cret", "se#cret", "se/cret", "se%zzcret", "se%ffcret", "12?cret"] {
        let url = format!("postgres://waypost:{password}@127.0.0.1:1/waypost");
        let refusal = Written::default().env("DATABASE_URL", &url).refusal();
        assert!(refusal.starts_with("database_url (from DATABASE_URL in the environment)"), "{refusal}");
        assert!(refusal.contains("percent-encode @ : / ? # %") && !refusal.contains("cret"), "{refusal}");
    }
}

#[test]
fn a_server_that_does_not_prove_who_it_is_can_be_refused() {
    let strict =
        |url| Written::default().env("WAYPOST_DATABASE_REQUIRE_VERIFIED_TLS", "true").env("DATABASE_URL", url).config();
    for url in ["postgres://db/x", "postgres://db/x?sslmode=require"] {
        assert!(strict(url).unwrap_err().to_string().contains("sslmode=verify-full"), "{url}");
    }
    for url in ["postgres://db/x?sslmode=verify-full", "postgres://127.0.0.1/x", "sqlite://x"] {
        assert!(strict(url).is_ok(), "{url}");
    }
}

#[rstest]
#[case("./data\r", "contains a control character")]
#[case("\"./data\"", "has quotes around it")]
#[case("'./data'", "has quotes around it")]
#[case("./data ", "begins or ends with a blank")]
fn a_value_with_something_that_nobody_typed_is_refused_by_its_name(#[case] text: &str, #[case] why: &str) {
    let refusal = Written::default().env("WAYPOST_DATA_DIR", text).refusal();
    assert!(refusal.starts_with("data_dir (from WAYPOST_DATA_DIR in the environment)"), "{refusal}");
    assert!(refusal.contains(why) && !refusal.contains("./data"), "{refusal}");
    assert!(Written::default().flag("log_level", text).refusal().contains("log_level (from --log-level)"));
    let file = format!("log_level = {}", serde_json::Value::from(text));
    assert!(Written::default().file(&file).refusal().contains(why));
}

#[test]
fn what_was_written_is_not_shown_by_the_way() {
    let written =
        Written::default().env("DATABASE_URL", "postgres://me:hunter2@db/x").flag("operator_token", "hunter2");
    let given = crate::cli::Given { file: None, flags: written.flags.clone() };
    let shown = format!("{:?} {given:?}", written.layers().unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_empty_value_counts_as_none() {
    let written = Written::default().file("listen = \"127.0.0.1:1\"").env("WAYPOST_LISTEN", "").env("DATABASE_URL", "");
    let config = written.config().unwrap();
    assert_eq!(config.listen.port(), 1);
    assert!(config.database_url.is_none());
}

#[rstest]
#[case("WAYPOST_LISTEN", "3000", "an IP address and a port")]
#[case("WAYPOST_DATABASE_URL", "mysql://x", "must start with sqlite:// or postgres://")]
#[case("WAYPOST_SEND_ATTEMPTS", "0", "from 1 to 100")]
#[case("WAYPOST_ACK_TIMEOUT", "0s", "must not be zero")]
#[case("WAYPOST_REGISTRATION_OPEN", "maybe", "true, false or first")]
#[case("WAYPOST_MASTER_KEY", "hunter2", "32 bytes in base64 or hex")]
#[case("WAYPOST_WHATSAPP_VERSION", "new", "three numbers")]
#[case("WAYPOST_CORS_ORIGINS", "https://a.example, b.example", "web origins")]
#[case("WAYPOST_REFUSAL_PAUSE", "1m", "5s at most")]
#[case("WAYPOST_TRUSTED_PROXIES", "10.0.0.0/8, nginx", "addresses or networks")]
#[case("WAYPOST_TRUSTED_PROXY_HEADER", "two words", "name of an HTTP header")]
#[case("WAYPOST_TRUSTED_PROXY_HEADER", "Forwarded", "RFC 7239")]
#[case("WAYPOST_TRUSTED_PROXY_HOPS", "0", "from 1 to 16")]
#[case("WAYPOST_MAX_BODY_BYTES_IN_FLIGHT", "1048576", "from 4194304")]
#[case("WAYPOST_CORS_ORIGINS", "https://a.example/app", "without a path")]
#[case("WAYPOST_PACING", "fast", "gentle or off")]
#[case("WAYPOST_PACING_PER_MINUTE", "-1", "from 0 to 10000000")]
#[case("WAYPOST_PACING_JITTER", "1h", "600 s at most")]
#[case("WAYPOST_LOG_FORMAT", "xml", "text or json")]
#[case("WAYPOST_LOG_LEVEL", "=====", "must be a level")]
fn a_wrong_value_is_refused_and_the_refusal_says_where_it_stands_without_repeating_it(
    #[case] name: &str,
    #[case] text: &str,
    #[case] must: &str,
) {
    let refusal = Written::default().env(name, text).refusal();
    assert!(refusal.contains(&format!("(from {name} in the environment)")), "{refusal}");
    assert!(refusal.contains(must), "{refusal}");
    assert!(name != "WAYPOST_MASTER_KEY" || !refusal.contains(text), "{refusal}");
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_one_that_was_meant() {
    let refusal = Written::default().file("registraton_open = false").refusal();
    assert!(refusal.contains("there is no setting \"registraton_open\"; did you mean \"registration_open\"?"));
}

#[test]
fn an_unknown_name_in_the_environment_is_warned_of() {
    let written = Written::default().env("WAYPOST_REGISTRATON_OPEN", "false").env("WAYPOST_SERVICE_HOST", "10.0.0.1");
    let warnings = written.layers().unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "there is no setting WAYPOST_REGISTRATON_OPEN; it is ignored; did you mean WAYPOST_REGISTRATION_OPEN?",
            "there is no setting WAYPOST_SERVICE_HOST; it is ignored",
        ]
    );
}

#[rstest]
#[case("listen = [1]", "must be a string, a number or a boolean")]
#[case("\n\nlisten =", "in line 3")]
fn a_file_that_makes_no_sense_is_refused(#[case] toml: &str, #[case] says: &str) {
    let refusal = Written::default().file(toml).refusal();
    assert!(refusal.contains(says), "{refusal}");
}

#[test]
fn proxies_are_named_by_address_or_by_network() {
    let config = Written::default().env("WAYPOST_TRUSTED_PROXIES", "127.0.0.1, ::1,10.0.0.0/8").config().unwrap();
    let trusts = |address: &str| config.api.proxies.trusts(address.parse().unwrap());
    assert!(["127.0.0.1", "::1", "10.9.8.7", "::ffff:10.9.8.7"].into_iter().all(trusts));
    assert!(!["127.0.0.2", "::2", "11.0.0.1"].into_iter().any(trusts));
}

#[rstest]
#[case(Written::default().env("WAYPOST_CLIENT_ADDRESS_HEADER", "x-real-ip"))]
#[case(Written::default().file("client_address_header = \"x-real-ip\""))]
fn the_setting_that_believed_every_client_is_refused_with_those_that_took_its_place(#[case] written: Written) {
    let refusal = written.refusal();
    assert!(refusal.contains("trusted_proxies") && refusal.contains("trusted_proxy_header"), "{refusal}");
}

#[test]
fn a_key_may_not_be_given_twice() {
    let key = "ab".repeat(32);
    let written = Written::default().env("WAYPOST_MASTER_KEY", &key).env("WAYPOST_MASTER_KEY_FILE", "/k");
    assert!(written.refusal().contains("set one of them"));
}

#[test]
fn the_pace_is_set_number_by_number_or_switched_off_at_once() {
    let written = Written::default().env("WAYPOST_PACING_PER_DAY", "7").env("WAYPOST_PACING_JITTER", "0ms");
    let expected = waypost_domain::Pacing { per_day: 7, jitter_ms: 0, ..waypost_domain::Pacing::GENTLE };
    assert_eq!(written.config().unwrap().gateway.pacing, expected);
    assert!(written.env("WAYPOST_PACING", "off").config().unwrap().gateway.pacing.is_off());
}

#[test]
fn who_listens_beyond_this_machine_and_lets_everyone_register_is_warned() {
    let warns = |written: &Written| written.config().unwrap().lets_strangers_register();
    let open = || Written::default().env("WAYPOST_REGISTRATION_OPEN", "true");
    assert!(warns(&open().env("WAYPOST_LISTEN", "0.0.0.0:3000")));
    assert!(!warns(&open()));
    assert!(!warns(&Written::default().env("WAYPOST_LISTEN", "0.0.0.0:3000")));
}

#[test]
fn a_limit_of_zero_is_none() {
    let config = Written::default().env("WAYPOST_OPEN_REQUESTS_PER_MINUTE", "0").config().unwrap();
    assert_eq!(config.api.open_requests_per_minute, None);
}

#[test]
fn an_origin_is_what_a_browser_sends() {
    let config = Written::default().env("WAYPOST_CORS_ORIGINS", "https://App.example/, http://[::1]:8080").config();
    assert_eq!(config.unwrap().api.cors_origins, ["https://app.example", "http://[::1]:8080"]);
}

#[test]
fn a_fast_sandbox_has_no_delays() {
    let config = Written::default().env("WAYPOST_SANDBOX_FAST", "true").config().unwrap();
    assert_eq!(config.sandbox, SandboxDelays::NONE);
}

#[cfg(not(feature = "wire-sim"))]
#[rstest]
#[case(Written::default().env("WAYPOST_WHATSAPP_URL", "ws://127.0.0.1:1"))]
#[case(Written::default().file("whatsapp_url = \"ws://127.0.0.1:1\""))]
fn a_build_for_users_refuses_to_be_pointed_at_a_simulator(#[case] written: Written) {
    assert!(written.refusal().contains("works only in a build for tests"));
}

#[test]
fn no_two_settings_share_a_name() {
    for (n, one) in SETTINGS.iter().enumerate() {
        assert!(SETTINGS[n + 1..].iter().all(|other| other.key != one.key), "{}", one.key);
    }
}
