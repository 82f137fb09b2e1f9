//! How often a domain left its processor to Xen, and why: [`Exits`], from what dom0's `xentrace` wrote
//! down. Xen's records are those of xen/include/public/trace.h; which domain an exit belongs to is told
//! by the scheduler's record before it on the same processor.

use core::fmt::Write;
use std::collections::BTreeMap;

use serde::Serialize;

use super::pairs::named;
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// How often one side left its processor in one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exits {
    /// "boot": first guest instruction to first word to xenstored; "connect", "data", "disconnect".
    pub stage: String,
    /// "fe" or "be".
    pub side: &'static str,
    /// How many times the stage was gone through.
    pub n: u64,
    /// All exits in them together, by reason; a hypercall by its name.
    pub reasons: BTreeMap<String, u64>,
}

/// Which domains the two traces are about, by domid, and how many cycles the pair made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traced {
    pub(crate) boot: u64,
    pub(crate) front: u64,
    pub(crate) back: u64,
    pub(crate) cycles: u64,
}

impl Traced {
    /// Those that the scenario named, by number.
    pub(crate) fn of(guests: &[Guest], fact: &Fact) -> Option<Traced> {
        let of = |key: &str| named(guests, fact, key);
        let (boot, front, back) = (of("boot")?, of("front")?, of("back")?);
        let cycles = front.of("cycles").find_map(|fact| fact.number("n"))?;
        Some(Traced { boot: boot.domid, front: front.domid, back: back.domid, cycles })
    }
}

/// The files, as bench-pairs.sh names them.
pub(crate) const BOOT: &str = "trace.boot";
pub(crate) const CYCLES: &str = "trace.cycles";

/// The stages of a traced cycle, each begun by the front's mark.
const STAGES: [&str; 3] = ["connect", "data", "disconnect"];

/// What the two traces show; nothing of a trace that is not there, or in which records were lost.
pub(crate) fn rows<'a>(traced: Traced, log_of: impl Fn(&str) -> Option<&'a [u8]>) -> Vec<Exits> {
    let exits_of = |file: &str| log_of(file).and_then(exits);
    let mut rows: Vec<Exits> = Vec::new();
    rows.extend(exits_of(BOOT).and_then(|exits| boot(&exits, traced.boot)));
    if let Some(exits) = exits_of(CYCLES) {
        rows.extend(cycles(&exits, traced).unwrap_or_default());
    }
    rows
}

/// Up to the first hypercall about event channels: the doorbell of the first request.
fn boot(exits: &[Exit], domid: u64) -> Option<Exits> {
    let own: Vec<&Exit> = exits.iter().filter(|exit| exit.domid == domid).collect();
    let doorbell = own.iter().position(|exit| exit.hypercall() == Some(EVENT_CHANNEL_OP))?;
    let mut row = Exits::new("boot", "fe", 1);
    own[..=doorbell].iter().for_each(|exit| row.count(exit));
    Some(row)
}

/// Each stage, from the front's mark at its begin to the one at its end. The mark itself, and what
/// the front does to rest before it, are no part of what is measured, but the one sleep is counted.
fn cycles(exits: &[Exit], traced: Traced) -> Option<Vec<Exits>> {
    let is_mark = |exit: &Exit| exit.domid == traced.front && exit.hypercall() == Some(HVM_OP);
    let marks: Vec<u64> = exits.iter().filter(|exit| is_mark(exit)).map(|exit| exit.at).collect();
    // Earlier ones are of its boot.
    let wanted = usize::try_from(traced.cycles).ok()? * STAGES.len() + 1;
    let marks = marks.get(marks.len().checked_sub(wanted)?..)?;
    let mut rows = Vec::new();
    for (side, domid) in [("fe", traced.front), ("be", traced.back)] {
        for (index, stage) in STAGES.into_iter().enumerate() {
            let mut row = Exits::new(stage, side, traced.cycles);
            for span in marks.windows(2).skip(index).step_by(STAGES.len()) {
                let within = |exit: &&Exit| span[0] < exit.at && exit.at < span[1];
                let own = exits.iter().filter(|exit| exit.domid == domid);
                own.filter(within).for_each(|exit| row.count(exit));
            }
            rows.push(row);
        }
    }
    Some(rows)
}

impl Exits {
    fn new(stage: &str, side: &'static str, n: u64) -> Exits {
        Exits { stage: stage.into(), side, n, reasons: BTreeMap::new() }
    }

    fn count(&mut self, exit: &Exit) {
        *self.reasons.entry(exit.name()).or_default() += 1;
    }

    /// All of them, in one time of the stage, on the average.
    pub fn each(&self) -> f64 {
        self.average(self.reasons.values().sum())
    }

    /// Those of one reason, likewise; none where there was no such exit.
    pub fn each_for(&self, reason: &str) -> Option<f64> {
        Some(self.average(*self.reasons.get(reason)?))
    }

