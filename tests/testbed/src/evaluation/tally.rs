//! What campaigns count: what dom0 did, and what the guests said happened.

use std::collections::BTreeMap;

use crate::evaluation::figures::Budget;
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// What was done, by dom0's word, and what was seen, by the guests'.
pub(crate) fn counts(facts: &[Fact], guests: &[Guest]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut count = |what: String| *counts.entry(what).or_insert(0) += 1;
    for fact in facts {
        match &*fact.word {
            "act" => count(format!("done: {}", fact.text("kind"))),
            "domain" => count(format!("done: create {}", fact.text("role"))),
            "gone" if fact.text("how") == "poweroff" => count("seen: end in order".into()),
            _ => {}
        }
    }
    let said = guests.iter().flat_map(|guest| guest.facts.iter().map(move |fact| (guest, fact)));
    for (guest, fact) in said {
        let (reason, witness) = (fact.text("reason"), fact.text("witness"));
        match &*fact.word {
            "up" => count("seen: up".into()),
            "down" => count(format!("seen: down, {reason}, by {witness}")),
            "cycle" if fact.yes("ok") => count("seen: cycle".into()),
            "stopped" | "paused" => count(format!("seen: {} at {}", fact.word, fact.text("step"))),
            "restarted" => count(format!("seen: restart of a {}", guest.role)),
            "refused" => count(format!("seen: refused, {reason}")),
            _ => {}
        }
    }
    counts
}

/// Prints the counts, and what was left.
pub(crate) fn tell(counts: &BTreeMap<String, u64>, leaks: u64) {
    for (what, count) in counts {
        println!("  {count:>8}  {what}");
    }
    let kinds = "grants, ports, nodes, domains, heap blocks, quarantined pages";
    println!("  {leaks:>8}  leaks ({kinds})");
}

/// A count with its limit, which it must keep to.
pub(crate) fn at_most(name: &str, value: u64, limit: u64) -> Budget {
    let ok = value <= limit;
    let (value, limit) = (value as f64, limit as f64);
    Budget { name: name.into(), unit: "count", value, limit, ok, binding: true }
}
