# The steps that scenarios are made of; job.sh reads this file and then one of scenarios/.
#
# A domain is called ROLE.N: the role names its image and configuration, N counts its incarnations.
# A step that does not come to its end ends the job with `fail`.

say() { echo "job: $*"; }

# fail REASON-WITH-DASHES [WORDS FOR PEOPLE]
fail() {
    echo "@J fail reason=$1"
    shift
    [ $# -eq 0 ] || say "$*"
    exit 5
}

# check NAME ok|bad [DETAIL]: one line of the report.
check() {
    name=$1 ok=0
    [ "$2" != ok ] || ok=1
    shift 2
    echo "@J check name=$name ok=$ok detail=$*"
}

# The clock of dom0's kernel, in nanoseconds. It is the `xen` clock source, unadjusted: Xen's system
# time, which the guests read too, less what it was when dom0 started. Read without a fork.
now_ns() {
    { read -r _ && read -r _ && read -r _ _ now _; } </proc/timer_list
    echo "$now"
}

# Says between which two values that difference lies. Xen stamps its own log with its time since
# boot (console_timestamps=boot), in microseconds: something that makes it log one line, between two
# readings of dom0's clock, bounds the difference from both sides; three bounds are intersected.
# `xl debug-keys` is there on every host, and takes 25 ms. The bed has a PCI device that nobody uses
# (JOB_PCI_DEVICE): taking it away and back makes Xen say so, and takes 4 ms.
# Not measured, and not said, on a host whose Xen does not stamp its log. A job with UNTIMED does without.
put_clock() {
    grep -q '^xen' /sys/devices/system/clocksource/clocksource0/current_clocksource || return 0
    low='' high=''
    for _ in 1 2 3; do
        before=$(now_ns)
        if [ -n "${JOB_PCI_DEVICE-}" ]; then
            echo 1 >"/sys/bus/pci/devices/$JOB_PCI_DEVICE/remove"
            after=$(now_ns) line="PCI remove device $JOB_PCI_DEVICE"
            echo 1 >/sys/bus/pci/rescan
        else
            xl debug-keys t
            after=$(now_ns) line='Synced stime '
        fi
        stamp=$(xl dmesg | sed -n "s/^(XEN) \\[ *\\([0-9]*\\)\\.\\([0-9]\\{6\\}\\)\\] $line.*/\\1\\2000/p" | tail -n 1)
        [ -n "$stamp" ] || return 0
        [ -n "$low" ] && [ "$low" -gt $((stamp - after)) ] || low=$((stamp - after))
        [ -n "$high" ] && [ "$high" -lt $((stamp - before)) ] || high=$((stamp - before))
    done
    # The middle, for steps that compare the clocks themselves.
    clock_ns=$((low + (high - low) / 2))
    echo "@J clock low=$low high=$high"
}

# Names of the living domains of this run.
living() {
    for name in $(cat out/names 2>/dev/null); do
        alive "$name" && echo "$name"
    done
}
domid_of() { read -r domid <"out/$1.domid" && echo "$domid"; }

# Only "there" (0) and "not there" (1) are answers: a tool that did not get so far is asked again.
# Under the real clock programs of dom0 were seen to end by a signal or in their loader.
alive() {
    for _ in 1 2 3; do
        xenstore-exists "/local/domain/$(domid_of "$1")" 2>/dev/null
        answer=$?
        [ $answer -gt 1 ] || return $answer
        say "xenstore-exists ended with $answer; asking again" >&2
    done
    fail xenstore-exists-fails "xenstore-exists gives no answer" >&2
}

# Who writes down what guests print: xenconsoled where it was told to (the bed's is; Debian's is not
# unless /etc/default/xen says so), else an `xl console` of our own, attached before a guest runs.
choose_consoles() {
    [ -z "${CONSOLES-}" ] || return 0
    CONSOLES=attach
    for line in /proc/[0-9]*/cmdline; do
        case $(tr '\0' ' ' <"$line" 2>/dev/null) in
            *xenconsoled*--log=guest* | *xenconsoled*--log=all*) CONSOLES=logged ;;
        esac
    done
}
console_of() {
    if [ "$CONSOLES" = attach ]; then
        echo "out/$1.console"
        return
    fi
    # The bed's folder and Debian's.
    for folder in /var/log/xen/console /var/log/xen; do
        [ ! -f "$folder/guest-$1.log" ] || { echo "$folder/guest-$1.log"; return; }
    done
    echo "/var/log/xen/guest-$1.log"
}
# attach NAME: it has nothing to say to the guest, and must not see the end of its input.
attach() {
    [ -p out/silence ] || mkfifo out/silence
    xl console -t pv "$(domid_of "$1")" <>out/silence >"out/$1.console" 2>"out/$1.attach" &
    sleep 0.5
    xl unpause "$(domid_of "$1")"
}

