# Either side ends in order and comes again, the other lives on.
. ./faults.sh
snapshot before
create backend 1 "$LINK"
for n in 1 2 3; do
    create frontend $n "$LINK cycles=2"
    introduce frontend.$n backend.1
    wait_end frontend.$n
    until=$(now_ns)
    noticed frontend-$n-ended backend.1 $n end 1 "$GONE"
done
create frontend 4 "$LINK cycles=2 stop_at=finished"
introduce frontend.4 backend.1
finished frontend.4
for n in 1 2 3; do
    shutdown backend.$n
    until=$(now_ns)
    noticed backend-$n-ended frontend.4 $n end 1 "$GONE"
    create backend $((n + 1)) "$LINK"
    introduce frontend.4 backend.$((n + 1))
    wait_line frontend.4 $((n + 1)) '^@T up '
done
snapshot idle
shutdown frontend.4
shutdown backend.4
snapshot after
