# The frontend is destroyed while bytes are under way. The backend says so, and serves the next one.
snapshot before
create backend 1 "link=a"
create frontend 1 "link=a cycles=0 stop_at=streaming:2"
introduce frontend.1 backend.1
wait_line frontend.1 1 '^@T stopped link=.* step=streaming'
destroy frontend.1
wait_line backend.1 1 '^@T down link=a '
create frontend 2 "link=a cycles=$CYCLES"
introduce frontend.2 backend.1
wait_line frontend.2 "$CYCLES" '^@T cycle .* ok=1'
wait_end frontend.2
shutdown backend.1
snapshot after
