#!/usr/bin/env bash
# Builds once and runs every test. `scripts/test.sh ARGUMENTS` gives ARGUMENTS to the test runner, such as a test's name.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/path.sh

# One set of features for everything, so that nothing is built twice. With wire-sim the server takes an address of a
# simulator and refuses all others; the release that `make run` builds is without it.
workspace=(--workspace --features wire-sim)

cargo build "${workspace[@]}" --all-targets
scripts/settle-build.sh

for folder in tests/baileys tests/browser; do
  # npm writes the second file when it is done.
  if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error
  fi
done

schemathesis=tests/schemathesis
if [ ! "$schemathesis/.venv/.done" -nt "$schemathesis/requirements.txt" ]; then
  python3 -m venv --clear "$schemathesis/.venv"
  "$schemathesis/.venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$schemathesis/requirements.txt"
  touch "$schemathesis/.venv/.done"
fi

WAYPOST_TEST_POSTGRES=$(scripts/test-postgres.sh)
export WAYPOST_TEST_POSTGRES

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run "${workspace[@]}" "$@"
else
  cargo test "${workspace[@]}" "$@"
fi