    fn average(&self, count: u64) -> f64 {
        count as f64 / self.n.max(1) as f64
    }
}

/// For people.
pub(crate) fn show(text: &mut String, rows: &[Exits]) {
    if !rows.is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\nExits to Xen, each time of a stage");
    }
    for row in rows {
        let _ = write!(text, "  {:<10} {:<2} {:>6.1} ", row.stage, row.side, row.each());
        for (name, count) in &row.reasons {
            let _ = write!(text, " {name} {:.1}", row.average(*count));
        }
        text.push('\n');
    }
}

/// One exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exit {
    /// Xen's time-stamp counter.
    at: u64,
    domid: u64,
    reason: u32,
    rip: u64,
}

// Reasons: AMD64 Architecture Programmer's Manual, volume 2, appendix C; the bed's processor is AMD's.
const VMMCALL: u32 = 0x81;
const NAMES: [(u32, &str); 15] = [
    (0x00, "read CR0"),
    (0x04, "read CR4"),
    (0x10, "write CR0"),
    (0x13, "write CR3"),
    (0x14, "write CR4"),
    // Exception 7: Xen gives a domain its floating-point registers when it first touches them.
    (0x47, "first use of SSE"),
    (0x60, "interrupt"),
    (0x64, "interrupt window"),
    (0x6e, "RDTSC"),
    (0x72, "CPUID"),
    (0x77, "PAUSE"),
    (0x78, "HLT"),
    (0x7b, "port"),
    (0x7c, "MSR"),
    (0x400, "nested page fault"),
];

// xen/include/public/xen.h, __HYPERVISOR_*.
const EVENT_CHANNEL_OP: u64 = 32;
const HVM_OP: u64 = 34;
const HYPERCALLS: [(u64, &str); 7] = [
    (12, "memory_op"),
    (13, "multicall"),
    (20, "grant_table_op"),
    (24, "vcpu_op"),
    (29, "sched_op"),
    (EVENT_CHANNEL_OP, "event_channel_op"),
    (HVM_OP, "hvm_op"),
];
/// Bytes of a call's stub in the hypercall page, which is aligned as any page.
const STUB_BYTES: u64 = 32;

impl Exit {
    /// The number of the hypercall, by the place in the hypercall page that it came from.
    fn hypercall(&self) -> Option<u64> {
        (self.reason == VMMCALL).then_some(self.rip % 4096 / STUB_BYTES)
    }

    fn name(&self) -> String {
        if let Some(number) = self.hypercall() {
            let known = HYPERCALLS.iter().find(|(known, _)| *known == number);
            return known.map_or(format!("hypercall {number}"), |(_, name)| (*name).to_string());
        }
        let known = NAMES.iter().find(|(known, _)| *known == self.reason);
        known.map_or(format!("reason {:#x}", self.reason), |(_, name)| (*name).to_string())
    }
}

// xen/include/public/trace.h.
const TRC_LOST_RECORDS: u32 = 0x1f001;
const TRC_TRACE_CPU_CHANGE: u32 = 0x1f003;
const TRC_SCHED_RUNSTATE_CHANGE: u32 = 0x21001;
/// Bits 8, 9: the former state; 4, 5: the new one. 0 is "running".
const RUNSTATES: u32 = 0x330;
const NEW_RUNSTATE: u32 = 0x030;
const TRC_HVM_VMEXIT: u32 = 0x81002;
const TRC_HVM_VMEXIT64: u32 = 0x81102;

/// The exits of all domains by time; nothing where Xen has lost records or this is no trace.
fn exits(trace: &[u8]) -> Option<Vec<Exit>> {
    let mut words = trace.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let mut found = Vec::new();
    let mut running: BTreeMap<u32, u64> = BTreeMap::new();
    let mut processor = 0;
    while let Some(head) = words.next() {
        let (event, extra) = (head & 0x0fff_ffff, head >> 28 & 7);
        let mut word = || words.next();
        let at = match head >> 31 {
            0 => 0,
            _ => u64::from(word()?) | u64::from(word()?) << 32,
        };
        let data: Vec<u32> = (0..extra).map(|_| word()).collect::<Option<_>>()?;
        match (event, data.as_slice()) {
            (TRC_LOST_RECORDS, _) => return None,
            (TRC_TRACE_CPU_CHANGE, [number, ..]) => processor = *number,
            (event, [who, ..]) if begins_to_run(event) => {
                running.insert(processor, u64::from(who >> 16));
            }
            (TRC_HVM_VMEXIT | TRC_HVM_VMEXIT64, [reason, rip @ ..]) => {
                // Before the first switch of a processor it is not known who runs there.
                if let Some(&domid) = running.get(&processor) {
                    let rip = rip.iter().rev().fold(0, |rip, half| rip << 32 | u64::from(*half));
                    found.push(Exit { at, domid, reason: *reason, rip });
                }
            }
            _ => {}
        }
    }
    found.sort_by_key(|exit| exit.at);
    Some(found)
}

