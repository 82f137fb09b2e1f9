# Two images of 2 MiB with as many links between them as an image takes; one link more is refused by
# name.
N=100
snapshot before
create backend 1 "link=$(link_names $N) selftest=off"
create frontend 1 "link=$(link_names $N) bytes=4096 cycles=2 stop_at=finished selftest=off"
number=0
while [ $number -lt $N ]; do
    number=$((number + 1))
    introduce frontend.1 backend.1 l$number
done
wait_line frontend.1 1 '^@T stopped step=finished'
served=$(count backend.1 '^@T served .* ok=1')
[ "$served" = $((2 * N)) ] && seen=ok || seen=bad
check every-link-is-served $seen "$served connections"
snapshot idle
shutdown frontend.1
shutdown backend.1
create backend 2 "link=$(link_names $((N + 1)))"
expect backend.2 ERROR
wait_end backend.2
[ "$(count backend.2 "^@T verdict=ERROR reason=link-l$((N + 1))-is-one-too-many")" = 1 ] && seen=ok || seen=bad
check the-link-too-many-is-named $seen
snapshot after
