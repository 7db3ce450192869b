#!/bin/bash
# tests/run.sh [ARGUMENT...]: has every server that the tests need, then runs all tests.
#
# Arguments go to the test runner as they are; with them, doc tests are not run. Installs only what is missing: a second
# run touches no network. Nothing is ever skipped: what can't be had is a failure. Needs Debian 12 and Rust; root only
# while a Debian package is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# A command, and the Debian package that has it.
needed="cc:build-essential mariadbd:mariadb-server mariadb:mariadb-client sqlite3:sqlite3 7zz:7zip unzip:unzip
    mydumper:mydumper patchelf:patchelf strace:strace flock:util-linux python3:python3"
mysql9_packages="mysql-server-core mysql-client-core"

say() { echo "tests: $*"; }
fail() { echo "tests: $*" >&2; exit 1; }

# Tries a command a few times: a mirror may have a hiccup.
patiently() {
    local try
    for try in 1 2 3 4; do
        "$@" && return
        say "failed ($try of 4): $*" >&2
        sleep $((try * 5))
    done
    return 1
}

# No service may start when its package is installed.
install_packages() {
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    patiently apt-get -qq -o Acquire::Retries=3 update || fail "unable to read Debian's package lists"
    DEBIAN_FRONTEND=noninteractive patiently apt-get -qq -y -o Acquire::Retries=3 --no-install-recommends \
        install "$@" > /dev/null || fail "unable to install $*"
}

have_packages() {
    local pair missing=()
    for pair in $needed; do command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing, and only root can install: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    install_packages "${missing[@]}"
    for pair in $needed; do
        command -v "${pair%%:*}" > /dev/null || fail "no ${pair%%:*} after installing ${pair#*:}"
    done
}

# The stamp is written last, so that a half-made prefix has none; it changes when the recipe does.
have_mysql9() {
    local stamp
    stamp=$(cat tests/deb-prefix.sh <(echo "$VEX_MYSQL9_PREFIX $mysql9_packages") | sha256sum)
    [ "$(cat "$VEX_MYSQL9_PREFIX/stamp" 2> /dev/null)" = "$stamp" ] && return
    say "making $VEX_MYSQL9_PREFIX"
    make_mysql9() {
        rm -rf "$VEX_MYSQL9_PREFIX"
        # shellcheck disable=SC2086 # a list of words
        bash tests/deb-prefix.sh "$VEX_MYSQL9_PREFIX" sid $mysql9_packages
    }
    patiently make_mysql9 || fail "unable to have MySQL 9 in $VEX_MYSQL9_PREFIX"
    echo "$stamp" > "$VEX_MYSQL9_PREFIX/stamp"
}

have_packages
cache=${VEX_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/vex-tests}
mkdir -p "$cache"
cache=$(realpath "$cache")
export VEX_MYSQL9_PREFIX=$cache/mysql9
# Two runs at once make it once; the lock is released before the tests start.
exec 9> "$cache/lock"
flock 9
have_mysql9
exec 9>&-

mariadb_version=$(mariadbd --no-defaults --version) || fail "mariadbd does not start"
case $mariadb_version in *MariaDB*) ;; *) fail "not MariaDB: $mariadb_version" ;; esac
mysql9_version=$("$VEX_MYSQL9_PREFIX/usr/sbin/mysqld" --no-defaults --version) || fail "mysqld does not start"
case $mysql9_version in *"Ver 9."*) ;; *) fail "not MySQL 9: $mysql9_version" ;; esac
say "$(cargo --version)"
say "$mariadb_version"
say "$mysql9_version"
say "sqlite3 $(sqlite3 --version | cut -d ' ' -f 1), $(7zz | sed -n 's/ :.*//; /^7-Zip/p')"

# Doc tests first: the runner that counts them all has the last word.
if [ $# = 0 ] && ! cargo test --quiet --doc --locked -- --list | grep -q '^0 tests'; then
    cargo test --doc --locked
fi
if command -v cargo-nextest > /dev/null; then
    cargo nextest run --locked --no-fail-fast "$@"
else
    cargo test --locked --no-fail-fast "$@"
fi
