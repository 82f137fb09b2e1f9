# The part of bench.sh that measures others: libxenvchan between two Linux domains, and Linux's blkfront
# against dom0's blkback. Each is timed first, and then repeated a few times while the daemon, where
# it can (C xenstored), writes down what it is asked: writing takes time.

# linux N OPTIONS: a Linux domain that plays a part.
linux() { create linux "$1" "console=hvc0 quiet $2"; }

# counted NAME on|off: the daemon writes down what it is asked, into out/NAME.
counted() {
    case $2 in
        on) xenstore-control logfile "/job/out/$1" >/dev/null 2>&1 && xenstore-control log on >/dev/null 2>&1 ;;
        off) xenstore-control log off >/dev/null 2>&1 ;;
    esac || say "this daemon does not write down what it is asked"
}

linux 1 "part=server cycles=$LINUX_CYCLES"
linux 2 "part=client cycles=$LINUX_CYCLES"
one=$(domid_of linux.1) two=$(domid_of linux.2)
xenstore-write "/local/domain/$one/data/peer" "$two" "/local/domain/$two/data/peer" "$one"
quiet_line linux.2 '@T timed' 2
counted requests.vchan on
xenstore-write "/local/domain/$two/data/count" 1
quiet_line linux.2 '@T verdict=' 5
counted requests.vchan off
wait_end linux.2
wait_end linux.1

insmod comparators/xen-blkback.ko || fail no-blkback
insmod comparators/brd.ko rd_nr=1 rd_size=4096 || fail no-block-device
linux 3 "part=block"
quiet_line linux.3 '@T ready' 2
sleep 2
comparators/blk "$(domid_of linux.3)" "$LINUX_CYCLES" 1:0 || fail no-blkfront
counted requests.blk on
comparators/blk "$(domid_of linux.3)" 5 1:0 >out/blk-counted || fail no-blkfront
counted requests.blk off
destroy linux.3
# blk made the folder for its backend's own, which libxl would make and keep.
xenstore-rm /local/domain/0/backend/vbd || fail no-backend-folder
