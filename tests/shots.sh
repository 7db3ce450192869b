#!/bin/bash
# tests/shots.sh [FOLDER]: a picture of every page of the dashboard, 1280 and 360 wide, light and dark, into FOLDER or
# target/shots. They are those of the made-up estate, taken while the rules of every page are tested.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath -m "${1:-target/shots}")
rm -rf "$folder/parts"
mkdir -p "$folder/parts"
VEX_SHOTS=$folder/parts cargo test --quiet --locked --test all -- web::browser::rules::every_page_keeps > /dev/null
for part in "$folder/parts"/*.base64; do
    name=${part##*/}
    base64 -d "$part" > "$folder/${name%.base64}"
done
rm -r "$folder/parts"
echo "$(find "$folder" -name '*.png' | wc -l) pictures in $folder"
