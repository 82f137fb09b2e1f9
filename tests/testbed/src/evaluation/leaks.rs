//! What was left behind: [`Leaks`], the difference between snapshots of dom0 (steps.sh), and what
//! the guests themselves found at their end.
//!
//! `before` is taken before the first create, `idle` while both guests live with nothing connected,
//! `after` when all are gone. A kind that was not looked at is absent, never 0; where a snapshot was
//! taken and cannot be read, [`Leaks::blind`] says so.
//!
//! Other domains may live, come and go on a host: what is theirs is not judged.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::cpio::Archive;
use crate::output::domains::listed_domain;
use crate::output::guest::Guest;

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
    /// What could not be looked at although it should have been, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<String>,
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
    domains: BTreeSet<u64>,
    /// Each node, and the domain that the toolstack made it for, where that is known.
    nodes: BTreeMap<String, Option<u64>>,
    /// What Xen said of grants and ports.
    xen: XenDump,
}

/// The answers of Xen to the keys `g` and `e`; nothing where they are not all there, or not in a
/// format that is known.
#[derive(Debug, Default, PartialEq, Eq)]
struct XenDump {
    grants: Option<BTreeSet<Grant>>,
    /// Owner, state and remote domain of each port, counted: numbers are used again.
    ports: Option<BTreeMap<(u64, u64, u64), u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    granter: u64,
    reference: u64,
    to: u64,
}

/// The file of the results with the domids of all domains that the job created (steps.sh).
const DOMIDS: &str = "domids";

impl Leaks {
    /// Compares what the archive has of snapshots, and adds what the guests said.
    pub fn find(results: &Archive, guests: &[Guest]) -> Leaks {
        Leaks::since(results, results, guests)
    }

    /// The same, where `before` was taken by another run on the same kept bed.
    pub fn since(earlier: &Archive, results: &Archive, guests: &[Guest]) -> Leaks {
        let mut leaks = Leaks::default();
        let mut own: BTreeSet<u64> = guests.iter().map(|guest| guest.domid).collect();
        let listed = results.text(DOMIDS).unwrap_or_default();
        own.extend(listed.split_whitespace().filter_map(|word| word.parse::<u64>().ok()));
        let before = Snapshot::read(earlier, "before");
        if let Some(idle) = Snapshot::read(results, "idle") {
            leaks.of_idle(&idle, &own);
        }
        if let (Some(before), Some(after)) = (before, Snapshot::read(results, "after")) {
            leaks.of_difference(&before, &after, &own);
        }
        for guest in guests {
            for fact in guest.of("leaks") {
                for key in ["grants", "mappings", "ports", "heap_blocks", "quarantined"] {
                    let Some(count) = fact.number(key) else { continue };
                    let kind = match key {
                        "ports" => LeakKind::Ports,
                        "heap_blocks" => LeakKind::HeapBlocks,
                        "quarantined" => LeakKind::Quarantined,
                        // A mapping is the peer's grant in use.
                        _ => LeakKind::Grants,
                    };
                    leaks.add(kind, count, format!("{} says: {count} {key}", guest.name()));
                }
            }
        }
        leaks
    }

    /// Living guests hold what they were born with and no more.
    fn of_idle(&mut self, idle: &Snapshot, own: &BTreeSet<u64>) {
        self.blind_where_unread(&[("idle", &idle.xen)]);
        for Grant { granter, reference, .. } in idle.xen.grants.iter().flatten() {
            if own.contains(granter) && !TOOLSTACK_REFERENCES.contains(reference) {
                self.add(LeakKind::Grants, 1, format!("idle domain {granter} grants {reference}"));
            }
        }
        for ((owner, state, remote), count) in idle.xen.ports.iter().flatten() {
            // Their two ports lead to dom0.
            if own.contains(owner) && !(*state == INTERDOMAIN && *remote == 0) {
                let what = format!("idle domain {owner} has {count} ports in state {state}");
                self.add(LeakKind::Ports, *count, what);
            }
        }
    }

