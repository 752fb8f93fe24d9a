//! The loops that carry rows onward: schedule, dispatch, record, expire, supervise, retention.

mod alarm;
pub(crate) mod dispatch;
mod expire;
pub(crate) mod record;
mod retention;
mod run;
mod schedule;
pub(crate) mod supervise;

pub(crate) use alarm::Alarm;
pub use run::Loops;
