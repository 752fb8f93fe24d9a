//! Where values come from: the command line before the environment, the environment before the file, the file before
//! the default. An empty value counts as none, so that `WAYPOST_X=` in a compose file changes nothing.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use waypost_domain::spelling::nearest;

use super::settings::{GONE, SETTINGS, Setting, WHATSAPP_URL, setting};

/// A value as it was written, and where. Shows no value: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// What was written.
    pub text: String,
    /// Where.
    pub source: Source,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value(… from {})", self.source)
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nowhere.
    Default,
    /// In the file.
    File(PathBuf),
    /// In the environment, under this name.
    Environment(String),
    /// On the command line, as this flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "{name} in the environment"),
            Self::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

/// Why the configuration cannot be used. The sentences never repeat a value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file is no TOML.
    #[error("the configuration file {path} is not valid TOML, in line {line}: {why}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The file names a setting that does not exist.
    #[error("{path}: there is no setting {key:?}{}", meant(.nearest.as_deref()))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What was written.
        key: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A setting that this build does not have.
    #[error(
        "{key} (from {from}) works only in a build for tests (cargo build --features waypost-server/wire-sim): this one talks to WhatsApp and to nothing else"
    )]
    NotInThisBuild {
        /// The setting.
        key: &'static str,
        /// Where it was written.
        from: Source,
    },
    /// A setting that there was once.
    #[error("{key} (from {from}) is no longer a setting: {instead}")]
    Gone {
        /// The setting.
        key: &'static str,
        /// Where it was written.
        from: Source,
        /// What to set now.
        instead: &'static str,
    },
    /// A variable is no text.
    #[error("{name} in the environment is not valid UTF-8")]
    NotText {
        /// Its name.
        name: String,
    },
    /// A value is wrong.
    #[error("{key} (from {from}) {why}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// Where the value was written.
        from: Source,
        /// What it must be.
        why: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "; waypost config lists them".to_owned(), |name| format!("; did you mean {name:?}?"))
}

/// Every setting's value.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// What should be said about the configuration once there is a log.
    pub warnings: Vec<String>,
}

impl Layers {
    /// Lays the layers over one another. `flags` holds what the command line gave, by the settings' keys.
    pub fn read(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        flags: &BTreeMap<&'static str, String>,
    ) -> Result<Self, ConfigError> {
        let in_file = file.map_or_else(|| Ok(BTreeMap::new()), read_file)?;
        if !SETTINGS.iter().any(|setting| setting.key == WHATSAPP_URL.key)
            && environment.get(&WHATSAPP_URL.env_name()).is_some_and(|text| !text.is_empty())
        {
            let from = Source::Environment(WHATSAPP_URL.env_name());
            return Err(ConfigError::NotInThisBuild { key: WHATSAPP_URL.key, from });
        }
        refuse_gone(environment, &in_file, file)?;
        let value = |setting: &Setting| {
            let from_flag = flags.get(setting.key).map(|text| (text.clone(), Source::Flag(setting.flag())));
            let named = |name: String| environment.get(&name).map(|text| (text.clone(), Source::Environment(name)));
            let of_file = || in_file.get(setting.key).zip(file).map(|(t, p)| (t.clone(), Source::File(p.to_owned())));
            [
                from_flag,
                named(setting.env_name()),
                setting.env_alias().and_then(|name| named(name.to_owned())),
                of_file(),
            ]
            .into_iter()
            .flatten()
            .find(|(text, _)| !text.is_empty())
            .map_or_else(
                || Value { text: setting.default.to_owned(), source: Source::Default },
                |(text, source)| Value { text, source },
            )
        };
        let checked = |setting: &Setting| {
            let value = value(setting);
            match super::values::as_typed(&value.text) {
                Ok(()) => Ok((setting.key, value)),
                Err(why) => Err(ConfigError::Invalid { key: setting.key, from: value.source, why: why.to_owned() }),
            }
        };
        let values = SETTINGS.iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Self { values, warnings: unknown_names(environment) })
    }

    /// A setting's value.
    pub fn value(&self, key: &'static str) -> &Value {
        self.values.get(key).expect("every setting that the program reads is in SETTINGS, as a test proves")
    }

    /// A setting's value, read by `read`.
    pub fn get<T>(&self, key: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let Value { text, source } = self.value(key);
        read(text).map_err(|why| ConfigError::Invalid { key, from: source.clone(), why })
    }

    /// A setting's value, read by `read`, where it is set.
    pub fn get_set<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        if self.value(key).text.is_empty() { Ok(None) } else { self.get(key, read).map(Some) }
    }
}

/// Refuses what earlier versions read: left out in silence it would leave a door open that somebody closed.
fn refuse_gone(
    environment: &BTreeMap<String, String>,
    in_file: &BTreeMap<String, String>,
    file: Option<&Path>,
) -> Result<(), ConfigError> {
    for (key, instead) in GONE {
        let name = format!("WAYPOST_{}", key.to_uppercase());
        let in_environment = environment.get(&name).is_some_and(|text| !text.is_empty());
        let written = in_file.get(key).is_some_and(|text| !text.is_empty());
        let from = match file {
            _ if in_environment => Source::Environment(name),
            Some(path) if written => Source::File(path.to_owned()),
            _ => continue,
        };
        return Err(ConfigError::Gone { key, from, instead });
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = text.as_bytes().iter().take(error.span().map_or(0, |span| span.start)).filter(|b| **b == b'\n');
        ConfigError::NotToml { path: path.to_owned(), line: line.count() + 1, why: error.message().to_owned() }
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let gone = GONE.iter().find(|(gone, _)| *gone == key).map(|(gone, _)| *gone);
        let Some(known) = setting(&key).map(|setting| setting.key).or(gone) else {
            if key == WHATSAPP_URL.key {
                let from = Source::File(path.to_owned());
                return Err(ConfigError::NotInThisBuild { key: WHATSAPP_URL.key, from });
            }
            let nearest = nearest(&key, SETTINGS.iter().map(|setting| setting.key)).map(str::to_owned);
            return Err(ConfigError::Unknown { path: path.to_owned(), key, nearest });
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(boolean) => boolean.to_string(),
            _ => {
                let why = "must be a string, a number or a boolean".to_owned();
                return Err(ConfigError::Invalid { key: known, from: Source::File(path.to_owned()), why });
            }
        };
        values.insert(key, text);
    }
    Ok(values)
}

/// A `WAYPOST_` name that is no setting is warned of, not refused: Kubernetes puts `WAYPOST_SERVICE_HOST` and the like
/// into the environment of every pod beside a service named `waypost`.
fn unknown_names(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::env_name).chain(["WAYPOST_CONFIG".to_owned()]).collect();
    environment
        .keys()
        .filter(|name| name.starts_with("WAYPOST_") && !known.contains(name))
        .map(|name| {
            let hint = nearest(name, known.iter().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
            format!("there is no setting {name}; it is ignored{}", hint.unwrap_or_default())
        })
        .collect()
}
