#!/bin/bash
# freeze.sh VEX CASE...: makes artifacts in tests/frozen/CASE with a binary of its time, once.
#
# A case is a folder with job.kdl, source.sql and ask.sql; with more.sql, there is a second backup after it. It gains store/,
# list.json (what the binary lists), and what the database's own client answers: rows.txt to ask.sql, older.txt to the same
# before more.sql, accounts.txt to accounts.sql. One that has a store is never made again. All runs as root with a network,
# folders, a host name and a machine ID of its own, so that nothing of this machine is recorded. The user postgres must be able
# to pass the folders above PostgreSQL 17.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
if [ -z "${FROZEN_INSIDE:-}" ]; then
    vex=$(realpath "$1")
    shift
    exec unshare --mount --net --uts --pid --fork --kill-child --mount-proc \
        env -i FROZEN_INSIDE=1 PATH="$PATH:/usr/sbin" HOME="$HOME" LC_ALL=C.UTF-8 TZ=UTC "$here/freeze.sh" "$vex" "$@"
fi
vex=$1
shift
cache=${VEX_TEST_CACHE:-$HOME/.cache/vex-tests}
mysql9=$cache/mysql9/usr postgres15=/usr/lib/postgresql/15/bin postgres17=$cache/postgres17/usr/lib/postgresql/17/bin
umask 022
hostname frozen
ip link set lo up
for folder in /srv /var/lib/mysql /var/lib/postgresql /run/postgresql; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
echo 00000000000000000000000000f402e9 > /srv/machine-id
mount --bind /srv/machine-id /etc/machine-id
chown postgres: /var/lib/postgresql /run/postgresql
export FROZEN_SEAL=CANARY-frozen-seal XDG_STATE_HOME=/srv/state PGHOST=/run/postgresql PGUSER=postgres

patiently() { for _ in $(seq 300); do "$@" > /dev/null 2>&1 && return; sleep 0.1; done; cat /srv/server.log; "$@"; }
stop() { kill -KILL "$server"; wait "$server" 2> /dev/null || true; }

start_mysql() {
    rm -rf /var/lib/mysql/*
    local program=("$mysql9/sbin/mysqld" --no-defaults --user=root --basedir="$mysql9" --plugin-dir="$mysql9/lib/mysql/plugin"
        --datadir=/var/lib/mysql/data --mysqlx=OFF --secure-file-priv= --socket=/var/lib/mysql/sock)
    "${program[@]}" --initialize-insecure 2> /srv/server.log
    "${program[@]}" --server-id=1 --gtid-mode=ON --enforce-gtid-consistency=ON 2>> /srv/server.log &
    server=$! client=("$mysql9/bin/mysql" --no-defaults --socket=/var/lib/mysql/sock --user=root --binary-mode --comments --batch)
    export PATH=$mysql9/bin:$PATH
    patiently "${client[@]}" --execute 'DO 1'
}

start_mariadb() {
    rm -rf /var/lib/mysql/*
    mariadb-install-db --no-defaults --datadir=/var/lib/mysql/data --user=root --auth-root-authentication-method=normal \
        --skip-test-db > /srv/server.log 2>&1
    mariadbd --no-defaults --user=root --datadir=/var/lib/mysql/data --socket=/var/lib/mysql/sock --log-bin=binlog \
        --server-id=1 2>> /srv/server.log &
    server=$! client=(mariadb --no-defaults --socket=/var/lib/mysql/sock --user=root --binary-mode --comments --batch)
    patiently "${client[@]}" --execute 'DO 1'
}

start_postgres() { # PROGRAMS SETTING...
    local programs=$1 data=/var/lib/postgresql/main setting settings=()
    shift
    for setting; do settings+=(-c "$setting"); done
    local as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override --)
    mkdir /var/lib/postgresql/fast
    chown postgres: /var/lib/postgresql/fast
    "${as_postgres[@]}" "$programs/initdb" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --wal-segsize=1 -D "$data" > /srv/server.log
    "${as_postgres[@]}" "$programs/postgres" -D "$data" -c listen_addresses=127.0.0.1 -c fsync=off "${settings[@]}" 2>> /srv/server.log &
    server=$! client=("$programs/psql" -XAq -v ON_ERROR_STOP=1)
    export PATH=$programs:$PATH
    patiently "${client[@]}" -c 'SELECT 1'
}

# The settings that name configuration files in a folder.
files_of() { echo config_file="$1/postgresql.conf" hba_file="$1/pg_hba.conf" ident_file="$1/pg_ident.conf"; }

start_sqlite() { server='' client=(sqlite3 -bail -batch -csv -header app.db); }

# Flips one byte in the middle of the newest container, and lets vex say so.
damage() {
    local zip size
    zip=$(find store -name '*.zip' | sort | tail -n 1)
    size=$(stat -c %s "$zip")
    printf '\xff' | dd of="$zip" bs=1 seek=$((size / 2)) conv=notrunc status=none
    "$vex" verify job.kdl || [ $? = 65 ]
}

freeze() {
    local case=$1
    [ ! -e "$here/$case/store" ] || { echo "$case is frozen" >&2; exit 1; }
    cp -r "$here/$case" "/srv/$case"
    cd "/srv/$case"
    case $case in
        *sqlite* | *damaged* | *lone*) start_sqlite ;;
        *mariadb* | *mydumper*) start_mariadb ;;
        *mysql*) start_mysql ;;
        *physical-chain) start_postgres "$postgres17" summarize_wal=on min_wal_size=2MB ;;
        *physical) start_postgres "$postgres15" min_wal_size=2MB $(files_of "$PWD/etc") ;;
        *postgres* | *pg-*) start_postgres "$postgres15" min_wal_size=2MB ;;
    esac
    "${client[@]}" < source.sql > /dev/null
    "$vex" run job.kdl
    "${client[@]}" < ask.sql > rows.txt
    if [ -e more.sql ]; then
        mv rows.txt older.txt
        "${client[@]}" < more.sql
        "$vex" run job.kdl
        "${client[@]}" < ask.sql > rows.txt
    fi
    [ ! -e accounts.sql ] || "${client[@]}" < accounts.sql > accounts.txt
    case $case in *damaged*) damage ;; esac
    "$vex" list job.kdl --format json > list.json
    [ -z "$server" ] || stop
    rm -rf /var/lib/postgresql/*
    find store -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
    cp -r store list.json ./*.txt "$here/$case/"
    cd "$here"
    find "$case" -type f | LC_ALL=C sort | xargs sha256sum >> SHA256SUMS
}

for case; do freeze "$case"; done
