# Destroyed in the middle of whatever goes on: either side, and both at once, at times that the seed
# decides. COURSE comes from tests/testbed/src/runs/faults.rs: WHO:MILLISECONDS, a word for each time.
. ./faults.sh
snapshot before
fe=1 be=1
create backend 1 "$LINK"
create frontend 1 "$LINK cycles=0"
pair frontend.1 backend.1
for turn in $COURSE; do
    who=${turn%:*} ms=${turn#*:}
    sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
    case $who in
        frontend)
            lost=$(($(downs backend.$be) + 1))
            kill_now frontend.$fe
            noticed "frontend-destroyed-after-$ms-ms" backend.$be $lost destroy 1 "$GONE_CONNECTED"
            ;;
        backend)
            lost=$(($(downs frontend.$fe) + 1))
            kill_now backend.$be
            noticed "backend-destroyed-after-$ms-ms" frontend.$fe $lost destroy 1 "$GONE_CONNECTED"
            ;;
        both) kill_now frontend.$fe backend.$be ;;
        *) fail "unknown-turn-$turn" ;;
    esac
    [ "$who" = backend ] || { fe=$((fe + 1)) && create frontend $fe "$LINK cycles=0"; }
    [ "$who" = frontend ] || { be=$((be + 1)) && create backend $be "$LINK"; }
    pair frontend.$fe backend.$be
    [ "$who" != both ] || check "both-destroyed-after-$ms-ms" ok "the next two went through a cycle"
done
# The last frontend ends in order, so that what it holds then is told.
kill_now frontend.$fe
fe=$((fe + 1))
create frontend $fe "$LINK cycles=3 stop_at=finished"
introduce frontend.$fe backend.$be
finished frontend.$fe
snapshot idle
shutdown frontend.$fe
shutdown backend.$be
snapshot after
