#!/usr/bin/env bash
# Prints the URL of a PostgreSQL server that tests may make databases on (an administrator's URL), starting one if none
# is there. In order:
#   1. WAYPOST_TEST_POSTGRES, if it is set;
#   2. a server on 127.0.0.1:5432 that lets `postgres` in without a password;
#   3. a private one, made with initdb and pg_ctl on a free port of the loopback. It stays up for the next run.
# `scripts/test-postgres.sh stop` stops the private one and deletes its data.
# Safe to call many times at once. Works as root (the server then runs as `postgres`, or else as `nobody`).
set -euo pipefail

die() {
    echo "test-postgres: $*" >&2
    echo "test-postgres: install PostgreSQL (Debian: apt-get install postgresql), or set WAYPOST_TEST_POSTGRES to the" >&2
    echo "test-postgres: URL of a server to make test databases on, such as postgres://postgres@127.0.0.1:5432/postgres" >&2
    exit 1
}

# The newest of a tool's installed versions: Debian keeps the server's tools out of PATH.
tool() {
    command -v "$1" && return
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" /usr/pgsql-*/bin/"$1" | sort -V | tail -n 1)
    [ -x "$found" ] && echo "$found"
}

answers() {
    local psql
    if psql=$(tool psql); then
        PGCONNECT_TIMEOUT=3 "$psql" --no-psqlrc --no-password --quiet --command 'SELECT 1' "$1" >/dev/null 2>&1
    else
        # Without a client all that can be seen is whether somebody listens.
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null
    fi
}

root=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root, and its user may be unable to enter this folder.
    user=$(id -un postgres 2>/dev/null || echo nobody)
    home=/var/tmp/waypost-test-postgres-$(cksum <<<"$root" | cut -d ' ' -f 1)
    as_user() { (cd / && setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"); }
else
    user=$(id -un)
    home=$root/target/test-postgres
    as_user() { "$@"; }
fi

if [ "${1:-}" = stop ]; then
    if [ -d "$home/data" ]; then
        pg_ctl=$(tool pg_ctl) || die "pg_ctl is gone, so the server in $home cannot be stopped."
        as_user "$pg_ctl" --pgdata "$home/data" --mode immediate stop >/dev/null 2>&1 || true
    fi
    rm -rf "$home"
    exit
fi

if [ -n "${WAYPOST_TEST_POSTGRES:-}" ]; then
    echo "$WAYPOST_TEST_POSTGRES"
    exit
fi

if [ "${1:-}" != private ] && answers postgres://postgres@127.0.0.1:5432/postgres 5432; then
    echo postgres://postgres@127.0.0.1:5432/postgres
    exit
fi

initdb=$(tool initdb) && pg_ctl=$(tool pg_ctl) || die "no server on 127.0.0.1:5432, and no initdb and pg_ctl to start one."

mkdir -p "$home"
chown "$user" "$home"
exec 9>"$home.lock"
flock 9

if [ ! -f "$home/data/PG_VERSION" ]; then
    rm -rf "$home/data"
    as_user "$initdb" --pgdata "$home/data" --username postgres --auth trust --encoding UTF8 --no-sync \
        >"$home.log" 2>&1 9>&- || { cat "$home.log" >&2; die "initdb failed."; }
fi
if ! as_user "$pg_ctl" --pgdata "$home/data" status >/dev/null 2>&1; then
    started=
    for _ in $(seq 10); do
        port=$((20000 + RANDOM % 20000))
        if as_user "$pg_ctl" --pgdata "$home/data" --wait --log "$home/server.log" --options \
            "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" \
            start >/dev/null 2>&1 9>&-; then
            started=yes
            break
        fi
    done
    [ -n "$started" ] || { tail -n 20 "$home/server.log" >&2; die "the server did not start."; }
fi
# The fourth line of postmaster.pid is the port (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PORT).
echo "postgres://postgres@127.0.0.1:$(sed -n 4p "$home/data/postmaster.pid")/postgres"
