#!/bin/bash
# tests/run.sh [ARGUMENT...]: has every server that the tests need, then runs all tests.
#
# Arguments go to the test runner as they are; with them, doc tests are not run. Installs only what is missing: a second
# run touches no network. Nothing is ever skipped: what can't be had is a failure. Needs Debian 12 and Rust; root only
# while a Debian package is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
postgres15=/usr/lib/postgresql/15/bin
# A command, on the PATH or by its path, and the Debian package that has it.
needed="cc:build-essential mariadbd:mariadb-server mariadb:mariadb-client sqlite3:sqlite3 7zz:7zip unzip:unzip systemd-analyze:systemd age:age openssl:openssl zstd:zstd
    ssh:openssh-client /usr/sbin/sshd:openssh-server /usr/lib/openssh/sftp-server:openssh-sftp-server
    patchelf:patchelf strace:strace flock:util-linux python3:python3 mydumper:mydumper
    setpriv:util-linux pgbouncer:pgbouncer chromium:chromium chromedriver:chromium-driver $postgres15/postgres:postgresql-15 $postgres15/pg_dump:postgresql-client-15"
mysql9_packages="mysql-server-core mysql-client-core"
mariadb11_packages="mariadb-server-core mariadb-client-core mariadb-client mariadb-backup"
postgres17_packages="postgresql-17 postgresql-client-17"

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
    # Boxes of pages are those of this font.
    [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing+=(fonts-dejavu-core)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing, and only root can install: apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    install_packages "${missing[@]}"
    for pair in $needed; do
        command -v "${pair%%:*}" > /dev/null || fail "no ${pair%%:*} after installing ${pair#*:}"
    done
}

# have_prefix PREFIX SUITE PACKAGES: servers of another Debian suite. The stamp is written last, so that a half-made
# prefix has none; it changes when the recipe does.
have_prefix() {
    local prefix=$1 suite=$2 packages=$3 stamp
    stamp=$(cat tests/deb-prefix.sh <(echo "$prefix $suite $packages") | sha256sum)
    [ "$(cat "$prefix/stamp" 2> /dev/null)" = "$stamp" ] && return
    say "making $prefix"
    make_prefix() {
        rm -rf "$prefix"
        # shellcheck disable=SC2086 # a list of words
        bash tests/deb-prefix.sh "$prefix" "$suite" $packages
    }
    patiently make_prefix || fail "unable to have $packages in $prefix"
    echo "$stamp" > "$prefix/stamp"
}

have_packages
cache=${VEX_TEST_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/vex-tests}
mkdir -p "$cache"
# Where the tests run as root, servers run as `nobody`, who can't reach a cache below a closed home.
if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$cache"; then
    cache=/var/cache/vex-tests
    mkdir -p "$cache"
fi
cache=$(realpath "$cache")
export VEX_MYSQL9_PREFIX=$cache/mysql9 VEX_MARIADB11_PREFIX=$cache/mariadb11 VEX_POSTGRES17_PREFIX=$cache/postgres17
# Two runs at once make it once; the lock is released before the tests start.
exec 9> "$cache/lock"
flock 9
have_prefix "$VEX_MYSQL9_PREFIX" sid "$mysql9_packages"
have_prefix "$VEX_MARIADB11_PREFIX" sid "$mariadb11_packages"
have_prefix "$VEX_POSTGRES17_PREFIX" trixie "$postgres17_packages"
exec 9>&-

mariadb_version=$(mariadbd --no-defaults --version) || fail "mariadbd does not start"
case $mariadb_version in *MariaDB*) ;; *) fail "not MariaDB: $mariadb_version" ;; esac
mariadb11_version=$("$VEX_MARIADB11_PREFIX/usr/sbin/mariadbd" --no-defaults --version) || fail "mariadbd 11 does not start"
case $mariadb11_version in *"Ver 11."*MariaDB*) ;; *) fail "not MariaDB 11: $mariadb11_version" ;; esac
mysql9_version=$("$VEX_MYSQL9_PREFIX/usr/sbin/mysqld" --no-defaults --version) || fail "mysqld does not start"
case $mysql9_version in *"Ver 9."*) ;; *) fail "not MySQL 9: $mysql9_version" ;; esac
postgres15_version=$("$postgres15/postgres" --version) || fail "postgres 15 does not start"
postgres17_version=$("$VEX_POSTGRES17_PREFIX/usr/lib/postgresql/17/bin/postgres" --version) || fail "postgres 17 does not start"
case $postgres15_version in *" 15."*) ;; *) fail "not PostgreSQL 15: $postgres15_version" ;; esac
case $postgres17_version in *" 17."*) ;; *) fail "not PostgreSQL 17: $postgres17_version" ;; esac
say "$(cargo --version)"
say "$mariadb_version"
say "$mariadb11_version"
say "$mysql9_version"
say "$postgres15_version"
say "$postgres17_version"
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
