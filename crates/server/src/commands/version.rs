//! `waypost version`.

use std::io::Write;

/// Says which version this is.
pub fn run(mut out: impl Write) -> std::io::Result<()> {
    writeln!(out, "waypost {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "licence: {}", env!("CARGO_PKG_LICENSE"))?;
    writeln!(out, "source: {}", env!("CARGO_PKG_REPOSITORY"))?;
    if cfg!(feature = "wire-sim") {
        writeln!(out, "build: wire-sim, for tests: does not check WhatsApp's root key, talks to this machine alone")?;
    }
    Ok(())
}