    fn of_difference(&mut self, before: &Snapshot, after: &Snapshot, own: &BTreeSet<u64>) {
        // Looked at, and zero so far.
        for kind in [LeakKind::Nodes, LeakKind::Domains] {
            self.add(kind, 0, String::new());
        }
        for domain in after.domains.difference(&before.domains).filter(|id| own.contains(id)) {
            self.add(LeakKind::Domains, 1, format!("domain {domain}"));
        }
        for (node, of) in &after.nodes {
            let others = of.is_some_and(|domain| !own.contains(&domain));
            let new = !before.nodes.contains_key(node);
            if new && !others && !TOOLSTACK_FOLDERS.contains(&node.as_str()) {
                self.add(LeakKind::Nodes, 1, format!("node {node}"));
            }
        }
        self.blind_where_unread(&[("before", &before.xen), ("after", &after.xen)]);
        // Of what dom0 has, that which leads to a domain of ours.
        let judged =
            |domain: u64, peer: u64| own.contains(&domain) || (domain == 0 && own.contains(&peer));
        if let (Some(before), Some(after)) = (&before.xen.grants, &after.xen.grants) {
            self.add(LeakKind::Grants, 0, String::new());
            for Grant { granter, reference, to } in after.difference(before) {
                if judged(*granter, *to) {
                    self.add(LeakKind::Grants, 1, format!("domain {granter} grants {reference}"));
                }
            }
        }
        if let (Some(before), Some(after)) = (&before.xen.ports, &after.xen.ports) {
            self.add(LeakKind::Ports, 0, String::new());
            for (key, count) in after {
                let more = count.saturating_sub(before.get(key).copied().unwrap_or(0));
                let (owner, state, remote) = key;
                if more > 0 && judged(*owner, *remote) {
                    let what =
                        format!("domain {owner} has {more} ports in state {state} to {remote}");
                    self.add(LeakKind::Ports, more, what);
                }
            }
        }
    }

    fn blind_where_unread(&mut self, dumps: &[(&str, &XenDump)]) {
        for (label, dump) in dumps {
            for (kind, read) in [("grants", dump.grants.is_some()), ("ports", dump.ports.is_some())]
            {
                if !read {
                    self.blind.push(format!(
                        "{kind} were not looked at {label}: Xen's log does not hold the whole \
                         list (Xen's option conring_size=) or is in an unknown format"
                    ));
                }
            }
        }
    }

    fn add(&mut self, kind: LeakKind, count: u64, what: String) {
        let total = match kind {
            LeakKind::Grants => &mut self.grants,
            LeakKind::Ports => &mut self.ports,
            LeakKind::Nodes => &mut self.nodes,
            LeakKind::Domains => &mut self.domains,
            LeakKind::HeapBlocks => &mut self.heap_blocks,
            LeakKind::Quarantined => &mut self.quarantined,
        };
        *total = Some(total.unwrap_or(0).saturating_add(count));
        if count > 0 {
            self.details.push(what);
        }
    }

