# The main job: connect, move data, disconnect, for CYCLES cycles; then each side is destroyed in
# the middle of a connection and created again, the other living on; then nothing may be left.
snapshot before

create backend 1
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'

destroy frontend.1
# More pages a connection: a ring-full is larger, so the same bytes take fewer turns.
create frontend 2 "link=a cycles=$((CYCLES * 2)) pages=8 stop_at=finished"
introduce frontend.2 backend.1
wait_line frontend.2 "$CYCLES" '^@T cycle .* ok=1'

destroy backend.1
create backend 2
introduce frontend.2 backend.2
wait_line frontend.2 1 '^@T stopped step=finished'

# Both live, nothing is connected: each holds what it was born with and no more.
snapshot idle
shutdown frontend.2
shutdown backend.2
snapshot after
