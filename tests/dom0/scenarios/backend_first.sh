# The backend is there long before the frontend, and serves it as soon as they are introduced.
snapshot before
create backend 1 "link=a"
wait_line backend.1 1 'waiting to be introduced'
sleep 10
create frontend 1 "link=a cycles=$CYCLES"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
wait_end frontend.1
shutdown backend.1
snapshot after
