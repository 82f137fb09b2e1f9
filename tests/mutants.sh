#!/usr/bin/env bash
# Changes the code of channel/, xenbus/ and grant/ in small ways, one at a time, and sees whether
# their own tests notice (cargo-mutants). It takes hours, so it is not for CI; docs/mutants.md has
# what came of it.
#
#   tests/mutants.sh [CRATE...]              all three by default, every sixth mutant
#   SAMPLE=K/N tests/mutants.sh [CRATE...]   every N-th mutant, from the K-th on: K is the seed
#
# Works on a copy of what is committed. target/mutants/CRATE/mutants.out/ has the lists: missed.txt
# is what no test noticed.
set -eu
cd "$(dirname "$0")/.."

sample=${SAMPLE:-0/6}
[ $# -gt 0 ] || set -- xenbus grant channel
if ! cargo mutants --version >/dev/null 2>&1; then
    echo 'cargo-mutants is missing: cargo install cargo-mutants --locked' >&2
    exit 2
fi

out=$PWD/target/mutants
rm -rf "$out/tree"
mkdir -p "$out"
git clone --quiet . "$out/tree"

for crate in "$@"; do
    # In place, so that only the mutated crate is built anew; documentation examples are left out,
    # for each is a program of its own. A mutant that hangs is noticed, too. What proptest has
    # learned from one mutant must not help against the next.
    (
        cd "$out/tree"
        CARGO_TARGET_DIR=$out/build PROPTEST_DISABLE_FAILURE_PERSISTENCE=1 \
            cargo mutants --in-place --package "$crate" --shard "$sample" --sharding round-robin \
            --exclude '**/fake/**' --exclude '**/tests/**' --exclude '**/tests.rs' \
            --exclude '**/*_tests.rs' --exclude '**/testing.rs' \
            --timeout 90 --build-timeout 600 --output "$out/$crate" \
            --cargo-test-arg=--lib --cargo-test-arg=--tests
    ) || [ $? -le 3 ] # 2: some were missed; 3: some hung.
done

worst=0
for crate in "$@"; do
    lists=$out/$crate/mutants.out
    count() { wc -l <"$lists/$1.txt"; }
    noticed=$(($(count caught) + $(count timeout)))
    all=$((noticed + $(count missed)))
    printf '%-8s %d of %d noticed (%d.%d %%), %d more do not compile\n' "$crate" $noticed $all \
        $((100 * noticed / all)) $((1000 * noticed / all % 10)) "$(count unviable)"
    [ $((10 * noticed)) -ge $((9 * all)) ] || worst=1
done
[ $worst = 0 ] || echo 'FAILED: less than 90 %'
exit $worst
