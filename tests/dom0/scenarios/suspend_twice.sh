# One saved state of the frontend is started twice, and both live: no epoch of the one is an epoch of
# the other, nor of the frontend that was saved.
snapshot before
create backend 1 "link=a"
create backend 2 "link=a"
create frontend 1 "link=a cycles=0"
introduce frontend.1 backend.1
wait_line frontend.1 1 '^@T cycle .* ok=1'
save frontend.1 /tmp/frontend.saved
restore frontend.1 /tmp/frontend.saved
restore frontend.2 /tmp/frontend.saved
introduce frontend.1 backend.1
introduce frontend.2 backend.2
for name in frontend.1 frontend.2; do
    done=$(count $name '^@T cycle .* ok=1')
    wait_line $name $((done + CYCLES)) '^@T cycle .* ok=1'
done
for name in frontend.1 frontend.2; do
    whole_lines $name | sed -n 's/^@T up .* epoch=\([0-9a-f]*\) .*/\1/p'
done >out/epochs
ups=$(wc -l <out/epochs) different=$(sort -u out/epochs | wc -l)
[ "$ups" -ge 3 ] && [ "$ups" = "$different" ] && seen=ok || seen=bad
check no-epoch-is-shared $seen "$ups sessions, $different epochs"
for name in frontend.1 frontend.2 backend.1 backend.2; do
    shutdown $name
done
snapshot after
