//! Where values come from: the command line before the environment, the environment before the file, the file before
//! the default. An empty value counts as none, so that `WAYPOST_X=` in a compose file changes nothing.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use waypost_domain::spelling::nearest;

use super::{
    sections::Section,
    settings::{GONE, SETTINGS, Setting, WIRE_SIM_ONLY, described, env_name},
    values::as_typed,
};

/// A value as it was written, and where. Shows no value: it may be a secret.
#[derive(Clone, PartialEq)]
pub struct Value {
    /// What was written: text, or anything of a file.
    pub value: toml::Value,
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
        /// The setting, and where in its tables.
        key: String,
        /// Where the value was written.
        from: Source,
        /// What it must be.
        why: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "; waypost config lists them".to_owned(), |name| format!("; did you mean {name:?}?"))
}

/// Every setting's value, before it is read.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<String, Value>,
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
        Self::of(&SETTINGS, file, environment, flags)
    }

    /// The same for these settings.
    pub fn of(
        settings: &[Setting],
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        flags: &BTreeMap<&'static str, String>,
    ) -> Result<Self, ConfigError> {
        let file = file.map(|path| Ok((path, read_file(path)?))).transpose()?;
        let written = Written { file: file.as_ref().map(|(path, table)| (*path, table)), environment, flags };
        written.refuse_other_builds()?;
        written.refuse_unknown(settings)?;
        let mut values = BTreeMap::new();
        for setting in settings {
            let Value { value, source } = written.value(setting);
            if let Err(why) = all_as_typed(&value) {
                return Err(ConfigError::Invalid { key: setting.key.clone(), from: source, why: why.to_owned() });
            }
            values.insert(setting.key.clone(), Value { value, source });
        }
        Ok(Self { values, warnings: written.unknown_names(settings) })
    }

    /// A setting's value, if there is such a setting.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Where a setting was written.
    pub fn source(&self, key: &str) -> Source {
        self.value(key).map_or(Source::Default, |value| value.source.clone())
    }

    /// Reads a section.
    pub fn section<S: Section>(&self) -> Result<S, ConfigError> {
        let set = |setting: Setting| {
            let value = &self.value(&setting.key)?.value;
            (!is_empty(value)).then(|| (setting.key, value.clone()))
        };
        let table: toml::Table = described::<S>().into_iter().filter_map(set).collect();
        let section: S = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| self.invalid(&error.path().to_string(), &sentence(error.inner().message())))?;
        section.check(self)?;
        Ok(section)
    }

    /// Refuses the value at `path`: a setting's key, or a place in its tables (`plans[0].name`).
    pub fn invalid(&self, path: &str, why: &str) -> ConfigError {
        let key = path.split(['.', '[']).next().unwrap_or(path);
        ConfigError::Invalid { key: path.to_owned(), from: self.source(key), why: why.to_owned() }
    }
}

/// What serde says, as the end of a sentence. On an unknown name it lists all there are; ours says which one was
/// probably meant.
fn sentence(message: &str) -> String {
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("lacks {name}");
    }
    let Some(names) = message.strip_prefix("unknown field ") else { return message.to_owned() };
    let mut names = names.split('`').skip(1).step_by(2);
    let near = names.next().and_then(|written| nearest(written, names));
    format!("is not known{}", near.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default())
}

/// Empty text counts as none.
fn is_empty(value: &toml::Value) -> bool {
    value.as_str().is_some_and(str::is_empty)
}

fn all_as_typed(value: &toml::Value) -> Result<(), &'static str> {
    match value {
        toml::Value::String(text) => as_typed(text),
        toml::Value::Array(values) => values.iter().try_for_each(all_as_typed),
        toml::Value::Table(table) => table.values().try_for_each(all_as_typed),
        _ => Ok(()),
    }
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = text.as_bytes().iter().take(error.span().map_or(0, |span| span.start)).filter(|b| **b == b'\n');
        ConfigError::NotToml { path: path.to_owned(), line: line.count() + 1, why: error.message().to_owned() }
    })
}

/// The places where something can be written.
struct Written<'w> {
    file: Option<(&'w Path, &'w toml::Table)>,
    environment: &'w BTreeMap<String, String>,
    flags: &'w BTreeMap<&'static str, String>,
}

impl Written<'_> {
    /// What holds of what was written for this setting.
    fn value(&self, setting: &Setting) -> Value {
        let flag = || {
            let text = self.flags.get(setting.key.as_str()).filter(|text| !text.is_empty())?;
            Some(Value { value: text.as_str().into(), source: Source::Flag(setting.flag()) })
        };
        let variable = || self.variable(&setting.env_name());
        let alias = || self.variable(setting.env_alias.as_deref()?);
        let file = || self.in_file(&setting.key);
        let written = if setting.tables { file() } else { flag().or_else(variable).or_else(alias).or_else(file) };
        written.unwrap_or_else(|| Value { value: setting.default.as_str().into(), source: Source::Default })
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let text = self.environment.get(name).filter(|text| !text.is_empty())?;
        Some(Value { value: text.as_str().into(), source: Source::Environment(name.to_owned()) })
    }

    fn in_file(&self, key: &str) -> Option<Value> {
        let (path, table) = self.file?;
        let value = table.get(key).filter(|value| !is_empty(value))?;
        Some(Value { value: value.clone(), source: Source::File(path.to_owned()) })
    }

    /// Refuses what this build does not read, and what only earlier versions read: left out in silence it would leave a
    /// door open that somebody closed.
    fn refuse_other_builds(&self) -> Result<(), ConfigError> {
        let from = |key: &str| self.variable(&env_name(key)).or_else(|| self.in_file(key)).map(|value| value.source);
        if !cfg!(feature = "wire-sim")
            && let Some(from) = from(WIRE_SIM_ONLY)
        {
            return Err(ConfigError::NotInThisBuild { key: WIRE_SIM_ONLY, from });
        }
        let gone = GONE.iter().find_map(|(key, instead)| Some(ConfigError::Gone { key, from: from(key)?, instead }));
        gone.map_or(Ok(()), Err)
    }

    /// Refuses names in the file that are no settings.
    fn refuse_unknown(&self, settings: &[Setting]) -> Result<(), ConfigError> {
        let Some((path, table)) = self.file else { return Ok(()) };
        let names = || settings.iter().map(|setting| setting.key.as_str());
        // An empty value of one that is gone says nothing.
        let is_known = |key: &str| names().chain(GONE.iter().map(|(gone, _)| *gone)).any(|known| known == key);
        let unknown = table.keys().find(|key| !is_known(key)).map(|key| ConfigError::Unknown {
            path: path.to_owned(),
            key: key.clone(),
            nearest: nearest(key, names()).map(str::to_owned),
        });
        unknown.map_or(Ok(()), Err)
    }

    /// A `WAYPOST_` name that is no setting is warned of, not refused: Kubernetes puts `WAYPOST_SERVICE_HOST` and the
    /// like into the environment of every pod beside a service named `waypost`.
    fn unknown_names(&self, settings: &[Setting]) -> Vec<String> {
        let own = settings.iter().filter(|setting| !setting.tables).map(Setting::env_name);
        let known: Vec<String> = own.chain(["WAYPOST_CONFIG".to_owned()]).collect();
        self.environment
            .keys()
            .filter(|name| name.starts_with("WAYPOST_") && !known.contains(name))
            .map(|name| {
                let hint =
                    nearest(name, known.iter().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
                format!("there is no setting {name}; it is ignored{}", hint.unwrap_or_default())
            })
            .collect()
    }
}
