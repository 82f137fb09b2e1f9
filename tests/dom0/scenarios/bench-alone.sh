# What one domain of the image `bench` measures by itself, in seconds instead of minutes.
snapshot before
create bench 1 "selftest=off role=alone"
wait_end bench.1
snapshot after
