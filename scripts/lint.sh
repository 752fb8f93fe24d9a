#!/usr/bin/env bash
# Every check that is not a test.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/path.sh

step() { printf '\n── %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --features wire-sim -- -D warnings
# The server as it is released: without the feature.
step cargo clippy --package waypost-server -- -D warnings
scripts/settle-build.sh
step cargo xtask layers
step cargo xtask sizes
step cargo xtask carriers --check
step cargo xtask gen --check
step cargo machete
step cargo deny check licenses bans sources

# A snapshot that was never reviewed.
pending=$(git ls-files --others --cached -- '*.snap.new' '*.pending-snap')
[ -z "$pending" ] || { echo "snapshots wait for a review (cargo insta review): $pending" >&2; exit 1; }

if command -v shellcheck >/dev/null; then
  step shellcheck scripts/*.sh .ci/run
else
  for script in scripts/*.sh .ci/run; do bash -n "$script"; done
fi
