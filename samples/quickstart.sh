#!/usr/bin/env bash
# The main job: installs what is missing, builds Sluice, then compiles and runs four small trained models on real handwritten digits and says what each
# of them executed. Works on a fresh Debian 12, as root or with sudo. Nothing is downloaded once the packages are there.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh --build-only
echo "== building Sluice (build/)"
tools/build.sh build sluice_cli sluice digits
echo "== four models on 450 held-out scans of handwritten digits, one at a time and as a batch, on one thread"
build/samples/digits samples/digits
