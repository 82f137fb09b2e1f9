#!/bin/sh
# Boots real Xen and runs the images on it: `./run-xen.sh --help`. Everything is in tests/src/bed/.
cd "$(dirname "$0")" || exit 4
exec cargo run --quiet --package tests --bin bed -- "$@"
