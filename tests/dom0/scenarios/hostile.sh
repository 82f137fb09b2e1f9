# A hostile image plays a frontend to our backend, and then a backend to our frontend, and tells every
# lie it knows. The victim has a second link, to an honest peer, which must notice nothing. What the
# victim is to say of each lie, in one line, is here: one check a kind and side.
SEED=${SEED-1}

# said KIND SIDE PATTERN: the victim has named what was done to it.
said() {
    lied=$(grep -c "^@T lied kind=$1 " "$(console_of "$liar")")
    named=$(grep -c -e "$3" "$(console_of "$victim")")
    [ "$lied" = 1 ] && [ "$named" -ge 1 ] && seen=ok || seen=bad
    check "$2-bears-$1" $seen "told $lied times, named in $named lines"
}

# common SIDE: the lies that both sides can be told.
common() {
    said garbage "$1" 'WARN: link a: mailbox-holds-garbage'
    said ack "$1" '^@T down link=a reason=protocol-ack-beyond-sent'
    said gap "$1" '^@T down link=a reason=protocol-gap'
    said message "$1" '^@T down link=a reason=protocol-bad-message'
    said children "$1" 'WARN: link a: stray-nodes-removed'
    said stale "$1" '^@T down link=a reason=peer-restarted'
    said indices "$1" "ERROR: link a: the peer's ring index jumped"
    said storm "$1" 'WARN: link a: its peer rings for nothing'
}

# honest SIDE: the other link has stayed up, and still serves.
honest() {
    downs=$(grep -c '^@T down link=b ' "$(console_of "$victim")")
    before=$(grep -c '^@T cycle link=b .* ok=1' "$(console_of "$2")")
    wait_line "$2" $((before + CYCLES)) '^@T cycle link=b .* ok=1'
    [ "$downs" = 0 ] && [ "$before" -gt 0 ] && seen=ok || seen=bad
    check "$1-serves-its-honest-peer" $seen "$before cycles meanwhile, $downs times down"
}

snapshot before
victim=backend.1 liar=hostile.1
create backend 1 "link=a,b"
create frontend 1 "link=b cycles=0 rest_ms=100 bytes=16384"
create hostile 1 "link=a role=first seed=$SEED"
introduce frontend.1 backend.1 b
introduce hostile.1 backend.1 a
wait_line hostile.1 1 '^@T verdict='
wait_end hostile.1
common back
said connect back '^@T refused link=a .* reason=bad-grant'
said header back '^@T down link=a reason=fenced'
said revoke back '^@T down link=a '
honest back frontend.1
shutdown frontend.1
shutdown backend.1

victim=frontend.2 liar=hostile.2
create backend 2 "link=b"
create frontend 2 "link=a,b cycles=0 rest_ms=100 bytes=16384"
create hostile 2 "link=a role=second seed=$SEED"
introduce frontend.2 backend.2 b
introduce frontend.2 hostile.2 a
wait_line hostile.2 1 '^@T verdict='
wait_end hostile.2
common front
said header front '^@T down link=a '
honest front frontend.2
shutdown frontend.2
shutdown backend.2
snapshot after
