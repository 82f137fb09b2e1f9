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

# The numbers of the domains below: tests/testbed/src/evaluation/bench/ knows from which number on they are not the
# pairs that are timed above.
MANY=100 TRACED=200

# many: one back with N links up for each N of LINKS, all fronts but one idle; that one is timed as
# those of a pair are, its READs included, and ends. The back of 1 has no more than one, the back of the
# others as many as there will be.
many() {
    [ -n "$LINKS" ] || return 0
    shared="selftest=off beat_ms=60000"
    serving=$((MANY + 90)) up=1
    create bench $serving "role=second cycles=$LINKS_CYCLES link=l1 $shared"
    for links in $LINKS; do
        if [ "$links" -gt 1 ] && [ $serving -ne $MANY ]; then
            shutdown bench.$serving
            serving=$MANY
            create bench $MANY "role=second cycles=$LINKS_CYCLES link=$(link_names "${LINKS##* }") $shared"
        fi
        back=bench.$serving
        while [ $up -lt "$links" ]; do
            up=$((up + 1))
            create bench $((MANY + up)) "role=first kind=idle link=l$up $shared"
            introduce bench.$((MANY + up)) $back l$up
            wait_line $back 1 "^@T up link=l$up "
        done
        # Behind those that are idle.
        number=$((MANY + ${LINKS##* } + links))
        create bench $number "role=first link=l1 bytes=64 cycles=$LINKS_CYCLES $shared"
        introduce bench.$number $back l1
        echo "@J links n=$links front=$number back=$serving"
        sleep $((5 + LINKS_CYCLES / 60))
        quiet_line bench.$number '@T verdict=' 2
        wait_end bench.$number
    done
    shutdown $back
    while [ $up -gt 1 ]; do
        shutdown bench.$((MANY + up))
        up=$((up - 1))
    done
}

# trace FILE: from now on Xen writes down when domains are switched and when guests leave their
# processor (xen/include/public/trace.h: TRC_SCHED_MIN, TRC_HVM_ENTRYEXIT). untrace FILE: no longer.
trace() {
    programs/xentrace -D -S 256 -e 0x000a1000 "out/$1" >"out/$1.txt" 2>&1 &
    tracer=$!
    sleep 1
}
untrace() {
    kill -INT $tracer
    wait $tracer
    say "traced, $(wc -c <"out/$1") bytes: $(tr '\n' ' ' <"out/$1.txt")"
}

# traced: the exits of a front's boot, up to its first word to xenstored, and of a pair's cycles. Last:
# tracing takes time, and nothing is timed behind it.
traced() {
    [ -f programs/xentrace ] || { say "no xentrace: exits are not counted"; return; }
    shared="selftest=off beat_ms=60000 link=a"
    boot=$((TRACED)) back=$((TRACED + 1)) front=$((TRACED + 2))
    trace trace.boot
    create bench $boot "role=first kind=idle $shared"
    wait_line bench.$boot 1 'waiting to be introduced'
    untrace trace.boot
    shutdown bench.$boot
    create bench $back "role=second $shared"
    create bench $front "role=first kind=traced bytes=64 cycles=10 $shared"
    trace trace.cycles
    introduce bench.$front bench.$back
    wait_end bench.$front
    untrace trace.cycles
    shutdown bench.$back
    echo "@J traced boot=$boot front=$front back=$back"
}