    /// Adds another run's.
    pub fn add_all(&mut self, other: &Leaks) {
        self.blind.extend(other.blind.iter().cloned());
        let kinds = [
            (LeakKind::Grants, other.grants),
            (LeakKind::Ports, other.ports),
            (LeakKind::Nodes, other.nodes),
            (LeakKind::Domains, other.domains),
            (LeakKind::HeapBlocks, other.heap_blocks),
            (LeakKind::Quarantined, other.quarantined),
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
enum LeakKind {
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
            snapshot.domains.extend(listed_domain(line).map(|(_, domid)| domid));
        }
        let nodes = results.text(&format!("{label}/nodes"))?;
        let named: Vec<(&str, &str)> = nodes
            .lines()
            .map(|line| line.split_once(" = ").unwrap_or((line, "")))
            .map(|(path, value)| (path.trim(), value))
            .collect();
        // /vm/UUID is of the domain whose home has a node `vm` that names it.
        let vm_of = |(path, value): &(&str, &str)| {
            let domain = path.strip_prefix("/local/domain/")?.strip_suffix("/vm")?.parse().ok()?;
            Some((value.split('"').nth(1)?.to_string(), domain))
        };
        let vms: BTreeMap<String, u64> = named.iter().filter_map(vm_of).collect();
        for (path, _) in named {
            snapshot.nodes.insert(path.to_string(), domain_of(path, &vms));
        }
        snapshot.xen = XenDump::read(&results.text(&format!("{label}/xen"))?);
        Some(snapshot)
    }
}

/// The domain that the toolstack made a node for, by its path.
fn domain_of(path: &str, vms: &BTreeMap<String, u64>) -> Option<u64> {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    match words[..] {
        ["local", "domain", "0", "backend", _, domain, ..]
        | ["local", "domain", "0", "device-model", domain, ..]
        | ["local", "domain", domain, ..]
        | ["libxl", domain, ..] => domain.parse().ok().filter(|domain| *domain != 0),
        ["vm", uuid, ..] => vms.get(&format!("/vm/{uuid}")).copied(),
        _ => None,
    }
}

impl XenDump {
    /// Reads Xen's log from the dump of grants on.
    fn read(text: &str) -> XenDump {
        let mut grants: Option<BTreeSet<Grant>> = None;
        let mut ports: Option<BTreeMap<(u64, u64, u64), u64>> = None;
        let (mut granter, mut owner, mut all_grants) = (None, None, false);
        for line in text.lines().filter_map(message) {
            if line.starts_with("gnttab_usage_print_all [") {
                (grants, granter, all_grants) = (Some(BTreeSet::new()), None, false);
            } else if line.starts_with("gnttab_usage_print_all ]") {
                all_grants = true;
            } else if let Some(rest) = line.strip_prefix("grant-table for remote d") {
                granter = leading_number(rest);
            } else if let Some(rest) = line.strip_prefix("[0x") {
                // "[0x008]      2 0x7fbeb …": reference and the domain that may use it.
                let entry = rest.split_once(']').and_then(|(digits, rest)| {
                    let reference = u64::from_str_radix(digits, 16).ok()?;
                    Some(Grant { granter: granter?, reference, to: leading_number(rest.trim())? })
                });
                match (&mut grants, entry) {
                    (Some(grants), Some(entry)) => drop(grants.insert(entry)),
                    // Of one entry that cannot be read nothing can be said, so nor of all of them.
                    _ => return XenDump { grants: None, ports: None },
                }
            } else if let Some(rest) = line.strip_prefix("Event channel information for domain ") {
                owner = leading_number(rest);
                // dom0 comes first: without it the beginning is missing.
                if owner == Some(0) {
                    ports = Some(BTreeMap::new());
                }
            } else if let (Some((_, rest)), Some(ports)) = (line.split_once("]: s="), &mut ports) {
                let state = leading_number(rest);
                let remote = rest.split_once(" d=").and_then(|(_, rest)| leading_number(rest));
                if let (Some(owner), Some(state @ (INTERDOMAIN | UNBOUND))) = (owner, state) {
                    *ports.entry((owner, state, remote.unwrap_or(0))).or_default() += 1;
                }
            }
        }
        XenDump { grants: grants.filter(|_| all_grants), ports }
    }
}

/// What Xen itself logged in a line: what follows its mark and the time, if it writes one. Nothing of
/// lines that guests wrote, and of a time in a format that is not known.
///
/// The formats are those of Xen's option `console_timestamps=` (xen/drivers/char/console.c,
/// printk_start_of_line): none, "[2026-01-01 12:00:00] ", the same with ".123", "[   12.345678] "
/// since boot, and raw, 16 digits of hexadecimal.
fn message(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_prefix("(XEN) ")?;
    let Some((stamp, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return Some(line.trim());
    };
    let pattern: String =
        stamp.trim_start().chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let since_boot = pattern.split_once('.').is_some_and(|(seconds, parts)| {
        parts == "999999" && !seconds.is_empty() && seconds.chars().all(|c| c == '9')
    });
    let date = pattern == "9999-99-99 99:99:99" || pattern == "9999-99-99 99:99:99.999";
    let raw = stamp.len() == 16 && stamp.chars().all(|c| c.is_ascii_hexdigit());
    // "[0x008] " is a grant, where no time is written.
    let grant = stamp.starts_with("0x");
    match (since_boot || date || raw, grant) {
        (true, _) => Some(rest.trim()),
        (_, true) => Some(line.trim()),
        _ => None,
    }
}

fn leading_number(text: &str) -> Option<u64> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpio::Mode;

    const XEN_BEFORE: &str = "\
(XEN) [   24.737270] gnttab_usage_print_all [ key 'g' pressed
(XEN) [   24.737352] grant-table for remote d0 (v1)
(XEN) [   24.737461] gnttab_usage_print_all ] done
(XEN) [   24.759731] Event channel information for domain 0:
(XEN) [   24.760128]       13 [0/0/  -   ]: s=3 n=1 x=0 d=0 p=23
(XEN) [   24.760161]       14 [0/0/  -   ]: s=5 n=0 x=0 v=9
";
    const GUEST_GRANTS: &str = "\
(XEN) [   24.737520] grant-table for remote d1 (v1)
(XEN) [   24.737566] [0x000]      0 0x7fbe8 0x00000002          0 0x0fefff 0x19
(XEN) [   24.737596] [0x008]      2 0x7fbeb 0x00000002          0 0x0feffc 0x19
";
    const GUEST_PORTS: &str = "\
(XEN) [   24.760556] Event channel information for domain 1:
(XEN) [   24.760606]        1 [0/0/0]: s=3 n=0 x=0 d=0 p=24
(XEN) [   24.760639]        2 [0/0/0]: s=2 n=0 x=0 d=2
";

