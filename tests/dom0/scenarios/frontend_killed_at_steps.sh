# The frontend is destroyed at every named step of its life; the backend lives through it all.
. ./faults.sh
killed_at_steps frontend "$FRONTEND_STEPS"
