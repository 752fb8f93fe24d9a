//! What strangers meet: limits on connections, and a log in which they are seen.

mod connections;
mod log;
