# A frontend that is never introduced waits, and ends in order when it is told to.
snapshot before
create frontend 1 "link=a cycles=5"
wait_line frontend.1 1 'waiting to be introduced'
shutdown frontend.1
snapshot after
