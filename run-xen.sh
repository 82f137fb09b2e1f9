#!/bin/sh
# Boots real Xen and runs the images on it: `./run-xen.sh --help`. Everything is in tests/testbed/;
# this builds it, with cargo's own progress on stderr, and hands over.
# The bed works on the tree that it is called in. (CDPATH could lead elsewhere.)
CDPATH='' cd -- "$(dirname -- "$0")" || exit 4

# error REASON OPTIONS...: ends as the bed itself does, with a verdict line or, with --json, a report.
error() {
    reason=$1
    shift
    case " $* " in
        *" --json "*)
            echo "{\"schema\": \"tether.report/1\", \"verdict\": \"ERROR\", \"exit\": 4, \"reason\": \"$reason\"}"
            ;;
        *) echo "VERDICT ERROR $reason" ;;
    esac
    exit 4
}

if ! command -v cargo >/dev/null; then
    echo "run-xen.sh: cargo is missing: install Rust (README.md says which)" >&2
    error missing-on-this-machine "$@"
fi
cargo build --package testbed --bin testbed >&2 || error does-not-build "$@"
exec cargo run --quiet --package testbed --bin testbed -- "$@"
