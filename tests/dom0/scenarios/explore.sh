# A random course. COURSE has it, one step a line, drawn from a seed by tests/testbed/src/runs/course.rs; these
# are its words, beside those of steps.sh. Each says what it did, for whoever counts and judges.
PATIENCE_S=30

# strike NAME: destroys it, unless it has ended by itself meanwhile (a frontend whose cycles are done).
strike() {
    if alive "$1"; then
        destroy "$1"
        act destroy "name=$1"
    else
        wait_end "$1"
    fi
}

# strike_both NAME NAME: at the same time, as near as two processes are.
strike_both() {
    xl destroy "$(domid_of "$1")" 2>/dev/null &
    strike "$2"
    wait $!
    wait_end "$1"
    act destroy-both "name=$1"
}

# hold NAME SECONDS
hold() {
    pause "$1"
    sleep "$2"
    unpause "$1"
}

# traffic NAME CYCLES
traffic() {
    have=$(count "$1" '^@T cycle .* ok=1')
    wait_line "$1" $((${have:-0} + $2)) '^@T cycle .* ok=1'
    act traffic "name=$1 cycles=$2"
}

# await_stop NAME MS: it need not come to its step.
await_stop() {
    left=$(($2 / 100 + 1))
    until [ "$(count "$1" '^@T stopped ')" = 1 ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 0
        sleep 0.1
    done
    act stop "name=$1"
}

# settle FE BE LINK MS: both must be up by then. That it took longer is for the judge; that it does not
# come at all ends the course.
settle() {
    before=$(now_ns) left=$((PATIENCE_S * 10))
    until is_up "$1" "$3" && is_up "$2" "$3"; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "link-$3-does-not-come-up"
        sleep 0.1
    done
    act settle "fe=$1 be=$2 link=$3 ns=$(($(now_ns) - before)) limit_ms=$4"
}

# An empty course is the campaign's look at the bed as it is kept: `before` of all others.
if [ -z "$COURSE" ]; then
    snapshot before
else
    eval "$COURSE"
    snapshot after
fi
