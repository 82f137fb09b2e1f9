//! What was left behind: [`Leaks`], the difference between snapshots of dom0 (steps.sh), and what
//! the guests themselves found at their end.
//!
//! `before` is taken before the first create, `idle` while both guests live with nothing connected,
//! `after` when all are gone. A kind that was not looked at is absent, never 0.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::cpio::Archive;
use super::guest::Guest;

/// How much of each kind was left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leaks {
    /// Grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<u64>,
    /// Event-channel ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u64>,
    /// Nodes in xenstore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u64>,
    /// Domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<u64>,
    /// Heap blocks, as the guests counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_blocks: Option<u64>,
    /// Pages in quarantine at their end, as the guests counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<u64>,
    /// What was left, for people.
    #[serde(skip)]
    pub details: Vec<String>,
}

/// Nodes that the toolstack makes with the first domain and keeps for ever, empty.
const TOOLSTACK_FOLDERS: [&str; 6] = [
    "/vm",
    "/libxl",
    "/local/domain/0/backend",
    "/local/domain/0/backend/console",
    "/local/domain/0/device-model",
    "/local/domain/0/libxl",
];
/// Grant references that every living domain has from the toolstack: console and xenstore
/// (xen/include/public/grant_table.h, GNTTAB_RESERVED_CONSOLE and GNTTAB_RESERVED_XENSTORE).
const TOOLSTACK_REFERENCES: [u64; 2] = [0, 1];

/// What exists at one time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Snapshot {
    domains: BTreeSet<String>,
    nodes: BTreeSet<String>,
    /// Domain and reference.
    grants: BTreeSet<(u64, u64)>,
    /// Owner, state and remote domain of each port, counted: numbers are used again.
    ports: BTreeMap<(u64, u64, u64), u64>,
}

impl Leaks {
    /// Compares what the archive has of snapshots, and adds what the guests said.
    pub fn find(results: &Archive, guests: &[Guest]) -> Leaks {
        Leaks::since(results, results, guests)
    }

    /// The same, where `before` was taken by another run on the same kept bed.
    pub fn since(earlier: &Archive, results: &Archive, guests: &[Guest]) -> Leaks {
        let mut leaks = Leaks::default();
        let before = Snapshot::read(earlier, "before");
        if let Some(idle) = Snapshot::read(results, "idle") {
            leaks.of_idle(&idle);
        }
        if let (Some(before), Some(after)) = (before, Snapshot::read(results, "after")) {
            leaks.of_difference(&before, &after);
        }
        for guest in guests {
            for fact in guest.of("leaks") {
                for key in ["grants", "mappings", "ports", "heap_blocks", "quarantined"] {
                    let Some(count) = fact.number(key) else { continue };
                    let kind = match key {
                        "ports" => Kind::Ports,
                        "heap_blocks" => Kind::HeapBlocks,
                        "quarantined" => Kind::Quarantined,
                        // A mapping is the peer's grant in use.
                        _ => Kind::Grants,
                    };
                    leaks.add(kind, count, format!("{} says: {count} {key}", guest.name()));
                }
            }
        }
        leaks
    }

    /// Living guests hold what they were born with and no more.
    fn of_idle(&mut self, idle: &Snapshot) {
        let guests = |domain: u64| domain != 0;
        for (domain, reference) in &idle.grants {
            if guests(*domain) && !TOOLSTACK_REFERENCES.contains(reference) {
                self.add(Kind::Grants, 1, format!("idle domain {domain} grants {reference}"));
            }
        }
        for ((owner, state, remote), count) in &idle.ports {
            // Their two ports lead to dom0.
            if guests(*owner) && !(*state == INTERDOMAIN && *remote == 0) {
                let what = format!("idle domain {owner} has {count} ports in state {state}");
                self.add(Kind::Ports, *count, what);
            }
        }
    }

