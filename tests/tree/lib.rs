//! Nothing but tests, in tests/: what documents refer to exists.
