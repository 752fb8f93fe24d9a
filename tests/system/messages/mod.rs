//! `/api/messages` and `/api/external/messages`.

mod cases;
mod contract;
mod lists;
mod sandbox;

use waypost_tests::{Database, Setup};

/// A server whose sandbox gives up on an acknowledgement soon.
pub fn sandbox_setup(database: Database) -> Setup {
    Setup::on(database).with("WAYPOST_ACK_TIMEOUT", "1s")
}