    fn of_difference(&mut self, before: &Snapshot, after: &Snapshot) {
        // Looked at, and zero so far.
        for kind in [Kind::Grants, Kind::Ports, Kind::Nodes, Kind::Domains] {
            self.add(kind, 0, String::new());
        }
        for domain in after.domains.difference(&before.domains) {
            self.add(Kind::Domains, 1, format!("domain {domain}"));
        }
        for node in after.nodes.difference(&before.nodes) {
            if !TOOLSTACK_FOLDERS.contains(&node.as_str()) {
                self.add(Kind::Nodes, 1, format!("node {node}"));
            }
        }
        for (domain, reference) in after.grants.difference(&before.grants) {
            self.add(Kind::Grants, 1, format!("domain {domain} grants {reference}"));
        }
        for (key, count) in &after.ports {
            let more = count.saturating_sub(before.ports.get(key).copied().unwrap_or(0));
            if more > 0 {
                let (owner, state, remote) = key;
                let what = format!("domain {owner} has {more} ports in state {state} to {remote}");
                self.add(Kind::Ports, more, what);
            }
        }
    }

    fn add(&mut self, kind: Kind, count: u64, what: String) {
        let total = match kind {
            Kind::Grants => &mut self.grants,
            Kind::Ports => &mut self.ports,
            Kind::Nodes => &mut self.nodes,
            Kind::Domains => &mut self.domains,
            Kind::HeapBlocks => &mut self.heap_blocks,
            Kind::Quarantined => &mut self.quarantined,
        };
        *total = Some(total.unwrap_or(0).saturating_add(count));
        if count > 0 {
            self.details.push(what);
        }
    }

    /// Adds another run's.
    pub fn add_all(&mut self, other: &Leaks) {
        let kinds = [
            (Kind::Grants, other.grants),
            (Kind::Ports, other.ports),
            (Kind::Nodes, other.nodes),
            (Kind::Domains, other.domains),
            (Kind::HeapBlocks, other.heap_blocks),
            (Kind::Quarantined, other.quarantined),
        ];
        for (kind, count) in kinds {
            if let Some(count) = count {
                self.add(kind, count, String::new());
            }
        }
    }

    /// Everything together.
    pub fn total(&self) -> u64 {
        let kinds =
            [self.grants, self.ports, self.nodes, self.domains, self.heap_blocks, self.quarantined];
        kinds.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Grants,
    Ports,
    Nodes,
    Domains,
    HeapBlocks,
    Quarantined,
}

/// States of an event channel (xen/include/xen/sched.h, struct evtchn): to another domain, and
/// waiting for one.
const INTERDOMAIN: u64 = 3;
const UNBOUND: u64 = 2;

impl Snapshot {
    fn read(results: &Archive, label: &str) -> Option<Snapshot> {
        let mut snapshot = Snapshot::default();
        // One heading; then name, id, and more.
        for line in results.text(&format!("{label}/domains"))?.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            // A name may be missing, so the id is found from the end: id, memory, processors,
            // state, time.
            let id = words.len().checked_sub(5).and_then(|at| words.get(at));
            snapshot.domains.insert(id.copied().unwrap_or(line).to_string());
        }
        for line in results.text(&format!("{label}/nodes"))?.lines() {
            let path = line.split(" = ").next().unwrap_or(line).trim();
            snapshot.nodes.insert(path.to_string());
        }
        snapshot.read_xen(&results.text(&format!("{label}/xen"))?);
        Some(snapshot)
    }

    /// The answers of Xen to the keys `g` and `e`.
    fn read_xen(&mut self, text: &str) {
        let mut granter = 0;
        let mut owner = 0;
        for line in text.lines() {
            // "(XEN) [   24.737270] " in front.
            let line = line.split_once("] ").map_or(line, |(_, rest)| rest).trim();
            if let Some(rest) = line.strip_prefix("grant-table for remote d") {
                granter = leading_number(rest);
            } else if let Some(rest) = line.strip_prefix("[0x") {
                let digits = rest.split(']').next().unwrap_or_default();
                if let Ok(reference) = u64::from_str_radix(digits, 16) {
                    self.grants.insert((granter, reference));
                }
            } else if let Some(rest) = line.strip_prefix("Event channel information for domain ") {
                owner = leading_number(rest);
            } else if let Some((_, rest)) = line.split_once("]: s=") {
                let state = leading_number(rest);
                let remote = rest.split_once(" d=").map_or(0, |(_, rest)| leading_number(rest));
                if state == INTERDOMAIN || state == UNBOUND {
                    *self.ports.entry((owner, state, remote)).or_default() += 1;
                }
            }
        }
    }
}

