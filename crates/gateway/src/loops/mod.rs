//! The loops that carry rows onward: dispatch, record, supervise, retention.

pub(crate) mod dispatch;
pub(crate) mod record;
mod retention;
mod run;
mod supervise;

pub use run::Loops;
