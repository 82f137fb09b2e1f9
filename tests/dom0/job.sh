#!/bin/sh
# The dom0 side of a run: `sh job.sh DIRECTORY`, in the bed's dom0 and on a host that is a dom0.
#
# DIRECTORY holds images/, xl/, scenarios/ and settings (shell assignments). What the run leaves
# goes to DIRECTORY/out/. Lines for programs begin with `@J `; the rest is for people. It is POSIX
# sh over `xl`, the xenstore tools and what any busybox has, and sleeps rather than spins.

dir=${1:?usage: job.sh DIRECTORY}
cd "$dir" || exit 4
mkdir -p out

SCENARIO='' CYCLES=20 IMAGES=$dir/images PATIENCE_S=120
# How much of each part of `bench` is played.
BOOTS='1 2 3 4 5' LAB_PAGES='1 2 4 8' LINUX_CYCLES=50 LINKS='1 2 4 8 16 32' LINKS_CYCLES=200
. ./settings
. ./steps.sh

# Whatever happens: what is known is kept, and no domain of ours is left behind.
finish() {
    code=$?
    trap - EXIT
    for name in $(living); do
        say "destroying $name, which was left"
        destroy "$name"
    done
    keep_logs
    echo "@J end code=$code"
    exit "$code"
}
trap finish EXIT
trap 'exit 4' INT TERM HUP

choose_consoles
[ -n "${UNTIMED-}" ] || put_clock
say "scenario $SCENARIO"
. "./scenarios/$SCENARIO.sh"
