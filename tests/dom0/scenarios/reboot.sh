# Each side in turn is told to reboot while data move: it ends its connection, then itself, and is
# started again by the toolstack; introduced anew, both go on.
snapshot before
create backend 1 "link=a"
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
reboot frontend.1 frontend.2
introduce frontend.2 backend.1
wait_line frontend.2 2 '^@T up link=a '
done=$(count frontend.2 '^@T cycle .* ok=1')
wait_line frontend.2 $((done + CYCLES)) '^@T cycle .* ok=1'
reboot backend.1 backend.2
introduce frontend.2 backend.2
wait_line backend.2 3 '^@T up link=a '
done=$(count frontend.2 '^@T cycle .* ok=1')
wait_line frontend.2 $((done + CYCLES)) '^@T cycle .* ok=1'
shutdown frontend.2
snapshot idle
shutdown backend.2
snapshot after
