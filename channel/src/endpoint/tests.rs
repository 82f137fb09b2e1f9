//! The session's rules, one test for each, the readings of them that were found wrong, and random
//! lives of two ends. [`pair`] is the world they run in: two mailboxes and requests that are
//! answered when a test says so.

mod counterexamples;
mod pair;
mod random;
mod rules;
mod rules_up;
