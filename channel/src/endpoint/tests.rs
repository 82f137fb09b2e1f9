//! Tests of the session: one for each rule, misreadings that the model checker refuted, and random
//! runs of two endpoints. [`pair`] is the test environment: two mailboxes, and requests that a test
//! answers explicitly.

mod counterexamples;
mod pair;
mod random;
mod rules;
mod rules_up;
