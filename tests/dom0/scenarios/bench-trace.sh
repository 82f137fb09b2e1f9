# How often the images leave their processor to Xen, and why: a part of bench.sh by itself.
. ./scenarios/bench-pairs.sh
snapshot before
traced
snapshot after
