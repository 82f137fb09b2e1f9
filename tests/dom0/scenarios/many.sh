# One backend with 32 frontends, each a domain of its own. Frontends die in the middle of their
# connections, and no other link notices; and a link costs the backend no more requests than it costs
# one that has no other. A long beat, so that links that are merely up ask for next to nothing
# meanwhile: what is counted is what connecting and disconnecting cost.
N=32 CYCLES_EACH=4
common="beat_ms=20000 selftest=off"
# Their frontends stop in the middle of a connection, and are destroyed there.
victims=" 1 16 32 "
is_victim() { case $victims in *" $1 "*) ;; *) return 1 ;; esac }

# requests NAME: what NAME has asked of xenstore for its links, by its own count at its end.
requests() {
    whole_lines "$1" | sed -n 's/^@T counts stage=total //p' | tr ' ' '\n' |
        sed -n 's/^xs\.\(READ\|WRITE\|MKDIR\|SET_PERMS\)=//p' | awk '{ n += $1 } END { print n + 0 }'
}

snapshot before
create backend 1 "link=l1 $common"
create frontend 100 "link=l1 cycles=$CYCLES_EACH bytes=4096 $common"
introduce frontend.100 backend.1 l1
wait_end frontend.100
shutdown backend.1
alone=$(requests backend.1)

create backend 2 "link=$(link_names $N) $common"
number=0
while [ $number -lt $N ]; do
    number=$((number + 1))
    course="cycles=$CYCLES_EACH stop_at=finished rest_ms=500"
    ! is_victim $number || course="cycles=0 stop_at=streaming:2"
    create frontend $number "link=l$number bytes=4096 $course $common"
    introduce frontend.$number backend.2 l$number
done
for number in $victims; do
    wait_line frontend.$number 1 '^@T stopped .* step=streaming'
    destroy frontend.$number
    wait_line backend.2 1 "^@T down link=l$number "
done
number=0 survivors=0 hurt=''
while [ $number -lt $N ]; do
    number=$((number + 1))
    ! is_victim $number || continue
    wait_line frontend.$number 1 '^@T stopped step=finished'
    [ "$(count frontend.$number '^@T down ')" = 0 ] || hurt="$hurt frontend.$number"
    survivors=$((survivors + 1))
done
downs=$(count backend.2 '^@T down ')
[ -z "$hurt" ] && [ "$downs" = 3 ] && seen=ok || seen=bad
check deaths-touch-no-other-link $seen "$survivors links go on, $downs went down at the backend$hurt"
snapshot idle
shutdown backend.2
together=$(requests backend.2)
# A frontend's death costs no more than its life.
allowed=$((alone * (N + 3)))
[ "$alone" -gt 0 ] && [ "$together" -le $allowed ] && seen=ok || seen=bad
check a-link-costs-the-same-among-many $seen "one link $alone requests, $N links $together of $allowed"
number=0
while [ $number -lt $N ]; do
    number=$((number + 1))
    is_victim $number || shutdown frontend.$number
done
snapshot after
