# The smallest image: boots, reads a key, powers off.
snapshot before
create hello 1
wait_end hello.1
snapshot after
