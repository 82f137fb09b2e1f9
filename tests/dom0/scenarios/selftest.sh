# Both images test the machine at boot, and do nothing else.
create backend 1 "selftest=only"
create frontend 1 "selftest=only"
wait_end backend.1
wait_end frontend.1
