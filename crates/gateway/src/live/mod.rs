//! What memory knows of sessions. Everything here can be lost: rows say the same, later.

mod directory;
mod on_demand;
mod session;

pub(crate) use directory::Directory;
pub(crate) use on_demand::OnDemand;
pub(crate) use session::{Connection, LiveSession, OpenLink};
#[cfg(test)]
pub(crate) use session::{a_row, a_session};
