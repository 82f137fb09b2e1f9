# More steps, for the scenarios of the fault campaign (tests/testbed/src/runs/faults.rs), which read this file
# after job.sh has read steps.sh.

# What all images of the campaign are told: beats short enough to wait for, connections of a few
# ring-fulls, no self-tests.
BEAT_MS=500 BEAT_LIMIT=4
LINK="link=a beat_ms=$BEAT_MS beat_limit=$BEAT_LIMIT bytes=16384 selftest=off"
BEAT_NS=$((BEAT_MS * 1000000))

# What a survivor may say of a peer that was destroyed: what tells it first depends on where the
# connection stood. Never that beats were missed.
GONE='write-refused/store peer-gone/hypervisor'
GONE_CONNECTED="port-unbound/port $GONE"

# How much later than told a moment may be, in hundredths of a beat: a turn of the survivor's loop,
# and what dom0's clock is off Xen's.
SLACK=5

# more NAME COUNT PATTERN: waits for COUNT more such lines than there are.
more() { wait_line "$1" $(($(count "$1" "$3") + $2)) "$3"; }

# good_cycles FRONTEND COUNT: waits for COUNT more cycles that moved all their bytes.
good_cycles() { more "$1" "$2" '^@T cycle .* ok=1'; }

# pair FE BE: waits until these two have been introduced and have finished a cycle together.
pair() {
    introduce "$1" "$2"
    good_cycles "$1" 1
}

# finished FRONTEND: waits until it has done all its cycles (stop_at=finished).
finished() { wait_line "$1" 1 '^@T stopped step=finished'; }

# kill_now NAME...: destroys all of them at once. `since` and `until` are dom0's clock when that was
# asked for and when it was done.
kill_now() {
    since=$(now_ns)
    for victim; do
        say "destroying $victim"
        xl destroy "$(domid_of "$victim")" || say "destroying $victim failed" &
    done
    wait
    until=$(now_ns)
    for victim; do
        ! alive "$victim" || fail "destroy-failed-$victim"
        echo "@J gone name=$victim how=destroyed"
    done
}

# downs NAME: how many sessions it has lost.
downs() { count "$1" '^@T down '; }

# noticed CHECK NAME N KIND BEATS REASONS: NAME's N-th down is for one of REASONS (reason/witness,
# blanks between), and at most BEATS beats after `until`, which is what KIND took place.
noticed() {
    wait_line "$2" "$3" '^@T down '
    down=$(whole_lines "$2" | grep -e '^@T down ' | sed -n "$3s/.* reason=\\([^ ]*\\) witness=\\([^ ]*\\) t_ns=\\([0-9]*\\) .*/\\1\\/\\2 \\3/p")
    why=${down% *} at=${down#* }
    case " $6 " in *" $why "*) right=ok ;; *) right=bad ;; esac
    if [ -z "${clock_ns-}" ]; then
        check "$1" $right "$why (when was not measured: dom0 knows no common clock)"
        return
    fi
    # Hundredths of a beat after it was done; before that moment it counts as none.
    late=$(((at - clock_ns - until) * 100 / BEAT_NS))
    [ $late -gt 0 ] || late=0
    [ $late -le $(($5 * 100 + SLACK)) ] || right=bad
    echo "@J noticed kind=$4 hundredths=$late limit=$(($5 * 100))"
    check "$1" $right "$why, $((late / 100)).$(printf %02d $((late % 100))) beats after, of $5"
}

# untouched CHECK NAME N: NAME has lost no more than N sessions so far.
untouched() {
    count=$(downs "$2")
    [ "$count" = "$3" ] && right=ok || right=bad
    check "$1" $right "$count sessions of $2 ended, expected $3"
}