# create ROLE N [OPTIONS]: starts a domain with the role's configuration as it is, but for its name,
# the image's place and, where told, the image's options.
create() {
    role=$1 name=$1.$2 options=${3-}
    rm -f "/var/log/xen/guest-$name.log" "/var/log/xen/console/guest-$name.log" "/var/log/xen/xl-$name.log"
    say "creating $name${options:+ with $options}"
    t0=$(now_ns)
    set -- "xl/$role.cfg" "name=\"$name\"" "kernel=\"$IMAGES/$role.elf\""
    [ -z "$options" ] || set -- "$@" "extra=\"$options\""
    [ "$CONSOLES" != attach ] || set -- -p "$@"
    xl create -q "$@" >"out/create-$name.txt" 2>&1 || {
        cat "out/create-$name.txt"
        fail "create-failed-$name"
    }
    done=$(now_ns)
    note_domid "$name"
    echo "$name" >>out/names
    [ "$CONSOLES" != attach ] || attach "$name"
    echo "@J domain role=$role n=${name##*.} domid=$(domid_of "$name") t0=$t0 done=$done"
}

# again COMMAND...: once more where a tool of dom0 ended by a signal, which says nothing about guests.
again() {
    "$@"
    code=$?
    [ $code -gt 128 ] || return $code
    say "$1 $2 ended with $code; asking again"
    "$@"
}

# pause NAME: from `since` on it does not run. unpause NAME: from `until` on it does; for how long it did
# not is told. One that ended by itself is not there to be paused.
pause() {
    say "pausing $1"
    now_ns >"out/$1.paused"
    again xl pause "$(domid_of "$1")" || ! alive "$1" || fail "pause-failed-$1"
    since=$(now_ns) until=$(now_ns)
}
unpause() {
    say "unpausing $1"
    again xl unpause "$(domid_of "$1")" || ! alive "$1" || fail "unpause-failed-$1"
    until=$(now_ns)
    act pause "name=$1 ns=$((until - $(cat "out/$1.paused")))"
}

# The store daemon's process, the same before and after a live update.
# (The bed's file, and Debian's.)
daemon_pid() { cat /run/xen/xenstored.pid 2>/dev/null || cat /run/xenstore.pid; }

# daemon_kind: which of the two store daemons runs, c or ocaml.
daemon_kind() {
    case $(readlink "/proc/$(daemon_pid)/exe") in
        *oxenstored) echo ocaml ;;
        *) echo c ;;
    esac
}

# stall SECONDS: the store daemon does not run, and neither does any tool that asks it.
stall() {
    say "stopping xenstored for $1 s"
    before=$(now_ns)
    kill -STOP "$(daemon_pid)"
    sleep "$1"
    kill -CONT "$(daemon_pid)"
    act stall "ns=$(($(now_ns) - before))"
}

# live_update [OPTIONS]: the store daemon is replaced by a new process image in the run, with other
# options where there are any.
live_update() {
    say "live update of xenstored${1:+ with $1}"
    xenstore-control live-update ${1:+-c "$1"} "$(readlink -f "/proc/$(daemon_pid)/exe")" ||
        fail live-update-failed
}

# link_node NAME LINK: where a domain's introduction for a link is; its mailbox is `box` below.
link_node() {
    crc=$(printf %s "$2" | cksum)
    printf '/local/domain/%s/data/tether/%x/%s' "$(domid_of "$1")" $((${crc%% *} % 16)) "$2"
}

# remove_mailbox NAME LINK: as a peer that misbehaves can, which may write it; where there is one.
remove_mailbox() {
    say "removing the mailbox of $1"
    ! xenstore-rm "$(link_node "$1" "$2")/box" 2>/dev/null || act remove-mailbox "name=$1 link=$2"
}

# introduce FE BE [LINK]
introduce() {
    say "introducing $1 and $2"
    sh xl/introduce "$(domid_of "$1")" "$(domid_of "$2")" ${3:+"$3"} || fail introduce-failed
}

# link_names COUNT: l1,l2,... as an image takes them.
link_names() {
    names=l1 number=1
    while [ $number -lt "$1" ]; do
        number=$((number + 1))
        names=$names,l$number
    done
    echo "$names"
}

