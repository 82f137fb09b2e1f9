//! The slips of the shipped endpoint (`channel/src/slips.rs`) that break what the session's model
//! judges, each found by the very search that forgets, puts off and counts nothing. Slips are chosen
//! for a whole process, so all of them are one test. What looks at what a search forgets is found by
//! a search that does not.

use channel::slips::{Slip, choose};
use tests::model::session::world::{MESSAGES_UNBOUNDED, Sameness, UNBOUNDED};
use tests::model::session::{Broken, Session};
use tests::model::{Finding, Wrong, check};

/// More states than any search here needs.
const LIMIT: usize = 1_000_000;

/// A slip, where it is looked for, and whether what is found is what it leads to.
type Case = (Slip, Session, fn(&Finding) -> bool);

/// Nothing but two ends that start.
fn plain() -> Session {
    Broken::Nothing.model()
}

/// Any number of messages, restarts and false verdicts.
fn busy() -> Session {
    let mut model = plain();
    (model.bounds.messages, model.bounds.faults) = (MESSAGES_UNBOUNDED, UNBOUNDED);
    model
}

/// One message, and all worlds told apart.
fn every_difference() -> Session {
    let mut model = plain();
    (model.bounds.messages, model.bounds.sameness) = (1, Sameness::Equal);
    model
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release")]
fn slips_of_the_shipped_endpoint_are_found() {
    let is_delivery = |found: &Finding| matches!(found, Finding::Unsafe(Wrong::Delivered(_)));
    let cases: [Case; 8] = [
        (Slip::EchoNotRequired, plain(), |found| *found == Finding::WritesForEver),
        (Slip::RedrawsOnNews, plain(), |found| *found == Finding::Stuck),
        (Slip::PermitOnce, plain(), |found| *found == Finding::Stuck),
        (Slip::HelloOnce, plain(), |found| *found == Finding::Stuck),
        (Slip::EpochKept, busy(), |found| *found == Finding::Unsafe(Wrong::EpochUsedTwice)),
        (Slip::AckOffByOne, busy(), |found| *found == Finding::Unsafe(Wrong::Acknowledged)),
        (Slip::UnknownForgotten, busy(), |found| *found == Finding::Unsafe(Wrong::HandedBack)),
        (Slip::Redelivery, every_difference(), is_delivery),
    ];
    for (slip, model, is_expected) in cases {
        choose(Some(slip));
        let outcome = check(&model, LIMIT, |_| {});
        choose(None);
        let (finding, _) = outcome.finding.unwrap_or_else(|| panic!("{slip:?} is not found"));
        assert!(is_expected(&finding), "{slip:?}: {finding:?}");
    }
}
