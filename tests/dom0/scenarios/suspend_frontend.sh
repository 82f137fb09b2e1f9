# The frontend is saved while it moves data, and restored as another domain: it says so, starts over
# with a new epoch, and goes on with the same backend, which has noticed its death meanwhile.
snapshot before
create backend 1 "link=a"
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
save frontend.1 /tmp/frontend.saved
wait_line backend.1 1 '^@T down link=a '
restore frontend.1 /tmp/frontend.saved
wait_line frontend.1 1 '^@T resumed .*restored=1'
introduce frontend.1 backend.1
wait_line frontend.1 2 '^@T up link=a '
done=$(grep -c '^@T cycle .* ok=1' "$(console_of frontend.1)")
wait_line frontend.1 $((done + CYCLES)) '^@T cycle .* ok=1'
shutdown frontend.1
snapshot idle
shutdown backend.1
snapshot after