# killed_at_steps VICTIM STEPS: VICTIM, a role, is destroyed at each step of its life in turn, the
# other side lives through it all: it says so, in time and for the right reason, and gets on with the
# next incarnation, which is in turn destroyed one step further. STEPS has a word for each step,
# STEP:OCCURRENCE:EXPECTED. At a second occurrence a whole cycle went well before.
killed_at_steps() {
    victim_role=$1 steps=$2 number=0 lost=0
    [ "$victim_role" = frontend ] && survivor=backend.1 || survivor=frontend.1
    # Cycles of a surviving frontend: one with each victim that lived for one, three with the last.
    cycles=3
    for word in $steps; do
        case $word in *:2:*) cycles=$((cycles + 1)) ;; esac
    done
    snapshot before
    create ${survivor%.1} 1 "$LINK cycles=$cycles stop_at=finished"
    for word in $steps; do
        expected=${word##*:} nth=${word%:*} step=${word%%:*}
        nth=${nth#*:}
        next_victim "$LINK cycles=20 stop_at=$step:$nth"
        wait_line "$victim" 1 "^@T stopped .*step=$step "
        kill_now "$victim"
        [ "$expected" = nothing ] || lost=$((lost + 1))
        case $expected in
            # The survivor had not come up yet.
            nothing) untouched "destroyed-at-$step" $survivor $lost ;;
            gone) noticed "destroyed-at-$step" $survivor $lost destroy 1 "$GONE" ;;
            gone-connected) noticed "destroyed-at-$step" $survivor $lost destroy 1 "$GONE_CONNECTED" ;;
            *) fail "unknown-expectation-$expected" ;;
        esac
    done
    next_victim "$LINK cycles=3 stop_at=finished"
    [ "$victim_role" = frontend ] && front=$victim || front=$survivor
    finished "$front"
    untouched no-other-session-ended $survivor $lost
    snapshot idle
    shutdown "$front"
    [ "$victim_role" = frontend ] && shutdown $survivor || shutdown "$victim"
    snapshot after
}
next_victim() {
    number=$((number + 1))
    victim=$victim_role.$number
    create "$victim_role" $number "$1"
    [ "$victim_role" = frontend ] && introduce "$victim" $survivor || introduce $survivor "$victim"
}

# quarantined CHECK NAME PAGES: waits until NAME says that so many pages are in its quarantine.
quarantined() {
    wait_line "$2" 1 "^@T quarantine pages=$3\$"
    check "$1" ok "$3 pages"
}

# introduce_one NAME DOMID NUMBER: half of what xl/introduce does, for link a: one side is told of a
# domain, which need not exist.
introduce_one() {
    say "introducing $1 to domain $2, by halves"
    node=$(link_node "$1" a)
    xenstore-exists "$node/box" || xenstore-write "$node/box" "" || fail introduce-failed
    xenstore-chmod "$node/box" "n$(domid_of "$1")" "b$2" && xenstore-write "$node" "$2 $3" ||
        fail introduce-failed
}

# suspended ROLE: that side is saved while it moves data, and restored as another domain. It says so and
# starts over with a new epoch; the other side has noticed its death meanwhile, has back what it lent, and
# goes on with it.
suspended() {
    moved=$1.1
    [ "$1" = frontend ] && survivor=backend.1 || survivor=frontend.1
    snapshot before
    create backend 1 "link=a"
    create frontend 1 "link=a cycles=0"
    introduce frontend.1 backend.1
    good_cycles frontend.1 "$CYCLES"
    save "$moved" /tmp/saved
    wait_line $survivor 1 '^@T down link=a '
    restore "$moved" /tmp/saved
    wait_line "$moved" 1 '^@T resumed .*restored=1'
    introduce frontend.1 backend.1
    wait_line frontend.1 2 '^@T up link=a '
    good_cycles frontend.1 "$CYCLES"
    shutdown "$moved"
    # The survivor may have begun the next connection: it gives that up when it notices.
    wait_line $survivor 2 '^@T down link=a '
    snapshot idle
    shutdown $survivor
    snapshot after
}
