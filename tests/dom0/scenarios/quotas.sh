# Quotas are hit on purpose. The frontend's domain has no node left, so that it cannot make its mailbox
# again: it says so, the link waits, another link of the same images goes on, and the first comes back
# when there is room. Then a frontend is refused the second of its two watches: it says so, its links go
# on, and it hears the toolstack when there is room.
#
# Transactions they need none, and so can hit no quota of them: none is counted.
# Of watches both daemons allow one more than their quota says (xenstored_watch.c, do_watch; oxenstored's
# connection.ml, add_watch). C xenstored can be told 0 where it is started, so only there an image's second
# watch is refused; the least that xenstore-control takes is 1, and to oxenstored 0 means no quota, so
# that there two watches never are too many.
. ./faults.sh
BOTH="link=a,b beat_ms=$BEAT_MS beat_limit=$BEAT_LIMIT bytes=16384 selftest=off"
cycles_on() { more frontend.1 "$2" "^@T cycle link=$1 .* ok=1"; }

# fill NAME: more nodes than a domain may own (1000 under either daemon), made by dom0.
fill() {
    say "filling the quota of $1"
    id=$(domid_of "$1") folder=0
    while [ $folder -lt 11 ]; do
        set -- && entry=0
        while [ $entry -lt 100 ]; do
            set -- "$@" "/local/domain/$id/data/fill/$folder/$entry" ""
            entry=$((entry + 1))
        done
        xenstore-write "$@" || fail fill-failed
        xenstore-chmod -r "/local/domain/$id/data/fill/$folder" "n$id" || fail fill-failed
        folder=$((folder + 1))
    done
}

snapshot before
create backend 1 "$BOTH"
create frontend 1 "$BOTH cycles=0"
introduce frontend.1 backend.1 a
introduce frontend.1 backend.1 b
cycles_on a 1
cycles_on b 1
fill frontend.1
remove_mailbox frontend.1 a
wait_line frontend.1 1 'link a: store-quota'
check no-node-left-is-said ok
before=$(count frontend.1 '^@T cycle link=a .* ok=1')
cycles_on b 20
[ "$(count frontend.1 '^@T down link=b ')" = 0 ] && well=ok || well=bad
check the-other-link-goes-on $well
[ "$(count frontend.1 '^@T cycle link=a .* ok=1')" -le $((before + 1)) ] && well=ok || well=bad
check the-link-without-mailbox-waits $well
xenstore-rm "/local/domain/$(domid_of frontend.1)/data/fill" || fail not-emptied
cycles_on a 3
check it-comes-back-by-itself ok

kill_now frontend.1
[ "$(daemon_kind)" != c ] || live_update "--pid-file /run/xen/xenstored.pid --watch-nb 0"
create frontend 2 "$LINK cycles=3 stop_at=finished"
introduce frontend.2 backend.1
finished frontend.2
if [ "$(daemon_kind)" = c ]; then
    wait_line frontend.2 1 'xl shutdown will not work yet'
    check no-watch-left-is-said ok
    # It asks again in half a minute, and hears then what it was told before.
    xenstore-control quota set watches 128 || fail quota-not-set
fi
snapshot idle
shutdown frontend.2
check it-hears-the-toolstack ok
shutdown backend.1
asked=$({ whole_lines frontend.2 && whole_lines backend.1; } | grep -c TRANSACTION)
counted=$({ whole_lines frontend.2 && whole_lines backend.1; } | grep -c '^@T counts stage=total ')
[ "$asked" = 0 ] && [ "$counted" = 2 ] && well=ok || well=bad
check no-transaction-is-needed $well "$asked in $counted counts"
snapshot after
