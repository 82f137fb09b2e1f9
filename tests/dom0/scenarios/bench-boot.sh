# How long a back of the image `bench` takes from its first instruction to its first word to
# xenstore.
snapshot before
for n in 1 2 3; do
    create bench $n "link=a role=second selftest=off beat_ms=60000"
    wait_line bench.$n 1 'waiting to be introduced'
    shutdown bench.$n
done
snapshot after
