#!/usr/bin/env bash
# A throw-away MariaDB for tests: `mariadb.sh start` prints its ODBC connection string,
# `mariadb.sh stop` ends it. A server named by TONGBAN_TEST_MARIADB is used instead, if there is one.
set -eu
port=${TONGBAN_TEST_MARIADB_PORT:-55436}
own="Server=127.0.0.1;Port=$port;"
if [[ "${TONGBAN_TEST_MARIADB:-$own}" != *"$own"* ]]; then
    [ "$1" = start ] && echo "$TONGBAN_TEST_MARIADB"
    exit 0
fi
dir=${TMPDIR:-/tmp}/tongban-test-mariadb-$port
client() { mariadb --no-defaults --socket "$dir/socket" "$@"; }

case $1 in
    start)
        if ! client -e 'SELECT 1' > /dev/null 2>&1; then
            rm -rf "$dir"
            mkdir -p "$dir/data"
            # The server refuses to run as root unless it is told to.
            mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$dir/data" \
                --auth-root-authentication-method=normal > "$dir/log" 2>&1
            mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" \
                --bind-address=127.0.0.1 --port="$port" --pid-file="$dir/pid" \
                --character-set-server=utf8mb4 --innodb-flush-log-at-trx-commit=0 \
                >> "$dir/log" 2>&1 < /dev/null &
            for _ in $(seq 100); do
                client -e 'SELECT 1' > /dev/null 2>&1 && break
                sleep 0.2
            done
            client -e "CREATE DATABASE tongban; CREATE USER tongban@'127.0.0.1' IDENTIFIED BY 'tongban';
                GRANT ALL ON *.* TO tongban@'127.0.0.1'" >> "$dir/log" 2>&1
        fi
        driver=$(odbcinst -q -d | tr -d '[]' | grep -i mariadb | head -n 1)
        echo "Driver=${driver:-MariaDB Unicode};${own}Database=tongban;UID=tongban;PWD=tongban;charset=utf8mb4"
        ;;
    stop)
        [ -f "$dir/pid" ] && kill "$(cat "$dir/pid")" 2> /dev/null
        rm -rf "$dir"
        ;;
    *)
        echo "mariadb.sh start|stop" >&2
        exit 2
        ;;
esac
