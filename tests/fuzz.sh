#!/usr/bin/env bash
# Lets libFuzzer search with one of the targets of tests/fuzz/src/run.rs, led by the code that an input
# reaches. Stable Rust: the compiler's own SanitizerCoverage pass, switched on by flags.
#
#   tests/fuzz.sh TARGET [SECONDS]     60 s by default
#
# What it has learned is kept in target/fuzz/corpus/TARGET. An input that fails is written to
# tests/fuzz/src/__fuzz__/TARGET/crashes/ and is from then on run first by cargo test.
set -eu
cd "$(dirname "$0")/.."

targets=$(sed -n '/^mod broken/q; s/^fn \([a-z]*\)() {$/\1/p' tests/fuzz/src/run.rs)
target=${1-}
seconds=${2:-60}
if ! grep -qx "$target" <<<"$targets"; then
    printf 'usage: tests/fuzz.sh TARGET [SECONDS]; TARGET is one of: %s\n' "$(echo $targets)" >&2
    exit 2
fi

known=$PWD/tests/fuzz/src/__fuzz__/$target
learned=$PWD/target/fuzz/corpus/$target
mkdir -p "$learned" "$known/corpus" "$known/crashes"

passes='-Cpasses=sancov-module'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    passes+=" -Cllvm-args=-sanitizer-coverage-$option"
done
export RUSTFLAGS="--cfg fuzzing --cfg fuzzing_libfuzzer -Ccodegen-units=1 $passes"
export BOLERO_TEST_NAME=run::$target BOLERO_LIBTEST_HARNESS=1
export BOLERO_LIBFUZZER_ARGS="$learned $known/corpus -artifact_prefix=$known/crashes/ \
-max_total_time=$seconds -max_len=2048 -timeout=60 -print_final_stats=1"

# A target triple keeps build scripts free of these flags.
exec cargo test --release --target-dir target/fuzz --target x86_64-unknown-linux-gnu \
    --package fuzz --lib -- --exact "run::$target" --nocapture --quiet --test-threads 1
