//! `waypost openapi`: the API's document, as `/api/openapi.json` serves it.

use std::io::Write;

/// Prints the document. Needs no data folder.
pub fn run(mut out: impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", waypost_api::openapi().to_pretty_json()?)?;
    Ok(())
}
