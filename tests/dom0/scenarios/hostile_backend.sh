# A hostile image plays a backend to our frontend and tells every lie it knows. The victim has a second
# link, to an honest backend, which must notice nothing.
victim=frontend.1 liar=hostile.1
. ./scenarios/hostile_checks.sh
snapshot before
create backend 1 "link=b"
create frontend 1 "link=a,b cycles=0 rest_ms=100 bytes=16384"
create hostile 1 "link=a role=second seed=${SEED-1}"
introduce frontend.1 backend.1 b
introduce frontend.1 hostile.1 a
wait_end hostile.1
common front
said header front '^@T down link=a '
honest front frontend.1
shutdown frontend.1
shutdown backend.1
snapshot after
