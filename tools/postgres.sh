#!/usr/bin/env bash
# A throw-away PostgreSQL for tests: `postgres.sh start` prints its URL, `postgres.sh stop` ends it.
# A server named by TONGBAN_TEST_POSTGRES is used instead, if there is one.
set -eu
port=${TONGBAN_TEST_POSTGRES_PORT:-55433}
own="postgres://tongban@127.0.0.1:$port/tongban"
if [ "${TONGBAN_TEST_POSTGRES:-$own}" != "$own" ]; then
    [ "$1" = start ] && echo "$TONGBAN_TEST_POSTGRES"
    exit 0
fi
dir=${TMPDIR:-/tmp}/tongban-test-postgres-$port
bin=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)")
# The server refuses to run as root.
as_server() { if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

case $1 in
    start)
        if ! "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then
            rm -rf "$dir"
            mkdir -p "$dir"
            [ "$(id -u)" -eq 0 ] && chown postgres "$dir"
            as_server "$bin/initdb" -D "$dir/data" -U tongban -A trust -E UTF8 --locale=C.UTF-8 > /dev/null
            # Tests make and drop hundreds of schemas; losing them in a power cut is no loss.
            # Benchmarks say TONGBAN_TEST_POSTGRES_FSYNC=on.
            as_server "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
                -o "-p $port -k $dir -c listen_addresses=127.0.0.1 -c max_connections=200 -c wal_level=logical -c fsync=${TONGBAN_TEST_POSTGRES_FSYNC:-off}" start > /dev/null
            as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U tongban tongban
        fi
        echo "$own"
        ;;
    stop)
        as_server "$bin/pg_ctl" -D "$dir/data" -m immediate stop > /dev/null 2>&1 || true
        rm -rf "$dir"
        ;;
    *)
        echo "postgres.sh start|stop" >&2
        exit 2
        ;;
esac
