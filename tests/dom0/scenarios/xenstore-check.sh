# Two of the image xenstore-check: the first tries its cases, the second does what the first asks it
# to, and this script does what only dom0 can do, when the first asks for it on its console.
first=xenstore-check.1 second=xenstore-check.2
# Minutes pass between two wishes of the first where the machine is emulated in real time.
PATIENCE_S=600

# bytes COUNT: the alphabet, again and again.
bytes() { yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c "$1"; }

# What only dom0 may write into the first's home: a value over a guest's quota, and a list of
# children that is longer than a packet. oxenstored keeps dom0 to the quota too.
prepare() {
    home=/local/domain/$(domid_of $first)/data/check
    xenstore-write "$home/dom0/large" "$(bytes 4000)" 2>/dev/null ||
        xenstore-write "$home/dom0/large" "$(bytes 1920)" || fail no-large-value
    # Numbers of twenty digits, made without a fork each.
    set -- && number=1000
    while [ $number -lt 1300 ]; do
        set -- "$@" "$home/dom0/long/00000000000000000${number#1}" ""
        number=$((number + 1))
    done
    xenstore-write "$@" || fail no-long-directory
    xenstore-write "$home/other" "$(domid_of $second)" || fail no-introduction
    xenstore-write "/local/domain/$(domid_of $second)/data/check/other" "$(domid_of $first)" ||
        fail no-introduction
}

# tell N: the first's N-th wish has been heard, or granted.
tell() { xenstore-write "$home/told" "$1" || fail "not-told-$1"; }

# Xen's own test of the store, from dom0 in this very boot: the times to compare with.
baseline() {
    line=$(test-xenstore -i 1000 -t 'read 1') || fail baseline-failed
    say "test-xenstore: $line"
    echo "$line" | sed -n 's/.*avg: \([0-9]*\) ns (\([0-9]*\) ns .. \([0-9]*\) ns)$/@J baseline test=read-1 n=1000 mean_ns=\1 min_ns=\2 max_ns=\3/p'
}

snapshot before
create xenstore-check 1 role=first
create xenstore-check 2 role=second
prepare

wish=0
while :; do
    wish=$((wish + 1))
    wait_line $first $wish '^@T ask \|^@T cases '
    what=$(whole_lines $first | grep -e '^@T ask \|^@T cases ' | sed -n "${wish}s/.*what=\([a-z-]*\).*/\1/p")
    say "wish $wish of the first: ${what:-no more}"
    case $what in
        # Long enough for all figures; their time is not the host's.
        quiet) tell $wish; sleep 5 ;;
        baseline) baseline; tell $wish ;;
        live-update)
            live_update
            tell $wish
            ;;
        stop-daemon)
            tell $wish
            sleep 0.5
            stall 3
            ;;
        '') break ;;
        *) fail "unknown-wish-$what" ;;
    esac
done
wait_end $second
wait_end $first
snapshot after
