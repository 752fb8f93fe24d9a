//! Things that die at the worst moment.

#[cfg(feature = "wire-sim")]
mod chaos;
mod crash;
#[cfg(feature = "wire-sim")]
mod database_down;
#[cfg(feature = "wire-sim")]
mod full_disk;
mod readiness;
mod sandbox;
