# Both images restart their endpoints in place again and again, as modules that are unloaded and
# loaded; whenever they do, each looks at what it still holds, and nothing may be left. The frontend
# restarts more often than the backend, so that each is the one that the other finds anew.
snapshot before
create backend 1 "link=a restart_every=5"
create frontend 1 "link=a bytes=65536 restart_every=2 cycles=$((CYCLES * 5)) stop_at=finished"
introduce frontend.1 backend.1
wait_line frontend.1 1 '^@T stopped step=finished'
for name in frontend.1 backend.1; do
    times=$(count $name '^@T restarted ')
    [ "$times" -ge "$CYCLES" ] && seen=ok || seen=bad
    check "restarts-of-${name%.1}" $seen "$times times"
done
snapshot idle
shutdown frontend.1
shutdown backend.1
snapshot after
