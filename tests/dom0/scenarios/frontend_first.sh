# The frontend is there long before the backend: it waits, says so once, and then all goes well.
snapshot before
create frontend 1 "link=a cycles=$CYCLES stop_at=finished"
wait_line frontend.1 1 'waiting to be introduced'
sleep 10
create backend 1 "link=a"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
wait_line frontend.1 1 '^@T stopped step=finished'
[ "$(count frontend.1 'waiting to be introduced')" = 1 ] && said=ok || said=bad
check waiting-is-said-once $said
shutdown frontend.1
shutdown backend.1
snapshot after
