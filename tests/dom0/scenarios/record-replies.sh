# The store-recorder plays its script against this daemon, as dom0 and through relays, and leaves the
# record in out/replies; with STEPS, only so many steps. It tells here which domains it wants made and destroyed.
mkfifo out/wishes out/granted
# Either end of a FIFO waits for the other: the same order on both sides.
programs/store-recorder out/replies ${STEPS-} >out/wishes <out/granted 2>out/recorder.err &
recorder=$!
exec 3<out/wishes
exec 4>out/granted
ended='' update=''
while read -r wish what <&3; do
    case $wish in
        progress) say "$what"; continue ;;
        create)
            create xenstore-relay "$what" selftest=off
            [ "$(domid_of "xenstore-relay.$what")" = "$what" ] ||
                fail unexpected-domid "the script calls domains by the numbers of a fresh bed"
            ;;
        destroy) destroy "xenstore-relay.$what" ;;
        update)
            # Not waited for: it waits for a transaction of the script.
            if [ "$(daemon_kind)" = c ]; then
                live_update 3<&- 4>&- &
                update=$!
            fi
            ;;
        end) ended=yes ;;
    esac
    echo done >&4
done
exec 3<&- 4>&-
wait $recorder || fail recorder-failed "$(cat out/recorder.err)"
[ -n "$ended" ] || fail recorder-ended-early
[ -z "$update" ] || wait "$update" || fail live-update-failed
rm out/wishes out/granted
wait_end xenstore-relay.1
wait_end xenstore-relay.2
