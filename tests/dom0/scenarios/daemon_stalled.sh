# The store daemon does not run for 5, 15 and 40 seconds, while connections come and go and while the
# link is up and idle; C xenstored is replaced in the run (live update). The peer is not dead: no
# session ends, and all goes on by itself.
. ./faults.sh
snapshot before
create backend 1 "$LINK"
create frontend 1 "$LINK cycles=0"
pair frontend.1 backend.1
for seconds in 5 15 40; do
    stall $seconds
    good_cycles frontend.1 3
    untouched busy-frontend-survives-$seconds-s frontend.1 0
    untouched busy-backend-survives-$seconds-s backend.1 0
done
told=$(count frontend.1 'xenstored does not answer')
[ "$told" = 3 ] && said=ok || said=bad
check each-silence-is-said-once $said "$told lines"

if [ "$(daemon_kind)" = c ]; then
    live_update
    good_cycles frontend.1 3
    untouched busy-frontend-survives-live-update frontend.1 0
    untouched busy-backend-survives-live-update backend.1 0
fi

kill_now frontend.1
create frontend 2 "$LINK cycles=2 stop_at=finished"
introduce frontend.2 backend.1
finished frontend.2
lost=$(downs backend.1)
for seconds in 5 15 40; do
    stall $seconds
    # Longer than the limit: a verdict that comes late would be here.
    sleep 4
    untouched idle-frontend-survives-$seconds-s frontend.2 0
    untouched idle-backend-survives-$seconds-s backend.1 "$lost"
done
if [ "$(daemon_kind)" = c ]; then
    live_update
    sleep 4
    untouched idle-frontend-survives-live-update frontend.2 0
    untouched idle-backend-survives-live-update backend.1 "$lost"
fi
snapshot idle
shutdown frontend.2
shutdown backend.1
snapshot after
