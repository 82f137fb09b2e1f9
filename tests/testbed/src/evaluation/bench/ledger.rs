//! What a cycle may cost, in counts: a change that makes one more request, doorbell or hypercall in
//! any stage of it fails the test that looks here. Times are not looked at: counts say the same on
//! every machine.

use std::collections::BTreeMap;

use super::links::Links;
use crate::evaluation::figures::{Counted, Stage};

/// What one side may spend in one stage of a cycle, on the average.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// "connect", "data" or "disconnect".
    pub stage: &'static str,
    /// "fe" or "be".
    pub side: &'static str,
    /// READs and WRITEs; there is no other request in a cycle.
    pub requests: (u64, u64),
    /// Notifications to xenstored.
    pub doorbells: u64,
    /// Hypercalls that do not wait, doorbells and console among them, by name.
    pub hypercalls: &'static [(&'static str, u64)],
    /// Returns from waiting. Who waits is woken once or twice by what another notification told it
    /// already, as the daemon's pace has it; hence one more than was seen under either daemon.
    pub wake_ups: u64,
}

/// Beyond the average, once in a pair's life: what the first cycle inherits from the way up, and a
/// beat that falls due in the middle.
pub const SLACK: u64 = 4;

/// Everything that a cycle may cost.
pub const ALLOWANCES: [Allowance; 6] = [
    Allowance {
        stage: "connect",
        side: "fe",
        requests: (0, 1),
        doorbells: 1,
        hypercalls: &[("evtchn.alloc_unbound", 1), ("evtchn.send", 1)],
        wake_ups: 7,
    },
    Allowance {
        stage: "connect",
        side: "be",
        requests: (1, 0),
        doorbells: 1,
        hypercalls: &[("evtchn.bind_interdomain", 1), ("evtchn.send", 2), ("grant.map", 1)],
        wake_ups: 7,
    },
    Allowance {
        stage: "data",
        side: "fe",
        requests: (0, 0),
        doorbells: 0,
        hypercalls: &[("evtchn.send", 1)],
        wake_ups: 3,
    },
    Allowance {
        stage: "data",
        side: "be",
        requests: (0, 0),
        doorbells: 0,
        hypercalls: &[("evtchn.send", 1)],
        wake_ups: 3,
    },
    Allowance {
        stage: "disconnect",
        side: "fe",
        requests: (1, 0),
        doorbells: 1,
        hypercalls: &[("evtchn.close", 1), ("evtchn.send", 2)],
        wake_ups: 6,
    },
    Allowance {
        stage: "disconnect",
        side: "be",
        requests: (0, 1),
        doorbells: 1,
        hypercalls: &[("evtchn.send", 1), ("multicall", 1)],
        wake_ups: 6,
    },
];

/// Every count that is over its allowance, or missing, in words; empty where all is well.
pub fn overspent(stages: &BTreeMap<String, Stage>) -> Vec<String> {
    let mut found = Vec::new();
    for allowance in &ALLOWANCES {
        let (stage, side) = (allowance.stage, allowance.side);
        match stages.get(stage).and_then(|stage| stage.sides.get(side)) {
            // A single cycle says nothing about an average.
            Some(counted) if counted.n > SLACK => {
                let over = allowance.over(counted);
                found.extend(over.into_iter().map(|what| format!("{stage}, {side}: {what}")));
            }
            _ => found.push(format!("{stage}, {side}: not measured")),
        }
    }
    found
}

/// The same of requests alone, where one back has many links: a connect asks for as much as with one.
/// Beyond the average each link may have a beat that falls due in the middle, a WRITE and a READ.
pub fn overspent_among(rows: &[Links]) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows {
        for allowance in ALLOWANCES.iter().filter(|allowance| allowance.stage != "data") {
            let (stage, side) = (allowance.stage, allowance.side);
            let place = format!("{stage}, {side}, {} links", row.links);
            let counted = row.stages.get(stage).and_then(|stage| stage.sides.get(side));
            match counted.filter(|counted| counted.n > SLACK) {
                Some(counted) => {
                    let over = allowance.over_requests(counted, SLACK + row.links);
                    found.extend(over.into_iter().map(|what| format!("{place}: {what}")));
                }
                None => found.push(format!("{place}: not measured")),
            }
        }
    }
    found
}

