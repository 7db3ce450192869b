#!/bin/bash
# seed.sh PORT FOLDER ENDPOINT BUCKET DATABASE: the pipeline that vex replaces, stage by stage, as its authors ran it.
#
# mydumper with four threads, then 7-Zip to a .zip, then boto3 to a bucket. Prints "dump zip upload bytes": seconds of each
# stage, and the size of the .zip. Keys come in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; boto3 must be there
# (`pip install boto3`), or BOTO_PYTHON names a Python that has it. FOLDER is removed afterwards.
set -euo pipefail
port=$1 folder=$2 endpoint=$3 bucket=$4 database=$5
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"
now() { date +%s.%N; }
seconds() { echo "$2 - $1" | bc; }

t0=$(now)
mydumper --host=127.0.0.1 --port="$port" --user=root --threads=4 --database="$database" --routines --events --triggers \
    --outputdir="$folder/dump" > "$folder/log" 2>&1
t1=$(now)
(cd "$folder" && 7zz a -tzip -bso0 -bsp0 backup.zip dump)
t2=$(now)
"${BOTO_PYTHON:-python3}" - "$folder/backup.zip" "$endpoint" "$bucket" <<'PYTHON'
import sys
import boto3
path, endpoint, bucket = sys.argv[1:]
boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").upload_file(path, bucket, "seed/backup.zip")
PYTHON
t3=$(now)
echo "$(seconds "$t0" "$t1") $(seconds "$t1" "$t2") $(seconds "$t2" "$t3") $(stat -c %s "$folder/backup.zip")"
