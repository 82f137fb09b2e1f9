# Pairs of the image `bench`, for the scenarios that measure with it.
PATIENCE_S=900

# quiet_line NAME LINE EVERY_S: until NAME has printed a line that begins like this. Looks seldom, and
# without a fork but for sleeping: each look is counted with whatever it falls into.
quiet_line() {
    left=$((PATIENCE_S / $3)) log=$(console_of "$1")
    while :; do
        sleep "$3"
        while read -r line; do
            case $line in "$2"*) return ;; esac
        done <"$log"
        left=$((left - 1))
        [ $left -gt 0 ] || fail "waited-too-long-for-$1"
    done
}

# pair N OPTIONS SECONDS: a front and a back of the image `bench`, until the front has
# measured, which takes SECONDS of its time: where time is counted, waiting takes none.
pair() {
    front=bench.$1 back=bench.$(($1 + 1))
    create bench "$(($1 + 1))" "link=a role=second selftest=off beat_ms=60000 $2"
    create bench "$1" "link=a role=first selftest=off beat_ms=60000 $2"
    introduce "$front" "$back"
    sleep "$3"
    quiet_line "$front" '@T verdict=' 5
    wait_end "$front"
    shutdown "$back"
}

# lab: one connection of each size, tried out: events, round trips, streams.
lab() {
    number=3
    for pages in $LAB_PAGES; do
        pair $number "cycles=0 pages=$pages" 5
        number=$((number + 2))
    done
}
