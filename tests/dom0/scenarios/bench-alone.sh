# What one domain of the image `bench` measures by itself, in a minute instead of many.
snapshot before
create bench 1 "selftest=off role=alone"
wait_end bench.1
snapshot after
