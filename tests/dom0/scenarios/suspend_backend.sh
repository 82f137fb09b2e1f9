# The backend is saved while it has the frontend's page mapped, and restored as another domain: the
# frontend takes its page back, and both go on with new epochs.
snapshot before
create backend 1 "link=a"
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
wait_line frontend.1 "$CYCLES" '^@T cycle .* ok=1'
save backend.1 /tmp/backend.saved
wait_line frontend.1 1 '^@T down link=a '
restore backend.1 /tmp/backend.saved
wait_line backend.1 1 '^@T resumed .*restored=1'
introduce frontend.1 backend.1
wait_line frontend.1 2 '^@T up link=a '
done=$(grep -c '^@T cycle .* ok=1' "$(console_of frontend.1)")
wait_line frontend.1 $((done + CYCLES)) '^@T cycle .* ok=1'
shutdown backend.1
# The survivor may have begun the next connection: it gives that up when it notices.
wait_line frontend.1 2 '^@T down link=a '
snapshot idle
shutdown frontend.1
snapshot after
