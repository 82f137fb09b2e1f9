# Either side is paused: for less than the limit, which nobody may notice; for longer, when the other
# takes it for dead, and unpaused it has to find that out, touch nothing, and start over. First while
# bytes are under way, then while the link is up and idle. Between the two the case that is easily got
# wrong: the frontend does not run while its backend is destroyed and another one takes its place.
. ./faults.sh
SHORT_S=1 # 2 beats
LONG_S=6  # 12 beats
HANG=$((BEAT_LIMIT + 1))
# Where the last beat was seen: a connection that has just begun has none in the page yet.
SILENT='beats-missed/page beats-missed/register'
# A connection's bytes take longer than it takes to pause somebody in the middle of them.
LONG_LINK="link=a beat_ms=$BEAT_MS beat_limit=$BEAT_LIMIT bytes=8388608 selftest=off log=debug"
in_mid_connection() { more frontend.1 1 'link a: connected'; }

# paused_short WHO: for 2 of the 4 beats that mean death.
paused_short() {
    pause "$1"
    sleep $SHORT_S
    unpause "$1"
}

snapshot before
create backend 1 "$LONG_LINK"
create frontend 1 "$LONG_LINK cycles=0"
introduce frontend.1 backend.1

for who in backend frontend; do
    in_mid_connection
    paused_short $who.1
    good_cycles frontend.1 1
    untouched connected-short-pause-of-$who-front frontend.1 0
    untouched connected-short-pause-of-$who-back backend.1 0
done

# The backend keeps the frontend's page mapped while it does not run.
in_mid_connection
pause backend.1
noticed connected-backend-hangs frontend.1 1 hang $HANG "$SILENT"
quarantined its-page-is-out-of-use frontend.1 1
sleep $LONG_S
unpause backend.1
noticed connected-backend-finds-itself-fenced backend.1 1 unpause 1 'fenced/page port-unbound/port'
quarantined its-page-is-given-back frontend.1 0
good_cycles frontend.1 1
untouched connected-frontend-was-down-once frontend.1 1

in_mid_connection
pause frontend.1
noticed connected-frontend-hangs backend.1 2 hang $HANG "$SILENT"
sleep $LONG_S
unpause frontend.1
noticed connected-frontend-finds-itself-dead frontend.1 2 unpause 1 \
    'port-unbound/port peer-restarted/register'
good_cycles frontend.1 1
untouched connected-backend-was-down-twice backend.1 2

# The frontend does not run while its backend is destroyed and created again.
in_mid_connection
pause frontend.1
kill_now backend.1
create backend 2 "$LONG_LINK"
unpause frontend.1
introduce frontend.1 backend.2
good_cycles frontend.1 1
untouched replaced-behind-its-back frontend.1 3

# Up and idle: beats travel in the registers.
kill_now frontend.1
create frontend 2 "$LINK cycles=2 stop_at=finished"
introduce frontend.2 backend.2
finished frontend.2
lost=$(downs backend.2) ups=$(count backend.2 '^@T up ')
for who in backend frontend; do
    paused_short $who.2
    sleep $LONG_S
    untouched idle-short-pause-of-$who-front frontend.2 0
    untouched idle-short-pause-of-$who-back backend.2 "$lost"
done
pause backend.2
noticed idle-backend-hangs frontend.2 1 hang $HANG 'beats-missed/register'
unpause backend.2
noticed idle-backend-finds-itself-dead backend.2 $((lost + 1)) unpause 1 'peer-restarted/register'
wait_line frontend.2 2 '^@T up '
wait_line backend.2 $((ups + 1)) '^@T up '
pause frontend.2
noticed idle-frontend-hangs backend.2 $((lost + 2)) hang $HANG 'beats-missed/register'
unpause frontend.2
noticed idle-frontend-finds-itself-dead frontend.2 2 unpause 1 'peer-restarted/register'
wait_line frontend.2 3 '^@T up '
wait_line backend.2 $((ups + 2)) '^@T up '
snapshot idle
shutdown frontend.2
shutdown backend.2
snapshot after
