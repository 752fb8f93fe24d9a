//! What the benchmarks share: the real server as a child process, a load generator, and plain statistics.

#[cfg(feature = "wire-sim")]
pub mod bare;
pub mod http;
pub mod load;
pub mod process;
pub mod server;
pub mod simulator;
pub mod stats;

pub use load::Load;
pub use process::Child;
pub use server::Server;
pub use simulator::Simulator;
