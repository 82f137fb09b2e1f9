//! T0 to T8 of each cycle: [`Moment`]s on one clock, Xen's system time.
//!
//! T0 `xl create` of the frontend, T1 its first instruction, T2 channel up, T3 connect asked, T4
//! connected, T5 first byte, T6 disconnect asked, T7 disconnected, T8 every grant ended and port
//! closed. T1 to T8 are printed by the frontend. T0 is taken in dom0, whose clock differs from
//! Xen's by a constant that steps.sh bounds from both sides; the middle is taken.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// The moments of one cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Which cycle of the frontend.
    pub cycle: u64,
    /// Which link.
    pub link: String,
    /// Which frontend.
    pub fe_incarnation: u64,
    /// Which backend.
    pub be_incarnation: u64,
    /// T0 to T8, those that are known.
    pub t_ns: BTreeMap<String, u64>,
}

/// What has to be added to dom0's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    low: u64,
    high: u64,
}

impl ClockOffset {
    /// The bounds that the job found; none where it found none.
    pub fn find(facts: &[Fact]) -> Option<ClockOffset> {
        let fact = facts.iter().find(|fact| fact.word == "clock")?;
        let (low, high) = (fact.number("low")?, fact.number("high")?);
        (low <= high).then_some(ClockOffset { low, high })
    }

    /// A time of dom0's clock as Xen's.
    pub fn convert(self, dom0_ns: u64) -> u64 {
        dom0_ns.saturating_add(self.low + (self.high - self.low) / 2)
    }

    /// How far off that may be, either way.
    pub fn uncertainty_ns(self) -> u64 {
        (self.high - self.low).div_ceil(2)
    }
}

/// The cycles that moved all their bytes, in order.
pub fn cycles(guests: &[Guest], offset: Option<ClockOffset>) -> Vec<Moment> {
    let mut moments = Vec::new();
    for guest in guests.iter().filter(|guest| guest.role == "frontend") {
        let t0 = guest.created_dom0_ns.zip(offset).map(|(ns, offset)| offset.convert(ns));
        let t1 = guest.of("boot").find_map(|fact| fact.number("t1_ns"));
        // Which backend a link leads to is what the last introduction before the cycle said.
        let mut peers: BTreeMap<String, u64> = BTreeMap::new();
        for fact in &guest.facts {
            let link = fact.text("link").to_string();
            if fact.word == "introduced" {
                if let Some(peer) = fact.number("peer") {
                    peers.insert(link, peer);
                }
            } else if fact.word == "cycle" && fact.yes("ok") {
                let mut t_ns = BTreeMap::new();
                t_ns.extend(t0.map(|t0| ("T0".to_string(), t0)));
                t_ns.extend(t1.map(|t1| ("T1".to_string(), t1)));
                for number in 2..=8 {
                    let value = fact.number(&format!("t{number}"));
                    t_ns.extend(value.map(|ns| (format!("T{number}"), ns)));
                }
                let peer = peers.get(&link).copied();
                let backend = guests
                    .iter()
                    .find(|other| other.role == "backend" && Some(other.domid) == peer);
                moments.push(Moment {
                    cycle: fact.number("n").unwrap_or(0),
                    be_incarnation: backend.map_or(0, |backend| backend.incarnation),
                    fe_incarnation: guest.incarnation,
                    link,
                    t_ns,
                });
            }
        }
    }
    moments
}

impl Moment {
    /// From one moment to a later one, where both are known and in order.
    pub fn span(&self, from: &str, to: &str) -> Option<u64> {
        self.t_ns.get(to)?.checked_sub(*self.t_ns.get(from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(role: &str, incarnation: u64, domid: u64, console: &str) -> Guest {
        let created_dom0_ns = Some(50);
        Guest { incarnation, domid, created_dom0_ns, ..Guest::that_printed(role, console) }
    }

    #[test]
    fn t0_is_put_on_the_guests_clock_and_cycles_find_their_backend() {
        let console = "@T boot image=frontend domid=3 t1_ns=300 mem_kib=2048\n\
            @T introduced link=a peer=4 number=1\n\
            @T cycle link=a n=1 k=1 t2=400 t3=410 t4=420 t5=430 t6=440 t7=450 t8=460 bytes=1 ok=1\n\
            @T cycle link=a n=2 k=2 t2=400 t3=470 ok=0 reason=down\n\
            @T introduced link=a peer=5 number=2\n\
            @T cycle link=a n=2 k=3 t2=500 t3=510 t4=520 t5=530 t6=540 t7=550 t8=560 bytes=1 ok=1\n";
        let guests = [
            guest("backend", 1, 4, ""),
            guest("frontend", 1, 3, console),
            guest("backend", 2, 5, ""),
        ];
        let facts = Fact::all("@J", "@J clock low=100 high=104\n");
        let offset = ClockOffset::find(&facts).expect("bounds");
        assert_eq!(offset.uncertainty_ns(), 2);
        let moments = cycles(&guests, Some(offset));
        let backends: Vec<u64> = moments.iter().map(|moment| moment.be_incarnation).collect();
        assert_eq!(backends, [1, 2]);
        assert_eq!(moments[0].span("T0", "T1"), Some(300 - 152));
        assert_eq!(moments[0].span("T3", "T4"), Some(10));
        assert_eq!(cycles(&guests, None)[0].span("T0", "T1"), None);
    }
}
