//! The configuration. [`sections`] says what can be set, [`layers`] reads the four places where it is written, and
//! [`rooms`] says what each room is told.

pub mod forms;
pub mod layers;
mod rooms;
pub mod sections;
pub mod settings;
pub mod values;

#[cfg(test)]
mod tests;

pub use sections::Settings;
