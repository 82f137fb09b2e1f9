# The backend is destroyed in the middle of a connection, at the step where it has said that it
# serves. The frontend says so, takes its pages back, and goes on with the next backend.
snapshot before
create backend 1 "link=a stop_at=serving:2"
create frontend 1 "link=a cycles=$CYCLES stop_at=finished"
introduce frontend.1 backend.1
wait_line backend.1 1 '^@T stopped link=.* step=serving'
destroy backend.1
wait_line frontend.1 1 '^@T down link=a '
create backend 2 "link=a"
introduce frontend.1 backend.2
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
wait_line frontend.1 1 '^@T stopped step=finished'
snapshot idle
shutdown frontend.1
shutdown backend.2
snapshot after