    /// The whole dump with the guest's part of each list in it.
    fn with_guest() -> String {
        let end = XEN_BEFORE.find("(XEN) [   24.737461]").expect("the end of the grants");
        let (head, tail) = XEN_BEFORE.split_at(end);
        format!("{head}{GUEST_GRANTS}{tail}{GUEST_PORTS}")
    }

    /// Before and after of a run, of which `xen` was Xen's dump.
    fn run(nodes: [&str; 2], xen: [&str; 2]) -> Archive {
        let mut results = archive("before", nodes[0], xen[0]);
        for (path, entry) in archive("after", nodes[1], xen[1]).iter() {
            results.insert(path, entry.clone());
        }
        results
    }

    fn archive(label: &str, nodes: &str, xen: &str) -> Archive {
        let mut archive = Archive::new();
        let list = "Name   ID   Mem VCPUs State Time(s)\nDomain-0  0  768  2 r-----  10.3\n";
        for (name, text) in [("domains", list), ("nodes", nodes), ("xen", xen)] {
            archive.file(&format!("{label}/{name}"), Mode::Data, text.as_bytes().to_vec());
        }
        archive.file(DOMIDS, Mode::Data, b"1\n2\n".to_vec());
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
        let more = with_guest();
        for (path, entry) in archive("after", "/a = \"\"\n/b = \"\"\n", &more).iter() {
            results.insert(path, entry.clone());
        }
        let leaks = Leaks::find(&results, &[]);
        assert_eq!((leaks.grants, leaks.ports, leaks.nodes), (Some(2), Some(2), Some(1)));
    }

    #[test]
    fn an_idle_guest_may_hold_what_the_toolstack_gave_it() {
        let results = archive("idle", "", &with_guest());
        let leaks = Leaks::find(&results, &[]);
        // Reference 8 and the unbound port are its own.
        assert_eq!((leaks.grants, leaks.ports, leaks.nodes), (Some(1), Some(1), None));
    }

