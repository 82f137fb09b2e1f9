# How a connect costs the more, the more links its back has: a part of bench.sh by itself.
. ./scenarios/bench-pairs.sh
snapshot before
many
snapshot after
