//! Counts, as guests print them.

use std::collections::BTreeMap;

use crate::evaluation::figures::{Events, StageCounts, WakeUps};
use crate::output::facts::Fact;

/// Hypercalls that wait for something: how many there are says how busy the others were.
pub(crate) const WAITS: [&str; 1] = ["hc.sched.poll"];

/// The hypercalls that do something: how often one waits says how busy the others were.
pub(crate) fn hypercalls_but_waits(counts: &StageCounts) -> u64 {
    let is_wait = |name: &str| WAITS.iter().any(|wait| wait.strip_prefix("hc.") == Some(name));
    counts.hypercalls.iter().filter(|(name, _)| !is_wait(name)).map(|(_, count)| count).sum()
}

/// The counts of one line.
pub(crate) fn counts(fact: &Fact) -> StageCounts {
    let with_prefix = |prefix: &str| -> BTreeMap<String, u64> {
        let pairs = fact.pairs.iter();
        pairs
            .filter_map(|(key, value)| {
                Some((key.strip_prefix(prefix)?.to_string(), value.parse().ok()?))
            })
            .collect()
    };
    // A count of zero is not printed.
    let pair = |left: &str, right: &str| match (fact.number(left), fact.number(right)) {
        (None, None) => None,
        (left, right) => Some((left.unwrap_or(0), right.unwrap_or(0))),
    };
    StageCounts {
        xs_requests: with_prefix("xs."),
        xs_events: pair("events.useful", "events.spurious")
            .map(|(useful, spurious)| Events { useful, spurious }),
        xs_events_all: fact.number("events"),
        doorbells: fact.number("doorbells"),
        wakeups: pair("wakeups.useful", "wakeups.empty")
            .map(|(useful, empty)| WakeUps { useful, empty }),
        hypercalls: with_prefix("hc."),
    }
}
