//! What is logged, and how.

use clap::Args;
use serde::Deserialize;

use super::Section;
use crate::{
    config::forms::{As, Form, Named, OneOf},
    telemetry,
};

/// What is logged, and how.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Log {
    /// error, warn, info, debug or trace for our own crates (others: warn), or a filter such as info,sqlx=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_level: As<Filter>,
    /// text or json.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: As<OneOf<LogFormat>>,
}

impl Section for Log {}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Named for LogFormat {
    const NAMES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// A level or a filter.
pub struct Filter;

impl Form for Filter {
    type Value = String;

    fn read(text: &str) -> Result<String, String> {
        telemetry::check_filter(text)
    }
}
