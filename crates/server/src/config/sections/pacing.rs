//! How fast sessions send.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use waypost_domain::Pacing;

use super::Section;
use crate::config::{
    forms::{As, Named, Number, OneOf, Units},
    values::write_duration,
};

/// The most messages that a limit may allow.
const MOST: u64 = 10_000_000;

/// A week, in seconds.
const WEEK: u64 = 7 * 24 * 60 * 60;

/// How fast sessions send.
#[derive(Debug, Clone, Args, Deserialize)]
pub struct Pace {
    /// Pace of WhatsApp sessions: gentle (the numbers that follow), or off.
    #[arg(long, value_name = "MODE", default_value = "gentle")]
    pub pacing: As<OneOf<Mode>>,
    /// Pace: messages of a session in any 60 seconds; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = Pacing::GENTLE.per_minute.to_string())]
    pub pacing_per_minute: As<Number<u32, 0, MOST>>,
    /// Pace: in any 24 hours.
    #[arg(long, value_name = "NUMBER", default_value = Pacing::GENTLE.per_day.to_string())]
    pub pacing_per_day: As<Number<u32, 0, MOST>>,
    /// Pace: to people it never talked to, in any 60 seconds.
    #[arg(long, value_name = "NUMBER", default_value = Pacing::GENTLE.first_contact_per_minute.to_string())]
    pub pacing_first_contact_per_minute: As<Number<u32, 0, MOST>>,
    /// Pace: to people it never talked to, in any 24 hours.
    #[arg(long, value_name = "NUMBER", default_value = Pacing::GENTLE.first_contact_per_day.to_string())]
    pub pacing_first_contact_per_day: As<Number<u32, 0, MOST>>,
    /// Pace: between two messages a random pause, of a quarter to all of this.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = write_duration(Duration::from_millis(Pacing::GENTLE.jitter_ms.into()))
    )]
    pub pacing_jitter: As<Units<1, 600>>,
    /// Pace: how long first contacts wait after WhatsApp refused one; again: twice as long, up to 24 times.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = write_duration(Duration::from_secs(Pacing::GENTLE.first_contact_pause_secs.into()))
    )]
    pub pacing_first_contact_pause: As<Units<1000, WEEK>>,
}

impl Section for Pace {}

impl Pace {
    /// The pace that these say.
    pub fn in_force(&self) -> Pacing {
        match self.pacing.0 {
            Mode::Off => Pacing::OFF,
            Mode::Gentle => Pacing {
                per_minute: self.pacing_per_minute.0,
                per_day: self.pacing_per_day.0,
                first_contact_per_minute: self.pacing_first_contact_per_minute.0,
                first_contact_per_day: self.pacing_first_contact_per_day.0,
                jitter_ms: self.pacing_jitter.0,
                first_contact_pause_secs: self.pacing_first_contact_pause.0,
            },
        }
    }
}

/// Whether there is a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The numbers that are set.
    Gentle,
    /// None.
    Off,
}

impl Named for Mode {
    const NAMES: &'static [(&'static str, Self)] = &[("gentle", Self::Gentle), ("off", Self::Off)];
}