impl Allowance {
    fn over_requests(&self, counted: &Counted, slack: u64) -> Vec<String> {
        let mut found = Vec::new();
        for (name, count) in &counted.counts.xs_requests {
            let allowed = match name.as_str() {
                "READ" => self.requests.0,
                "WRITE" => self.requests.1,
                _ => 0,
            };
            found.extend(excess(name, *count, allowed, counted.n, slack));
        }
        found
    }

    fn over(&self, counted: &Counted) -> Vec<String> {
        let mut found = self.over_requests(counted, SLACK);
        let mut check = |what: &str, count: u64, allowed: u64| {
            found.extend(excess(what, count, allowed, counted.n, SLACK));
        };
        let counts = &counted.counts;
        check("doorbells", counts.doorbells.unwrap_or(0), self.doorbells);
        for (name, count) in &counts.hypercalls {
            if name == "sched.poll" {
                continue;
            }
            let known = self.hypercalls.iter().find(|(known, _)| known == name);
            check(name, *count, known.map_or(0, |(_, allowed)| *allowed));
        }
        let wake_ups = counts.wakeups.map_or(0, |wake_ups| wake_ups.useful + wake_ups.empty);
        check("wake-ups", wake_ups, self.wake_ups);
        found
    }
}

/// In words, where more was counted in `n` cycles than is allowed for each.
fn excess(what: &str, count: u64, allowed: u64, n: u64, slack: u64) -> Option<String> {
    (count > allowed * n + slack)
        .then(|| format!("{what}: {count} in {n} cycles, {allowed} each are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::figures::StageCounts;

    const N: u64 = 20;

    /// Every stage and side at exactly what it may cost.
    fn thrifty() -> BTreeMap<String, Stage> {
        let mut stages = BTreeMap::new();
        for allowance in &ALLOWANCES {
            let mut counts = StageCounts::default();
            counts.xs_requests.insert("READ".into(), allowance.requests.0 * N);
            counts.xs_requests.insert("WRITE".into(), allowance.requests.1 * N);
            counts.doorbells = Some(allowance.doorbells * N);
            for (name, each) in allowance.hypercalls {
                counts.hypercalls.insert((*name).into(), each * N);
            }
            counts.hypercalls.insert("sched.poll".into(), 99 * N);
            let stage = stages.entry(allowance.stage.to_string()).or_insert_with(|| Stage {
                n: 20,
                ns: None,
                hist: Vec::new(),
                xs_requests: None,
                hypercalls: None,
                sides: BTreeMap::new(),
            });
            stage.sides.insert(allowance.side, Counted { n: N, counts });
        }
        stages
    }

    fn counts<'a>(
        stages: &'a mut BTreeMap<String, Stage>,
        stage: &str,
        side: &str,
    ) -> &'a mut StageCounts {
        let stage = stages.get_mut(stage).expect("a stage");
        &mut stage.sides.get_mut(side).expect("a side").counts
    }

    #[test]
    fn what_keeps_to_its_allowance_is_not_named() {
        assert_eq!(overspent(&thrifty()), Vec::<String>::new());
    }

    #[test]
    fn one_more_request_doorbell_or_hypercall_a_cycle_is_named() {
        let mut stages = thrifty();
        *counts(&mut stages, "connect", "fe").xs_requests.get_mut("READ").expect("READs") += N;
        counts(&mut stages, "disconnect", "be").doorbells = Some(3 * N);
        counts(&mut stages, "data", "be").hypercalls.insert("evtchn.status".into(), N);
        counts(&mut stages, "data", "fe").xs_requests.insert("DIRECTORY".into(), N);
        assert_eq!(overspent(&stages).len(), 4);
    }

    #[test]
    fn a_request_more_among_many_links_is_named_and_a_hypercall_is_not() {
        let mut row = Links { links: 8, stages: thrifty() };
        counts(&mut row.stages, "connect", "be").hypercalls.insert("evtchn.status".into(), 9 * N);
        assert_eq!(overspent_among(core::slice::from_ref(&row)), Vec::<String>::new());
        *counts(&mut row.stages, "connect", "be").xs_requests.get_mut("READ").expect("READs") += N;
        assert_eq!(overspent_among(core::slice::from_ref(&row)).len(), 1);
        row.stages.remove("disconnect");
        assert_eq!(overspent_among(&[row]).len(), 3);
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let mut stages = thrifty();
        stages.remove("data");
        assert_eq!(overspent(&stages).len(), 2);
    }
}
