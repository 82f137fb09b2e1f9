# The backend is destroyed at every named step of its life; the frontend lives through it all.
. ./faults.sh
killed_at_steps backend "$BACKEND_STEPS"
