//! `waypost config`: every setting, as a TOML file that `--config` reads. What has its default is commented out, and
//! secrets are masked.

use std::io::Write;

use crate::{
    cli::Given,
    config::{
        Settings,
        layers::{Layers, Source, Value},
        settings::{SETTINGS, Setting},
    },
};

/// Shows the configuration of this process, and fails where it is wrong.
pub fn run(given: &Given, out: impl Write) -> anyhow::Result<()> {
    let layers = super::layers(given)?;
    show(&SETTINGS, &layers, out)?;
    for warning in &layers.warnings {
        eprintln!("warning: {warning}");
    }
    Settings::read(&layers)?;
    Ok(())
}

fn show(settings: &[Setting], layers: &Layers, mut out: impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "# The configuration of waypost {}. A flag wins over the environment, the environment over this file.",
        env!("CARGO_PKG_VERSION")
    )?;
    for setting in settings {
        writeln!(out, "\n# {}.", setting.meaning)?;
        if !setting.tables {
            writeln!(out, "# {}, --{} {}", setting.env_names(), setting.flag(), setting.value)?;
        }
        writeln!(out, "{}", line(setting, layers))?;
    }
    Ok(())
}

fn line(setting: &Setting, layers: &Layers) -> String {
    let Some(Value { value, source }) = layers.value(&setting.key) else { return String::new() };
    let is_bare = matches!(setting.value.as_str(), "NUMBER" | "BOOLEAN");
    let written = match value.as_str() {
        Some("") if setting.tables => "[]".to_owned(),
        None if setting.secret => "\"…\"".to_owned(),
        Some(text) if setting.secret && !text.is_empty() => "\"…\"".to_owned(),
        Some(bare) if is_bare => bare.to_owned(),
        _ => value.to_string(),
    };
    let line = format!("{} = {written}", setting.key);
    match source {
        Source::Default => format!("# {line}"),
        source if setting.secret => format!("# {line} # hidden; from {source}"),
        source => format!("{line} # from {source}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::settings::described;

    fn shown(environment: &[(&str, &str)]) -> String {
        let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let layers = Layers::read(None, &environment, &BTreeMap::new()).unwrap();
        let mut page = Vec::new();
        show(&SETTINGS, &layers, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn every_setting_is_shown_with_its_three_names_and_its_default() {
        let page = shown(&[]);
        for setting in SETTINGS.iter() {
            assert!(page.contains(&setting.env_name()), "{}", setting.key);
            assert!(page.contains(&format!("--{} ", setting.flag())), "{}", setting.key);
            assert!(page.contains(&format!("\n# {} = ", setting.key)), "{}", setting.key);
        }
        assert!(page.contains("# listen = \"127.0.0.1:3000\""));
        assert!(page.contains("# WAYPOST_DATABASE_URL or DATABASE_URL, --database-url URL"));
    }

    #[test]
    fn secrets_are_never_shown() {
        let key = "ab".repeat(32);
        let page = shown(&[("WAYPOST_MASTER_KEY", &key), ("DATABASE_URL", "postgres://me:hunter2@db/waypost")]);
        assert!(!page.contains(&key) && !page.contains("hunter2"), "{page}");
        assert!(page.contains("# master_key = \"…\" # hidden; from WAYPOST_MASTER_KEY in the environment"));
    }

    #[test]
    fn what_is_shown_is_a_configuration_file_that_says_the_same() {
        let page = shown(&[("WAYPOST_SEND_ATTEMPTS", "7"), ("WAYPOST_DATA_DIR", "/srv/\"way\\post\"")]);
        let table: toml::Table = page.parse().unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table["send_attempts"].as_integer(), Some(7));
        assert_eq!(table["data_dir"].as_str(), Some("/srv/\"way\\post\""));
    }

    #[derive(Debug, clap::Args)]
    struct Plans {
        /// What tenants may have.
        #[arg(long, hide = true, value_name = "TABLES", value_parser = clap::value_parser!(String))]
        plans: Vec<toml::Value>,
    }

    #[test]
    fn tables_are_shown_as_the_file_takes_them() {
        let shown = |toml: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("waypost.toml");
            std::fs::write(&path, toml).unwrap();
            let plans = described::<Plans>();
            let layers = Layers::of(&plans, Some(&path), &BTreeMap::new(), &BTreeMap::new()).unwrap();
            let mut page = Vec::new();
            show(&plans, &layers, &mut page).unwrap();
            String::from_utf8(page).unwrap()
        };
        assert!(shown("").ends_with("\n# What tenants may have.\n# plans = []\n"));
        let written = "[[plans]]\nname = \"free\"\n[plans.limits]\nmessages = 100";
        let page = shown(written);
        assert_eq!(page.parse::<toml::Table>().unwrap(), written.parse().unwrap(), "{page}");
    }
}
