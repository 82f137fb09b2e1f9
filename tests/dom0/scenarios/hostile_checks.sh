# What a victim is to say of each lie, in one line: one check a kind. For hostile_frontend.sh and
# hostile_backend.sh, which set `victim` and `liar`; not a scenario of its own.

# said KIND SIDE PATTERN: the victim has named what was done to it.
said() {
    lied=$(count "$liar" "^@T lied kind=$1 ")
    named=$(count "$victim" "$3")
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
    downs=$(count "$victim" '^@T down link=b ')
    before=$(count "$2" '^@T cycle link=b .* ok=1')
    wait_line "$2" $((before + CYCLES)) '^@T cycle link=b .* ok=1'
    [ "$downs" = 0 ] && [ "$before" -gt 0 ] && seen=ok || seen=bad
    check "$1-serves-its-honest-peer" $seen "$before cycles meanwhile, $downs times down"
}

