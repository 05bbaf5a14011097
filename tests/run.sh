#!/bin/bash
# run.sh: sets the machine up, builds and tests: every test in the default build, then the part of them that looks for memory errors under AddressSanitizer and
# UndefinedBehaviorSanitizer, then the fuzz targets for some seconds each.
#
#   tests/run.sh              what continuous integration runs; under 40 minutes on two cores
#   tests/run.sh --quick      the default build only
#   tests/run.sh --all        every test under the sanitizers, too, and the threaded ones under ThreadSanitizer
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-}
case "$mode" in
    ""|--quick|--all) ;;
    *) echo "usage: tests/run.sh [--quick | --all]" >&2; exit 2 ;;
esac
jobs=$(nproc)
failed=()

# suite PRESET TARGET [ctest arguments]: builds and tests one preset; goes on after failures, which the end of this script reports.
suite() {
    local preset=$1 target=$2
    shift 2
    echo "== $preset: configure and build"
    cmake --preset "$preset" >"/tmp/sluice-configure-$$.log" 2>&1 || { cat "/tmp/sluice-configure-$$.log"; rm -f "/tmp/sluice-configure-$$.log"; failed+=("$preset (configure)"); return 0; }
    rm -f "/tmp/sluice-configure-$$.log"
    cmake --build --preset "$preset" --target "$target" -- -j "$jobs" || { failed+=("$preset (build)"); return 0; }
    echo "== $preset: test"
    ctest --preset "$preset" -j "$jobs" "$@" || failed+=("$preset")
}

if [ "$mode" = --quick ]; then tools/setup.sh; else tools/setup.sh --fuzz; fi
suite default all
case "$mode" in
    "")
        suite sanitize all -L memory
        suite fuzz fuzzers -L fuzz
        ;;
    --all)
        suite sanitize all
        suite tsan all -L threads
        suite fuzz fuzzers -L fuzz
        ;;
esac

if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}"
    exit 1
fi
echo "all suites passed"