    #[test]
    fn every_format_of_times_in_xens_log_is_read() {
        let stamps = [
            "",
            "[2026-11-30 21:42:23] ",
            "[2026-11-30 21:42:23.123] ",
            "[   24.737270] ",
            "[123456.737270] ",
            "[00000012a05f2001] ",
        ];
        for stamp in stamps {
            let stamped = |text: &str| -> String {
                let lines = text.lines().filter_map(|line| line.split_once("] "));
                lines.map(|(_, rest)| format!("(XEN) {stamp}{rest}\n")).collect()
            };
            let (before, after) = (stamped(XEN_BEFORE), stamped(&with_guest()));
            let leaks = Leaks::find(&run(["", ""], [&before, &after]), &[]);
            let found = (leaks.grants, leaks.ports, leaks.blind.len());
            assert_eq!(found, (Some(2), Some(2), 0), "{stamp:?}: {leaks:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_was_not_looked_at() {
        let unknown = XEN_BEFORE.replace("(XEN) [   ", "(XEN) <");
        let strange = XEN_BEFORE.replace("(XEN) [   ", "(XEN) [T+");
        let start = XEN_BEFORE.find("(XEN) [   24.737352]").expect("the second line");
        let end = XEN_BEFORE.find("(XEN) [   24.737461]").expect("the end of the grants");
        for bad in ["", &unknown, &strange] {
            for xen in [[XEN_BEFORE, bad], [bad, XEN_BEFORE]] {
                let leaks = Leaks::find(&run(["", ""], xen), &[]);
                assert_eq!(
                    (leaks.grants, leaks.ports, leaks.blind.len()),
                    (None, None, 2),
                    "{bad}"
                );
            }
        }
        // Xen's ring was too small for its beginning; or the log ends in the middle.
        for cut in [&XEN_BEFORE[start..], &XEN_BEFORE[..end]] {
            let leaks = Leaks::find(&run(["", ""], [XEN_BEFORE, cut]), &[]);
            assert_eq!(leaks.grants, None, "{cut}");
            assert!(!leaks.blind.is_empty());
        }
    }

    #[test]
    fn what_a_guest_wrote_into_xens_log_is_not_xens() {
        let forged = format!("{XEN_BEFORE}(d1) {}", GUEST_PORTS.replace("(XEN)", "(d1) (XEN)"));
        let leaks = Leaks::find(&run(["", ""], [XEN_BEFORE, &forged]), &[]);
        assert_eq!((leaks.total(), leaks.blind.len()), (0, 0));
    }

    #[test]
    fn other_domains_are_not_judged() {
        let ours = with_guest();
        let others = ours
            .replace("remote d1", "remote d7")
            .replace("for domain 1:", "for domain 7:")
            .replace("d=2", "d=8");
        let nodes = "/a = \"\"\n";
        let more = "/a = \"\"\n/local/domain/7 = \"\"\n/local/domain/7/vm = \"/vm/u-7\"\n\
                    /vm/u-7 = \"\"\n/vm/u-7/name = \"disk\"\n/libxl/7/type = \"pvh\"\n\
                    /local/domain/0/backend/vbd/7/51712 = \"\"\n";
        let mut results = run([nodes, more], [XEN_BEFORE, &others]);
        for (path, entry) in archive("idle", more, &others).iter() {
            results.insert(path, entry.clone());
        }
        let list = "Name ID Mem VCPUs State Time(s)\nDomain-0 0 768 2 r----- 1.0\n\
                    with a disk 7 512 1 -b---- 2.0\n";
        results.file("after/domains", Mode::Data, list.as_bytes().to_vec());
        let leaks = Leaks::find(&results, &[]);
        assert_eq!((leaks.total(), leaks.blind.len()), (0, 0), "{:?}", leaks.details);
        // The same of a domain of this run is all found.
        results.file(DOMIDS, Mode::Data, b"7\n".to_vec());
        let leaks = Leaks::find(&results, &[]);
        assert_eq!((leaks.domains, leaks.nodes), (Some(1), Some(6)), "{:?}", leaks.details);
        assert_eq!((leaks.grants, leaks.ports), (Some(3), Some(3)), "{:?}", leaks.details);
    }
}
