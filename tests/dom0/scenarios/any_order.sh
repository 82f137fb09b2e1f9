# Created and introduced in every order: the frontend first, the backend first, both at once; told of
# a domain that does not exist yet; told again while all is well; told of another one; and a mailbox
# that vanishes. Who is introduced comes up, and nothing is left.
. ./faults.sh
next_domid() { echo $(($(cat out/*.domid | sort -n | tail -n 1) + 1)); }
# created_as DOMID NAME: what was written before it existed was meant for it.
created_as() { [ "$(domid_of "$2")" = "$1" ] || fail "unforeseen-domid-$2"; }

snapshot before
# The frontend first, and long before there is a backend the permissions of its mailbox name it:
# they are void, and have to be set again later.
create frontend 1 "$LINK cycles=2 stop_at=finished"
expected=$(next_domid)
introduce_one frontend.1 "$expected" 1
sleep 6
create backend 1 "$LINK"
created_as "$expected" backend.1
introduce_one backend.1 "$(domid_of frontend.1)" 1
finished frontend.1
check frontend-introduced-long-before-its-backend ok

# The backend is there, is up with one frontend, and is told of another that does not exist yet.
expected=$(next_domid)
introduce_one backend.1 "$expected" 2
until=$(now_ns)
noticed introduced-to-another backend.1 1 introduction 1 reintroduced/introduction
sleep 6
create frontend 2 "$LINK cycles=2 stop_at=finished"
created_as "$expected" frontend.2
introduce_one frontend.2 "$(domid_of backend.1)" 2
finished frontend.2
check backend-introduced-long-before-its-frontend ok
kill_now frontend.1 frontend.2 backend.1

# Both at once; told again and again while connections come and go.
create frontend 3 "$LINK cycles=0" &
create backend 2 "$LINK" &
wait
[ -s out/frontend.3.domid ] && [ -s out/backend.2.domid ] || fail not-both-created
pair frontend.3 backend.2
for _ in 1 2 3; do
    introduce frontend.3 backend.2
    good_cycles frontend.3 2
done
untouched introduced-again-while-up-front frontend.3 0
untouched introduced-again-while-up-back backend.2 0

# A mailbox vanishes while its peer writes to it or not: the session may end, the link goes on.
for victim in frontend.3 backend.2; do
    for _ in 1 2 3; do
        remove_mailbox $victim a
        good_cycles frontend.3 3
    done
    check "without-its-mailbox-${victim%.*}" ok "$(downs frontend.3) sessions have ended so far"
done
kill_now frontend.3
create frontend 4 "$LINK cycles=2 stop_at=finished"
introduce frontend.4 backend.2
finished frontend.4
snapshot idle
shutdown frontend.4
shutdown backend.2
snapshot after