/// Whether the scheduler's record says that a domain's processor is now running.
fn begins_to_run(event: u32) -> bool {
    event & !RUNSTATES == TRC_SCHED_RUNSTATE_CHANGE && event & NEW_RUNSTATE == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOM0: u32 = 0;
    const FRONT: u32 = 7;
    const BACK: u32 = 6;
    const TRACED: Traced = Traced { boot: 7, front: 7, back: 6, cycles: 1 };

    fn record(event: u32, at: Option<u32>, data: &[u32]) -> Vec<u8> {
        let mut words = vec![event | (data.len() as u32) << 28];
        if let Some(at) = at {
            words[0] |= 1 << 31;
            words.extend([at, 0]);
        }
        words.extend(data);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn processor(number: u32) -> Vec<u8> {
        record(TRC_TRACE_CPU_CHANGE, None, &[number, 0])
    }

    fn runs(domid: u32, at: u32) -> Vec<u8> {
        // From runnable (1) to running (0).
        record(TRC_SCHED_RUNSTATE_CHANGE | 1 << 8, Some(at), &[domid << 16])
    }

    fn blocks(domid: u32, at: u32) -> Vec<u8> {
        record(TRC_SCHED_RUNSTATE_CHANGE | 2 << 4, Some(at), &[domid << 16])
    }

    fn exit(reason: u32, at: u32) -> Vec<u8> {
        record(TRC_HVM_VMEXIT64, Some(at), &[reason, 0x10_0000, 0])
    }

    fn call(number: u64, at: u32) -> Vec<u8> {
        record(TRC_HVM_VMEXIT64, Some(at), &[VMMCALL, 0x10_0005 + (number * STUB_BYTES) as u32, 0])
    }

    fn reasons(row: &Exits) -> Vec<(&str, u64)> {
        row.reasons.iter().map(|(name, count)| (name.as_str(), *count)).collect()
    }

    #[test]
    fn a_boot_is_counted_up_to_its_first_doorbell() {
        let trace = [
            processor(0),
            // Nobody knows whose.
            exit(0x72, 1),
            runs(FRONT, 2),
            record(TRC_HVM_VMEXIT, Some(3), &[0x7c, 0x10_0000]),
            exit(0x72, 4),
            blocks(FRONT, 5),
            runs(DOM0, 6),
            processor(1),
            runs(FRONT, 7),
            call(12, 8),
            call(EVENT_CHANNEL_OP, 9),
            exit(0x72, 10),
        ]
        .concat();
        let rows = rows(TRACED, |file| (file == BOOT).then_some(&trace));
        assert_eq!(rows.len(), 1);
        let expected = [("CPUID", 1), ("MSR", 1), ("event_channel_op", 1), ("memory_op", 1)];
        assert_eq!(reasons(&rows[0]), expected);
    }

    #[test]
    fn a_cycle_is_cut_at_the_fronts_marks_and_both_sides_are_counted() {
        let trace = [
            processor(0),
            runs(FRONT, 1),
            // Its boot.
            call(HVM_OP, 2),
            call(HVM_OP, 10),
            call(EVENT_CHANNEL_OP, 12),
            call(29, 14),
            call(HVM_OP, 30),
            call(HVM_OP, 40),
            exit(0x60, 45),
            call(HVM_OP, 50),
            call(29, 60),
            processor(1),
            runs(BACK, 3),
            call(20, 20),
            call(29, 22),
            call(13, 44),
        ]
        .concat();
        let rows = rows(TRACED, |file| (file == CYCLES).then_some(&trace));
        let told: Vec<_> =
            rows.iter().map(|row| (row.side, row.stage.as_str(), reasons(row))).collect();
        assert_eq!(
            told,
            [
                ("fe", "connect", vec![("event_channel_op", 1), ("sched_op", 1)]),
                ("fe", "data", vec![]),
                ("fe", "disconnect", vec![("interrupt", 1)]),
                ("be", "connect", vec![("grant_table_op", 1), ("sched_op", 1)]),
                ("be", "data", vec![]),
                ("be", "disconnect", vec![("multicall", 1)]),
            ]
        );
    }

    #[test]
    fn a_trace_with_lost_records_or_cut_short_says_nothing() {
        let lost = [processor(0), runs(FRONT, 1), record(TRC_LOST_RECORDS, Some(2), &[1])].concat();
        assert_eq!(exits(&lost), None);
        let mut cut = [processor(0), exit(0x72, 1)].concat();
        cut.truncate(cut.len() - 4);
        assert_eq!(exits(&cut), None);
        assert_eq!(exits(&[]), Some(Vec::new()));
    }
}
