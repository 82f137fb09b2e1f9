#!/usr/bin/env bash
# Line coverage of channel/, xenbus/ and grant/ by their own tests, and whether each has 95 %.
#
#   tests/coverage.sh            a figure for each crate and file, and the lines that no test reaches
#
# The compiler counts (-C instrument-coverage); LLVM's tools of the compiler's version read what it
# counted. They come from Debian's package llvm-N, which is installed where that may be done. Only
# the libraries' own lines count: neither test modules nor the stand-ins for Xen (fake/).
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=95
crates=(channel xenbus grant)

version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=/usr/lib/llvm-$version/bin
if [ ! -x "$tools/llvm-cov" ]; then
    apt-get install --yes --no-install-recommends "llvm-$version" >&2 || {
        echo "llvm-cov $version is missing: install Debian's package llvm-$version" >&2
        exit 2
    }
fi

out=$PWD/target/coverage
mkdir -p "$out"
rm -f "$out"/*.profraw
export RUSTFLAGS='-C instrument-coverage' LLVM_PROFILE_FILE=$out/%m-%p.profraw
run=(cargo test --target-dir "$out" --lib --tests)
for crate in "${crates[@]}"; do run+=(--package "$crate"); done

# Built first, to learn the names of the test programs: they hold the map from counters to lines.
"${run[@]}" --no-run --message-format=json >"$out/built.json"
mapfile -t programs < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$out/built.json")
"${run[@]}" --quiet >&2

"$tools/llvm-profdata" merge --sparse "$out"/*.profraw --output "$out/merged.profdata"
"$tools/llvm-cov" export --format=lcov --instr-profile "$out/merged.profdata" \
    "${programs[0]}" "${programs[@]/#/--object=}" >"$out/lines.lcov"

# lcov: SF:file, then DA:line,count. A file's test module is at its end.
awk -v top="$PWD/" -v crates="${crates[*]}" -v wanted=$wanted '
function test_module(file,   number, line, before, at) {
    at = 0; number = 0; before = ""
    while ((getline line < file) > 0) {
        number++
        if (before ~ /^#\[cfg\(test\)\]/ && line ~ /^mod [a-z_]+ \{/) { at = number; break }
        before = line
    }
    close(file)
    return at
}
/^SF:/ {
    file = substr($0, 4); name = substr(file, length(top) + 1)
    crate = name; sub(/\/.*/, "", crate)
    counts = index(" " crates " ", " " crate " ") && name ~ /^[a-z]+\/src\// &&
             name !~ /\/fake\// && name !~ /(_tests|testing|\/tests)\.rs$/ && name !~ /\/tests\//
    end = counts ? test_module(file) : 0
}
/^DA:/ && counts {
    split(substr($0, 4), part, ",")
    if (end && part[1] >= end) next
    key = name SUBSEP part[1]
    if (!(key in seen)) { seen[key] = 1; lines[name]++; all[crate]++ }
    if (part[2] > 0 && !(key in reached)) { reached[key] = 1; hit[name]++; met[crate]++ }
}
END {
    for (key in seen) if (!(key in reached)) {
        split(key, part, SUBSEP)
        printf "not reached %s:%05d\n", part[1], part[2] | "sort"
    }
    close("sort")
    for (name in lines) printf "%6.2f %% %5d of %5d  %s\n",
        100 * hit[name] / lines[name], hit[name], lines[name], name | "sort -k6"
    close("sort -k6")
    count = split(crates, list, " ")
    for (n = 1; n <= count; n++) {
        share = 100 * met[list[n]] / all[list[n]]
        if (share < wanted) poor = 1
        printf "%6.2f %% of %d lines of %s/\n", share, all[list[n]], list[n]
    }
    if (poor) print "FAILED: less than " wanted " %"
    exit poor
}' "$out/lines.lcov"
