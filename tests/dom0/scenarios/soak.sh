# The soak: frontend.1 and backend.1 live through it all, each on a link of its own with a peer that
# stops at a step, is destroyed there and created again, as often as PLAN has lines: `front STEP:N` or
# `back STEP:N`, in turn (tests/testbed/src/runs/soak.rs). While one is created the other link carries bytes. All
# of them give their links up in order after some connections, as a module that is unloaded, and begin
# anew.
PATIENCE_S=60
plain="selftest=off beat_ms=200 beat_limit=4 bytes=$BYTES"
plain_front="$plain restart_every=$FRONT_RESTARTS" plain_back="$plain restart_every=$BACK_RESTARTS"
fronts=1 backs=1 front='' back='' deaths=0
beats 200 4

# Only these can be left at the end; to look for hundreds takes its time.
living() {
    for name in frontend.1 backend.1 $front $back; do
        [ -f "out/$name.domid" ] && alive "$name" && echo "$name"
    done
}

# end NAME: destroys it where it has stopped.
end() {
    [ -n "$1" ] || return 0
    left=$((PATIENCE_S * 20))
    until [ "$(count "$1" '^@T stopped ')" = 1 ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "$1-does-not-stop"
        sleep 0.05
    done
    act stop "name=$1"
    destroy "$1"
    act destroy "name=$1"
    deaths=$((deaths + 1))
    say "$deaths destroyed"
}

snapshot before
create backend 1 "link=a $plain_back"
create frontend 1 "link=b $plain_front cycles=0"
while read -r side step <&3; do
    case $side in
        front)
            end "$front"
            fronts=$((fronts + 1)) front=frontend.$fronts
            create frontend $fronts "link=a $plain_front cycles=0 stop_at=$step"
            meet $front backend.1 a
            ;;
        back)
            end "$back"
            backs=$((backs + 1)) back=backend.$backs
            create backend $backs "link=b $plain_back stop_at=$step"
            meet frontend.1 $back b
            ;;
    esac
done 3<<END
$PLAN
END
end "$front"
end "$back"
await_down backend.1 a
await_down frontend.1 b
snapshot idle
shutdown frontend.1
shutdown backend.1
snapshot after