# wait_line NAME COUNT PATTERN: until NAME's console has COUNT lines that match.
wait_line() {
    left=$((PATIENCE_S * 10)) state=alive
    while :; do
        found=$(count "$1" "$3")
        [ "${found:-0}" -lt "$2" ] || return 0
        [ $state = alive ] || fail "ended-early-$1" "$1 ended before line $2 of: $3"
        left=$((left - 1))
        [ $left -gt 0 ] || fail "waited-too-long-for-$1" "no line $2 of: $3"
        # To ask xenstored costs more than to look: once a second will do. What has ended is looked at
        # once more, so that its last line is not missed.
        [ $((left % 10)) -ne 0 ] || alive "$1" || state=gone
        [ $state = gone ] || sleep 0.1
    done
}

# wait_end NAME: until the domain has ended by itself and is gone.
wait_end() {
    left=$((PATIENCE_S * 10))
    while alive "$1"; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "still-running-$1"
        sleep 0.1
    done
    how=running
    # The reason codes of SCHEDOP_shutdown (xen/include/public/sched.h), as xl's own log has them.
    case $(sed -n 's/.*has shut down, reason code \([0-9]*\).*/\1/p' "/var/log/xen/xl-$1.log" 2>/dev/null | tail -n 1) in
        0) how=poweroff ;;
        1) how=reboot ;;
        2) how=suspend ;;
        3) how=crash ;;
    esac
    [ $how != running ] || how=destroyed
    echo "@J gone name=$1 how=$how"
}

destroy() {
    say "destroying $1"
    xl destroy "$(domid_of "$1")" || fail "destroy-failed-$1"
    echo "@J gone name=$1 how=destroyed"
}

# shutdown NAME: asks, by control/shutdown, and waits.
shutdown() {
    say "shutting down $1"
    xl shutdown "$(domid_of "$1")" >/dev/null || fail "shutdown-failed-$1"
    wait_end "$1"
}

# note_domid NAME: from the log of the xl that stays to watch the domain: one that lives for
# milliseconds is gone before it could be asked for by name.
note_domid() {
    tries=0
    until sed -n 's/^Waiting for domain .* (domid \([0-9]*\)) to die.*/\1/p' "/var/log/xen/xl-$1.log" 2>/dev/null |
        tail -n 1 | grep . >"out/$1.domid"; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || fail "no-domid-$1"
        sleep 0.05
    done
    # Every domain of this run, for the leak check and for the end: others may live on the host.
    cat "out/$1.domid" >>out/domids
}

# save NAME FILE [xl save's options]: suspends the domain and keeps it as a file. It is gone then,
# unless it was told otherwise.
save() {
    name=$1 file=$2
    shift 2
    say "saving $name${*:+ ($*)}"
    xl save "$@" "$(domid_of "$name")" "$file" >"out/save-$name.txt" 2>&1 || {
        cat "out/save-$name.txt"
        fail "save-failed-$name"
    }
    say "saved $name in $(wc -c <"$file") bytes"
}

# restore NAME FILE: a domain with what the file holds, under NAME, which is a name of `create` or
# like one. A console that was begun under this name goes on.
restore() {
    name=$1 role=${1%.*}
    say "restoring $name"
    rm -f "/var/log/xen/xl-$name.log"
    # xl wants the configuration again, for another name than the saved one.
    { cat "xl/$role.cfg" && printf 'name="%s"\nkernel="%s"\n' "$name" "$IMAGES/$role.elf"; } >"out/$name.cfg"
    xl restore -p "out/$name.cfg" "$2" >"out/restore-$name.txt" 2>&1 || {
        cat "out/restore-$name.txt"
        fail "restore-failed-$name"
    }
    note_domid "$name"
    if ! grep -qx "$name" out/names; then
        echo "$name" >>out/names
        echo "@J domain role=$role n=${name##*.} domid=$(domid_of "$name")"
    fi
    if [ "$CONSOLES" = attach ]; then
        attach "$name"
    else
        xl unpause "$(domid_of "$name")"
    fi
}

# reboot NAME NEW: asks, by control/shutdown, and waits until the xl that watches the domain has
# started it again, as its configuration says. For the report that is another incarnation, NEW,
# though xl knows it by the old name, and both write to one console.
reboot() {
    say "rebooting $1"
    xl reboot "$(domid_of "$1")" >/dev/null || fail "reboot-failed-$1"
    wait_end "$1"
    log=/var/log/xen/xl-$1.log left=$((PATIENCE_S * 10))
    while [ "$(grep -c '^Waiting for domain' "$log")" -lt 2 ]; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "not-started-again-$1"
        sleep 0.1
    done
    ln -sf "$log" "/var/log/xen/xl-$2.log"
    ln -sf "$(console_of "$1")" "$(console_of "$2")"
    note_domid "$2"
    echo "$2" >>out/names
    echo "$1" >"out/$2.follows"
    echo "@J domain role=${2%.*} n=${2##*.} domid=$(domid_of "$2")"
}

