#!/bin/bash
# setup.sh: makes a Debian 12 machine ready to build Sluice and to run its tests, and says what it does. Quick and silent on the network when all is there.
#
#   tools/setup.sh                packages to build and test, and .venv with the Python packages that tests compare with
#   tools/setup.sh --build-only   packages to build only
#   tools/setup.sh --fuzz         as without, and clang for the libFuzzer targets
#
# Needs root or sudo only when Debian packages are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(build-essential cmake ninja-build ccache pkg-config llvm-19-dev llvm-19-tools libcjson-dev libffi-dev libprotobuf-c-dev protobuf-c-compiler python3)
test_packages=(python3-venv gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
fuzz_packages=(clang-19 libclang-rt-19-dev)

mode=${1:-}
case "$mode" in
    "") packages=("${build_packages[@]}" "${test_packages[@]}") ;;
    --build-only) packages=("${build_packages[@]}") ;;
    --fuzz) packages=("${build_packages[@]}" "${test_packages[@]}" "${fuzz_packages[@]}") ;;
    *) echo "usage: tools/setup.sh [--build-only | --fuzz]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "setup: installing Debian packages: ${missing[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "setup: these packages are missing and there is neither root nor sudo: ${missing[*]}" >&2; exit 1; }
        as_root=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
else
    echo "setup: all Debian packages are there"
fi
[ "$mode" = --build-only ] && exit 0

requirements=tests/requirements.txt
stamp=.venv/.installed-requirements
if cmp -s "$requirements" "$stamp"; then
    echo "setup: .venv is up to date"
else
    echo "setup: making .venv with $(grep -c '==' "$requirements") pinned Python packages ($requirements)"
    [ -x .venv/bin/python3 ] || python3 -m venv .venv
    .venv/bin/python3 -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$stamp"
fi
