#!/bin/bash
# deb-prefix.sh PREFIX SUITE PACKAGE...
#
# Takes packages of another Debian suite, with their dependencies, into the folder PREFIX: private apt state, download,
# unpack, then patchelf, so that each program uses PREFIX's own ld.so and libraries. Neither dpkg nor the system is
# touched, and root is not needed. PREFIX can't be moved afterwards. The mirror is the one this system uses.
set -euo pipefail
prefix=$(realpath -m "$1") suite=$2
shift 2

# The mirror and its key, from either form of apt's sources.
deb822=/etc/apt/sources.list.d/debian.sources
if [ -f "$deb822" ]; then
    uri=$(awk '/^URIs:/ { print $2; exit }' "$deb822")
    key=$(awk '/^Signed-By:/ { print $2; exit }' "$deb822")
else
    uri=$(sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' /etc/apt/sources.list | head -n 1)
    key=/usr/share/keyrings/debian-archive-keyring.gpg
fi
[ -n "$uri" ] || { echo "deb-prefix: no Debian mirror in apt's sources" >&2; exit 1; }

state=$prefix/.apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/none"
: > "$state/status"
echo "deb [signed-by=$key] $uri $suite main" > "$state/sources.list"
options=(
    -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status"
    -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts="$state/none"
    -o Dir::Etc::preferencesparts="$state/none" -o Acquire::Languages=none -o Acquire::Retries=3
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root
)
# A list that could not be fetched is an error, not a warning.
apt-get "${options[@]}" -qq -o APT::Update::Error-Mode=any update
apt-get "${options[@]}" -qq -y --no-install-recommends --download-only install "$@" > /dev/null

for package in "$state"/cache/archives/*.deb; do dpkg-deb -x "$package" "$prefix"; done
rm -rf "$prefix"/usr/share/{doc,man,locale,info}

libraries=$prefix/usr/lib/$(uname -m)-linux-gnu
loader=$(find "$prefix"/usr/lib "$prefix"/usr/lib64 -maxdepth 2 -name 'ld-linux*.so.*' 2> /dev/null | sort | tail -n 1)
[ -n "$loader" ] || { echo "deb-prefix: no ld.so among the packages of $suite" >&2; exit 1; }
for file in "$prefix"/usr/{bin,sbin,libexec,lib/postgresql/*/bin}/*; do
    if [ -f "$file" ] && [ ! -L "$file" ] && patchelf --print-interpreter "$file" > /dev/null 2>&1; then
        patchelf --set-interpreter "$loader" --force-rpath \
            --set-rpath "$libraries:$prefix/usr/lib/mysql/private" "$file"
    fi
done
rm -rf "$state"