# shutdown_unwatched NAME: the same for a domain that was checkpointed. The xl that watched it has
# taken that for its end and is gone (xl_vmcontrol.c, handle_domain_death), so nobody takes the
# domain away when it has ended.
shutdown_unwatched() {
    say "shutting down $1, which nobody watches"
    xl shutdown "$(domid_of "$1")" >/dev/null || fail "shutdown-failed-$1"
    left=$((PATIENCE_S * 10))
    until xl list "$(domid_of "$1")" | tail -n 1 | grep -q ' ---s-- '; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "still-running-$1"
        sleep 0.1
    done
    code=$(xl list -v "$(domid_of "$1")" | awk 'END { print $8 }')
    [ "$code" = 0 ] && how=poweroff || how="code-$code"
    xl destroy "$(domid_of "$1")" || fail "destroy-failed-$1"
    echo "@J gone name=$1 how=$how"
}

# snapshot LABEL: what exists, for the leak check. `g` lists every grant, `e` every event channel.
snapshot() {
    say "snapshot: $1"
    mkdir -p "out/$1"
    xl list >"out/$1/domains"
    xenstore-ls -fp >"out/$1/nodes"
    xl debug-keys ge
    # Xen's log from the last dump on.
    xl dmesg | awk "/key 'g' pressed/ { n = 0 } { line[n++] = \$0 } END { for (i = 0; i < n; i++) print line[i] }" >"out/$1/xen"
    echo "@J snapshot name=$1"
}

keep_logs() {
    for name in $(cat out/names 2>/dev/null); do
        [ "$CONSOLES" = attach ] ||
            cp "$(console_of "$name")" "out/$name.console" 2>/dev/null || : >"out/$name.console"
        cp "/var/log/xen/xl-$name.log" "out/$name.xl" 2>/dev/null
        # The console of a domain that was started again: what each incarnation has said begins so.
        if former=$(cat "out/$name.follows" 2>/dev/null); then
            cp "out/$name.console" out/both
            # The second may stand behind a line that was cut off, which stays so: the cut is by bytes.
            bytes=$(LC_ALL=C awk '{ at = match($0, /@T boot image=/) }
                at && ++n == 2 { print before + at - 1; exit }
                { before += length($0) + 1 }' out/both)
            bytes=${bytes:-$(wc -c <out/both)}
            head -c "$bytes" out/both >"out/$former.console"
            tail -c +$((bytes + 1)) out/both >"out/$name.console"
        fi
    done
}

# expect NAME VERDICT: what NAME is to say at its end, where that is not SUCCESS.
expect() { echo "@J expect name=$1 verdict=$2"; }

# What campaigns say for their judge: the beats of all their domains, and each thing that was done.
beats() { echo "@J beats ms=$1 limit=$2"; }
act() { echo "@J act kind=$*"; }

# meet FE BE LINK: introduces them, unless one has ended by itself meanwhile.
meet() {
    if sh xl/introduce "$(domid_of "$1")" "$(domid_of "$2")" "$3"; then
        act introduce "fe=$1 be=$2 link=$3"
    else
        ! alive "$1" || ! alive "$2" || fail introduce-failed
    fi
}

# whole_lines NAME: of NAME's console. What follows the last newline is a line that is being written, or
# one in the middle of which the domain was destroyed.
whole_lines() {
    printed=$(console_of "$1")
    [ ! -f "$printed" ] || head -n "$(wc -l <"$printed")" "$printed"
}

# count NAME PATTERN: how many lines of NAME's console match.
count() { whole_lines "$1" | grep -c -e "$2"; }

# is_up NAME LINK: by what it said last.
is_up() {
    last=$(whole_lines "$1" | grep -e "^@T up link=$2 " -e "^@T down link=$2 " | tail -n 1)
    case $last in '@T up '*) return 0 ;; esac
    return 1
}

# await_down NAME LINK
await_down() {
    left=$((PATIENCE_S * 10))
    while is_up "$1" "$2"; do
        left=$((left - 1))
        [ $left -gt 0 ] || fail "$1-does-not-notice"
        sleep 0.1
    done
}