fn leading_number(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::cpio::Mode;
    use super::*;

    const XEN_BEFORE: &str = "\
(XEN) [   24.737270] gnttab_usage_print_all [ key 'g' pressed
(XEN) [   24.737352] grant-table for remote d0 (v1)
(XEN) [   24.737461] gnttab_usage_print_all ] done
(XEN) [   24.759731] Event channel information for domain 0:
(XEN) [   24.760128]       13 [0/0/  -   ]: s=3 n=1 x=0 d=0 p=23
(XEN) [   24.760161]       14 [0/0/  -   ]: s=5 n=0 x=0 v=9
";
    const XEN_WITH_GUEST: &str = "\
(XEN) [   24.737520] grant-table for remote d1 (v1)
(XEN) [   24.737566] [0x000]      0 0x7fbe8 0x00000002          0 0x0fefff 0x19
(XEN) [   24.737596] [0x008]      2 0x7fbeb 0x00000002          0 0x0feffc 0x19
(XEN) [   24.760556] Event channel information for domain 1:
(XEN) [   24.760606]        1 [0/0/0]: s=3 n=0 x=0 d=0 p=24
(XEN) [   24.760639]        2 [0/0/0]: s=2 n=0 x=0 d=2
";

    fn archive(label: &str, nodes: &str, xen: &str) -> Archive {
        let mut archive = Archive::new();
        let list = "Name   ID   Mem VCPUs State Time(s)\nDomain-0  0  768  2 r-----  10.3\n";
        for (name, text) in [("domains", list), ("nodes", nodes), ("xen", xen)] {
            archive.file(&format!("{label}/{name}"), Mode::Data, text.as_bytes().to_vec());
        }
        archive
    }

    #[test]
    fn nothing_new_is_no_leak_and_what_was_not_looked_at_is_absent() {
        let mut results = archive("before", "/a = \"\"\n", XEN_BEFORE);
        for (path, entry) in archive("after", "/a = \"\"\n/vm = \"\"\n", XEN_BEFORE).iter() {
            results.insert(path, entry.clone());
        }
        let leaks = Leaks::find(&results, &[]);
        assert_eq!((leaks.total(), leaks.grants, leaks.nodes), (0, Some(0), Some(0)));
        assert_eq!(leaks.heap_blocks, None);
        assert_eq!(Leaks::find(&Archive::new(), &[]).grants, None);
    }

    #[test]
    fn a_grant_a_port_and_a_node_that_stay_are_found() {
        let mut results = archive("before", "/a = \"\"\n", XEN_BEFORE);
        let more = format!("{XEN_BEFORE}{XEN_WITH_GUEST}");
        for (path, entry) in archive("after", "/a = \"\"\n/b = \"\"\n", &more).iter() {
            results.insert(path, entry.clone());
        }
        let leaks = Leaks::find(&results, &[]);
        assert_eq!((leaks.grants, leaks.ports, leaks.nodes), (Some(2), Some(2), Some(1)));
    }

    #[test]
    fn an_idle_guest_may_hold_what_the_toolstack_gave_it() {
        let results = archive("idle", "", &format!("{XEN_BEFORE}{XEN_WITH_GUEST}"));
        let leaks = Leaks::find(&results, &[]);
        // Reference 8 and the unbound port are its own.
        assert_eq!((leaks.grants, leaks.ports, leaks.nodes), (Some(1), Some(1), None));
    }
}
