#!/bin/bash
# tests/torture.sh WHAT: the whole of what CI runs a part of; appends what it found to tests/torture/RESULTS.md.
#
#   scale     800 000 entries of 10 000 tables, and an index that states 16 TiB
#   catalog   200 simultaneous starts of one job on two hosts with one catalog, and a host that is killed
#   identity  200 random runs of hosts, files and servers that share a folder and a bucket
#   leases    500 random mixes of two hosts' runs, a prune, a verification and a restore on one store, with kills
#   retention a million random histories of chains beside a model of what retention owes
#   restore   a restore killed at every point on MariaDB 10.11, PostgreSQL 15 and SQLite, and its --resume at every third
#   schedule  2 000 schedules in ten zones over three years, beside what systemd makes of the units
#   web       1 000 and 5 000 connections that never say what they want, requests that smuggle, markup everywhere, 10 000
#             guessed logins, 10 000 hostile names on pages and in letters, and a report of 10 000 rows in a browser
#   pages     a catalog of 100 000 backups on each database, and 100 sessions that ask a page a second
#   damage    2 000 bits that fall over and objects that end early, in a sealed backup, each with list, verify and restore
#   jobs      50 000 mutated job files through `vex check`
#   rman      a backup of Oracle killed at every point of vex and of RMAN, sealed or not, with one store and with two
#
# Takes minutes to hours, so nobody runs it by accident. The servers are those that tests/run.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
usage() { sed -n '2,18s/^# \{0,1\}//p' "$0" >&2; exit 64; }

# note COMMAND LINES: the command, the machine and what was found, at the end of the results.
note() {
    {
        echo
        echo "## $(date -u +%Y-%m-%d), $(git rev-parse --short HEAD)"
        echo
        echo "$(nproc) cores, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), $(rustc --version):"
        echo "\`$1\`"
        echo
        echo "$2"
    } >> tests/torture/RESULTS.md
}

# figures LOG: what the tests said, as a list.
figures() { sed -n 's/^figure /- /p' "$1"; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
case ${1:-} in
    scale)
        command="VEX_SCALE=1 cargo test --release --test all format::scale:: -- --nocapture --test-threads=1"
        VEX_SCALE=1 cargo test --release --test all format::scale:: -- --nocapture --test-threads=1 | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    catalog)
        command="VEX_CATALOG_RUNS=200 cargo test --test all record::catalog::hosts::many_hosts"
        VEX_CATALOG_RUNS=200 cargo test --test all record::catalog::hosts::many_hosts -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    identity)
        command="VEX_IDENTITY_RUNS=200 cargo test --test all store::identity::mix"
        began=$SECONDS
        VEX_IDENTITY_RUNS=200 cargo test --test all store::identity::mix | tee "$log"
        note "$command" "- 200 runs: all well, $((SECONDS - began)) s"
        ;;
    leases)
        command="VEX_LEASE_MIXES=500 cargo test --test all store::lease::mix"
        VEX_LEASE_MIXES=500 cargo test --test all store::lease::mix -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    retention)
        command="VEX_RETENTION_HISTORIES=1000000 cargo test --release --test all store::histories"
        VEX_RETENTION_HISTORIES=1000000 cargo test --release --test all store::histories -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    restore)
        command="VEX_RESTORE_KILLS=all cargo test --test all restore::killed:: -- --nocapture --skip of_mysql"
        began=$SECONDS
        VEX_RESTORE_KILLS=all cargo test --test all restore::killed:: -- --nocapture --skip of_mysql | tee "$log"
        note "$command" "$(figures "$log")
- all well, $((SECONDS - began)) s"
        ;;
    schedule)
        command="VEX_SCHEDULES=2000 VEX_MOMENTS=1100 cargo test --lib systemd_has_the_same_moments -- --nocapture"
        VEX_SCHEDULES=2000 VEX_MOMENTS=1100 cargo test --lib systemd_has_the_same_moments -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    web)
        ulimit -n hard
        command="VEX_WEB=1 cargo test --release --test all -- web::front:: web::attack:: web::guess:: web::names:: web::browser::report::ten --nocapture --test-threads=1"
        VEX_WEB=1 cargo test --release --test all -- web::front:: web::attack:: web::guess:: web::names:: web::browser::report::ten --nocapture --test-threads=1 | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    pages)
        command="VEX_PAGES=100000 cargo test --release --test all web::load:: -- --nocapture"
        VEX_PAGES=100000 cargo test --release --test all web::load:: -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    damage)
        command="VEX_DAMAGE=2000 cargo test --release --test all restore::flipped:: -- --nocapture"
        VEX_DAMAGE=2000 cargo test --release --test all restore::flipped:: -- --nocapture | tee "$log"
        note "$command" "$(figures "$log")"
        ;;
    jobs)
        command="VEX_MUTATIONS=50000 cargo test --release --test all makes_check_panic"
        began=$SECONDS
        VEX_MUTATIONS=50000 cargo test --release --test all makes_check_panic | tee "$log"
        note "$command" "- 50 000 mutations and 50 000 small texts: no panic, $((SECONDS - began)) s"
        ;;
    rman)
        command="VEX_RMAN_KILLS=all cargo test --test all oracle::killed::"
        began=$SECONDS
        VEX_RMAN_KILLS=all cargo test --test all oracle::killed:: -- --nocapture | tee "$log"
        note "$command" "$(figures "$log"), $((SECONDS - began)) s"
        ;;
    *) usage ;;
esac
