# Measures: pairs of the image `bench`, then the shipped pair and the smallest image, each several
# times, so that what is compared alternates in one boot. While anything is measured this script
# sleeps: what it did would be counted with it.
. ./scenarios/bench-pairs.sh

snapshot before
# A rest, the READs, and some 12 ms a cycle.
pair 1 "bytes=64 cycles=$CYCLES" $((5 + CYCLES / 60))
lab
many

# The shipped pair from its first instruction on, and the smallest image, which says what of the
# time before that instruction is the toolstack's.
for n in $BOOTS; do
    create hello "$n"
    wait_end "hello.$n"
    create backend "$n" "link=a selftest=off"
    create frontend "$n" "link=a selftest=off cycles=1 bytes=64"
    introduce "frontend.$n" "backend.$n"
    wait_end "frontend.$n"
    shutdown "backend.$n"
done
[ ! -f comparators/linux.gz ] || . ./scenarios/bench-linux.sh
traced
snapshot after
