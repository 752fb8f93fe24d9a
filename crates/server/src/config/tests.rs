//! The layers together, as an operator uses them.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use rstest::rstest;

use waypost_accounts::{AccountsConfig, RegistrationOpen};
use waypost_api::ApiConfig;
use waypost_domain::Pacing;
use waypost_engine::sandbox::SandboxDelays;
use waypost_engine_whatsapp::WhatsappConfig;
use waypost_gateway::GatewayConfig;

use super::{
    forms::{As, Lasting, Limit, Plain},
    layers::{ConfigError, Layers, Source},
    sections::Section,
    settings::{SETTINGS, Setting, described},
    *,
};

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

    fn settings(&self) -> Result<Settings, ConfigError> {
        self.layers().and_then(|layers| Settings::read(&layers))
    }

    fn refusal(&self) -> String {
        self.settings().unwrap_err().to_string()
    }
}

#[test]
fn without_any_setting_the_defaults_of_the_contract_hold() {
    let settings = Written::default().settings().unwrap();
    assert_eq!(settings.http.listen.0.to_string(), "127.0.0.1:3000");
    assert_eq!(settings.storage.data_dir.0, PathBuf::from("./data"));
    assert!(settings.storage.database_url.is_none());
    let gateway =
        GatewayConfig { pacing: Pacing::GENTLE, folders: vec![PathBuf::from("./data")], ..GatewayConfig::default() };
    assert_eq!(format!("{:?}", settings.gateway_config()), format!("{gateway:?}"));
    assert_eq!(format!("{:?}", settings.accounts_config()), format!("{:?}", AccountsConfig::default()));
    assert_eq!(format!("{:?}", settings.api_config()), format!("{:?}", ApiConfig::default()));
    assert_eq!(format!("{:?}", settings.whatsapp_config()), format!("{:?}", WhatsappConfig::default()));
    assert_eq!(settings.sandbox.delays(), SandboxDelays::default());
    assert_eq!(settings.http.max_connections_per_address.0, 1024);
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_environment_over_the_file() {
    let written = Written::default().file("listen = \"127.0.0.1:1\"\nsend_attempts = 5\nregistration_open = false");
    assert_eq!(written.settings().unwrap().http.listen.0.port(), 1);
    let written = written.env("WAYPOST_LISTEN", "127.0.0.1:2");
    assert_eq!(written.settings().unwrap().http.listen.0.port(), 2);
    let written = written.flag("listen", "127.0.0.1:3");
    let settings = written.settings().unwrap();
    assert_eq!(settings.http.listen.0.port(), 3);
    assert_eq!(settings.messages.send_attempts.0, 5);
    assert_eq!(settings.accounts.registration_open.0, RegistrationOpen::No);
    assert_eq!(written.layers().unwrap().source("listen"), Source::Flag("listen".to_owned()));
}

#[test]
fn the_database_is_named_by_either_variable_and_ours_wins() {
    let url = |written: &Written| written.settings().unwrap().storage.database_url.unwrap().0.to_string();
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
    let strict = |url| {
        Written::default().env("WAYPOST_DATABASE_REQUIRE_VERIFIED_TLS", "true").env("DATABASE_URL", url).settings()
    };
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
    let settings = written.settings().unwrap();
    assert_eq!(settings.http.listen.0.port(), 1);
    assert!(settings.storage.database_url.is_none());
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
    let settings = Written::default().env("WAYPOST_TRUSTED_PROXIES", "127.0.0.1, ::1,10.0.0.0/8").settings().unwrap();
    let trusts = |address: &str| settings.proxies.trusted().trusts(address.parse().unwrap());
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
    let expected = Pacing { per_day: 7, jitter_ms: 0, ..Pacing::GENTLE };
    assert_eq!(written.settings().unwrap().pacing.in_force(), expected);
    assert!(written.env("WAYPOST_PACING", "off").settings().unwrap().pacing.in_force().is_off());
}

#[test]
fn who_listens_beyond_this_machine_and_lets_everyone_register_is_warned() {
    let warns = |written: &Written| written.settings().unwrap().lets_strangers_register();
    let open = || Written::default().env("WAYPOST_REGISTRATION_OPEN", "true");
    assert!(warns(&open().env("WAYPOST_LISTEN", "0.0.0.0:3000")));
    assert!(!warns(&open()));
    assert!(!warns(&Written::default().env("WAYPOST_LISTEN", "0.0.0.0:3000")));
}

#[test]
fn a_limit_of_zero_is_none() {
    let settings = Written::default().env("WAYPOST_OPEN_REQUESTS_PER_MINUTE", "0").settings().unwrap();
    assert_eq!(settings.limits.open_requests_per_minute.0, None);
}

#[test]
fn an_origin_is_what_a_browser_sends() {
    let settings = Written::default().env("WAYPOST_CORS_ORIGINS", "https://App.example/, http://[::1]:8080").settings();
    assert_eq!(settings.unwrap().api_config().cors_origins, ["https://app.example", "http://[::1]:8080"]);
}

#[test]
fn a_fast_sandbox_has_no_delays() {
    let settings = Written::default().env("WAYPOST_SANDBOX_FAST", "true").settings().unwrap();
    assert_eq!(settings.sandbox.delays(), SandboxDelays::NONE);
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

/// The words between backticks; "…" stands for the first one.
fn quoted(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    words.iter().map(|word| word.replace('…', words[0])).collect()
}

#[test]
fn the_readme_names_settings_and_their_defaults() {
    let readme = include_str!("../../../../README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with("| variable |")).take_while(|line| !line.is_empty());
    let mut defaults_seen = 0;
    for row in rows.skip(2) {
        let columns: Vec<&str> = row.split('|').collect();
        let (names, defaults) = (quoted(columns[1]), quoted(columns[2]));
        for (n, name) in names.iter().enumerate() {
            let is_named = |setting: &&Setting| setting.env_name() == *name || setting.env_alias.as_ref() == Some(name);
            let setting = SETTINGS.iter().find(is_named).unwrap_or_else(|| panic!("{name} is no setting"));
            if let Some(default) = defaults.get(n) {
                assert_eq!(setting.default, *default, "{name}");
                defaults_seen += 1;
            }
        }
    }
    assert!(defaults_seen > 10, "{defaults_seen}");
}

/// A section of a later day: data in tables.
#[derive(Debug, clap::Args, serde::Deserialize)]
struct Plans {
    /// What tenants may have.
    #[arg(long, hide = true, value_name = "TABLES", value_parser = clap::value_parser!(String))]
    #[serde(default)]
    plans: Vec<Plan>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    name: As<Plain<String>>,
    messages_per_day: As<Limit>,
    trial: Option<As<Lasting>>,
}

impl Section for Plans {}

impl Plans {
    fn read(toml: &str) -> Result<Self, ConfigError> {
        let written = Written::default().file(toml).env("WAYPOST_PLANS", "[]");
        let file = written.file.as_ref().map(tempfile::NamedTempFile::path);
        let layers = Layers::of(&described::<Self>(), file, &written.environment, &written.flags)?;
        assert_eq!(
            layers.warnings,
            ["there is no setting WAYPOST_PLANS; it is ignored"],
            "it stands in the file alone"
        );
        layers.section()
    }
}

#[test]
fn a_setting_may_be_a_list_of_tables_in_the_file() {
    let toml = "[[plans]]\nname = \"free\"\nmessages_per_day = 100\ntrial = \"7d\"\n[[plans]]\nname = \"all\"\nmessages_per_day = 0";
    let plans = Plans::read(toml).unwrap().plans;
    let [free, all] = plans.as_slice() else { panic!("two plans: {plans:?}") };
    assert_eq!((free.name.0.as_str(), all.name.0.as_str()), ("free", "all"));
    assert_eq!(free.messages_per_day.0.map(u32::from), Some(100));
    assert_eq!(all.messages_per_day.0, None);
    assert_eq!(free.trial.as_ref().map(|trial| trial.0.as_secs()), Some(7 * 86_400));
    assert!(Plans::read("").unwrap().plans.is_empty());
}

#[rstest]
#[case("name = \"a\"\nmessages_per_day = -1", "plans[0].messages_per_day (from ", "must be a whole number from 0")]
#[case("name = \"a\"\nmessages_per_dya = 1", "plans[0].messages_per_dya (from ", "did you mean \"messages_per_day\"?")]
#[case("name = \"a\"\ncolour = 1", "plans[0].colour (from ", "is not known")]
#[case("name = \"a\"", "plans[0] (from ", "lacks `messages_per_day`")]
#[case("name = \"'a'\"\nmessages_per_day = 1", "plans (from ", "has quotes around it")]
fn what_is_wrong_in_a_table_is_named_by_its_place(#[case] table: &str, #[case] place: &str, #[case] says: &str) {
    let refusal = Plans::read(&format!("[[plans]]\n{table}")).unwrap_err().to_string();
    assert!(refusal.starts_with(place) && refusal.contains(says), "{refusal}");
}
