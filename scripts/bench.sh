#!/usr/bin/env bash
# Runs every benchmark of docs/benchmarks.md, one after the other, on release builds.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

# The build for the simulator: the same code with WhatsApp's root key not checked, loopback only.
cargo build --release --package waypost-server --package wa-sim --package waypost-benches \
    --features waypost-server/wire-sim,waypost-benches/wire-sim
scripts/settle-build.sh

for bench in startup accepts doors end_to_end idle_memory recovery; do
    echo "== $bench"
    # doors measures with the line in the log that each request gets; nobody wants to read them.
    WAYPOST_LOG_LEVEL=error "$target/release/$bench" 2> >(grep -v waypost_api::access >&2)
done
