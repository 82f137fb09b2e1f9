# A backend hangs for ever with a page of the frontend's mapped on each of two links. The frontend may
# have three page sets (page_sets=3): none of the two kept ones is used again, by Xen's own list of
# grants. With another backend one link at a time goes on, in the third, and a connection more is
# refused by name, until the hung backend is destroyed.
. ./faults.sh
KEPT=2
COMMON="link=a,b beat_ms=$BEAT_MS beat_limit=$BEAT_LIMIT bytes=1048576 selftest=off"

# introduce_both FE BE
introduce_both() {
    introduce "$1" "$2" a
    introduce "$1" "$2" b
}

# granted SNAPSHOT BY TO: the machine frames that domain BY grants to domain TO and that TO has mapped,
# as Xen lists them: reference, then domain, frame and pins of the active entry.
granted() {
    awk -v by="$(domid_of "$2")" -v to="$(domid_of "$3")" '
        { sub(/^\(XEN\) (\[[^]]*\] )?/, "") }
        /^grant-table for remote d/ { mine = $0 ~ "remote d" by " " }
        mine && /^\[0x/ { sub(/^\[[^]]*\]/, ""); if ($1 == to && $3 !~ /^0x0*$/) print $2 }
    ' "out/$1/xen" | sort
}

snapshot before
create backend 1 "$COMMON stop_at=serving:$KEPT"
create frontend 1 "$COMMON cycles=0 page_sets=$((KEPT + 1)) log=debug"
# So that both links connect together: a connection's bytes take longer than that.
pause backend.1
introduce_both frontend.1 backend.1
unpause backend.1
wait_line backend.1 1 '^@T stopped .*step=serving '
quarantined all-its-pages-are-out-of-use frontend.1 $KEPT

create backend 2 "$COMMON"
introduce_both frontend.1 backend.2
wait_line frontend.1 1 '^@T refused link=.* reason=quarantine-full'
check the-connection-too-many-is-refused-by-name ok
good_cycles frontend.1 3
[ "$(count frontend.1 '^@T quarantine ')" = "$(count frontend.1 '^@T quarantine pages=[12]$')" ] &&
    seen=ok || seen=bad
check none-is-given-back-before-its-time $seen
more frontend.1 1 'link [ab]: connected'
pause backend.2
snapshot kept
unpause backend.2
granted kept frontend.1 backend.1 >kept
granted kept frontend.1 backend.2 >anew
both=$(cat kept anew | sort | uniq -d | wc -l)
[ "$(wc -l <kept)" = $KEPT ] && [ -s anew ] && [ "$both" = 0 ] && seen=ok || seen=bad
check no-kept-page-is-used-again $seen \
    "Xen lists $(wc -l <kept) kept, $(wc -l <anew) in use, $both of them the same"

kill_now backend.1
quarantined all-its-pages-are-given-back frontend.1 0
# One answer may have been under way.
good_cycles frontend.1 2
refused=$(count frontend.1 ' reason=quarantine-full')
for link in a b; do
    more frontend.1 2 "^@T cycle link=$link .* ok=1"
done
now=$(count frontend.1 ' reason=quarantine-full')
[ "$now" = "$refused" ] && seen=ok || seen=bad
check nothing-is-refused-any-more $seen "$refused refused before, $((now - refused)) since"
shutdown frontend.1
shutdown backend.2
snapshot after
