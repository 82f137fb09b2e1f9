#!/bin/sh
# Boots real Xen and runs the images on it: `./run-xen.sh --help`. Everything is in tests/src/bed/;
# this builds it, with cargo's own progress on stderr, and hands over.
cd "$(dirname "$0")" || exit 4
if ! command -v cargo >/dev/null; then
    echo "run-xen.sh: cargo is missing: install Rust (README.md says which)" >&2
    echo "VERDICT ERROR missing-on-this-machine"
    exit 4
fi
if ! cargo build --package tests --bin bed >&2; then
    echo "VERDICT ERROR does-not-build"
    exit 4
fi
exec cargo run --quiet --package tests --bin bed -- "$@"
