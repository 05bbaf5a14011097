#!/bin/bash
# build.sh FOLDER [TARGET...]: configures an optimised build in FOLDER when that was not done yet, and builds the targets (all without any).
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: tools/build.sh FOLDER [TARGET...]" >&2; exit 2; }
folder=$1
shift
if [ ! -f "$folder/build.ninja" ]; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    cmake -G Ninja -S . -B "$folder" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
cmake --build "$folder" --target "${@:-all}"
