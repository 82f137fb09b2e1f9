# The frontend is saved while it moves data, and restored as another domain.
. ./faults.sh
suspended frontend
