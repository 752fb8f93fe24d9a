//! What there is to set, as the sections say it. A setting has the same name everywhere: `listen` in the TOML file,
//! `WAYPOST_LISTEN` in the environment, `--listen` on the command line.

use std::sync::LazyLock;

use clap::{Arg, Args, Command};

use super::sections::Settings;

/// A setting, as the help shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the TOML file.
    pub key: String,
    /// What its value is: `ADDRESS`, `DURATION`, …
    pub value: String,
    /// Its default, as it would be written; empty if it is unset by default.
    pub default: String,
    /// What it does.
    pub meaning: String,
    /// Whether its value may never be shown.
    pub secret: bool,
    /// Whether it is tables, which stand in the file alone.
    pub tables: bool,
    /// A second name in the environment, which the world expects; the first one wins.
    pub env_alias: Option<String>,
}

/// Every setting of this build, in the order in which they are shown.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(described::<Settings>);

/// The settings of a section, or of all.
pub fn described<S: Args>() -> Vec<Setting> {
    S::augment_args(Command::new("settings")).get_arguments().map(Setting::new).collect()
}

impl Setting {
    /// Reads what a section's field says of itself. It never becomes an argument as it is: clap would put the
    /// environment and the default in place of what was not written, and the file stands between those two.
    fn new(field: &Arg) -> Self {
        let text = |text: &clap::builder::OsStr| text.to_string_lossy().into_owned();
        Self {
            key: field.get_id().to_string(),
            value: field.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default(),
            default: field.get_default_values().first().map(text).unwrap_or_default(),
            meaning: field.get_help().map(ToString::to_string).unwrap_or_default(),
            secret: field.is_hide_env_values_set(),
            tables: field.is_hide_set(),
            env_alias: field.get_env().map(|name| name.to_string_lossy().into_owned()),
        }
    }

    /// Its name in the environment.
    pub fn env_name(&self) -> String {
        env_name(&self.key)
    }

    /// All its names in the environment, for the help.
    pub fn env_names(&self) -> String {
        let ours = self.env_name();
        self.env_alias.as_ref().map_or_else(|| ours.clone(), |alias| format!("{ours} or {alias}"))
    }

    /// Its name on the command line, without the dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

/// The name in the environment of the setting `key`.
pub fn env_name(key: &str) -> String {
    format!("WAYPOST_{}", key.to_uppercase())
}

/// The setting that only a `wire-sim` build has.
pub const WIRE_SIM_ONLY: &str = "whatsapp_url";

/// Settings that there were once, and what took their place.
pub const GONE: [(&str, &str); 1] = [(
    "client_address_header",
    "set trusted_proxies to the addresses of your proxies, and trusted_proxy_header to the header if it is not \
     x-forwarded-for",
)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_the_same_name_everywhere() {
        let setting = SETTINGS.iter().find(|setting| setting.key == "rate_limit_per_minute").unwrap();
        assert_eq!(setting.env_name(), "WAYPOST_RATE_LIMIT_PER_MINUTE");
        assert_eq!(setting.flag(), "rate-limit-per-minute");
    }

    #[test]
    fn every_setting_says_what_it_is() {
        for setting in SETTINGS.iter() {
            assert!(!setting.meaning.is_empty() && !setting.value.is_empty(), "{}", setting.key);
        }
    }

    #[test]
    fn the_simulator_can_be_named_in_wire_sim_builds_only() {
        assert_eq!(SETTINGS.iter().any(|setting| setting.key == WIRE_SIM_ONLY), cfg!(feature = "wire-sim"));
    }
}
