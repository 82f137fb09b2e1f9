# A hostile image plays a frontend to our backend and tells every lie it knows. The victim has a second
# link, to an honest frontend, which must notice nothing.
victim=backend.1 liar=hostile.1
. ./scenarios/hostile_checks.sh
snapshot before
create backend 1 "link=a,b"
create frontend 1 "link=b cycles=0 rest_ms=100 bytes=16384"
create hostile 1 "link=a role=first seed=${SEED-1}"
introduce frontend.1 backend.1 b
introduce hostile.1 backend.1 a
wait_end hostile.1
common back
said connect back '^@T refused link=a .* reason=bad-grant'
said header back '^@T down link=a reason=fenced'
said revoke back '^@T down link=a '
honest back frontend.1
shutdown frontend.1
shutdown backend.1
snapshot after
