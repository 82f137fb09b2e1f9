# What data over a connection cost, and one domain by itself: minutes, where the whole of `bench`
# takes half an hour.
. ./scenarios/bench-pairs.sh
snapshot before
lab
snapshot after
