//! What moving data costs: [`Data`], the rows that the image printed besides its histograms.

use std::collections::BTreeMap;

use serde::Serialize;

use super::asked;
use super::exits::{self, Exits, Traced};
use super::links::{self, Links};
use crate::base::options::Clock;
use crate::base::roles;
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// One stream over a connection: writes of one size, read as they come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Streamed {
    /// Pages of the connection.
    pub pages: u64,
    /// Bytes of each write.
    pub size: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// How long that took, until the back had them all; none with the real clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns: Option<u64>,
    /// Events that the front sent.
    pub notified_fe: u64,
    /// Events that the back sent.
    pub notified_be: u64,
}

/// One figure of a domain by itself, all others asleep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alone {
    /// What was done.
    pub name: String,
    /// How often.
    pub n: u64,
    /// Bytes of each.
    pub bytes: u64,
    /// How long all of them took.
    pub ns: u64,
}

/// One stream over libxenvchan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VchanStreamed {
    /// Bytes of the ring, at least.
    pub ring: u64,
    /// Bytes of each write.
    pub size: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// How long that took, until the server had them all.
    pub ns: u64,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Data {
    /// Over a connection; both domains work.
    pub streams: Vec<Streamed>,
    /// Over libxenvchan, between two Linux domains.
    pub vchan: Vec<VchanStreamed>,
    /// xenstore requests of one cycle of what we compare with, by its name, as the daemon wrote them
    /// down.
    pub asked: BTreeMap<String, f64>,
    /// In one domain: the fewest nanoseconds where it was done several times.
    pub alone: Vec<Alone>,
    /// A connect where its back has many links.
    pub links: Vec<Links>,
    /// How often a domain leaves its processor to Xen.
    pub exits: Vec<Exits>,
}

/// Nanoseconds of an instruction where the clock counts them (`-icount shift=1`).
const NS_OF_INSTRUCTION: f64 = 2.0;

impl Data {
    /// What the images printed, and the scenario said of them.
    pub fn of(guests: &[Guest], facts: &[Fact], clock: Clock) -> Data {
        let mut data = Data { links: links::rows(guests, facts, clock), ..Data::default() };
        if clock == Clock::Counted {
            for fact in guests.iter().flat_map(|guest| guest.of("vchan-stream")) {
                let number = |key: &str| fact.number(key).unwrap_or(0);
                data.vchan.push(VchanStreamed {
                    ring: number("ring"),
                    size: number("size"),
                    bytes: number("bytes"),
                    ns: number("ns"),
                });
            }
        }
        for guest in guests.iter().filter(|guest| guest.role == roles::BENCH) {
            for fact in guest.of("stream") {
                let number = |key: &str| fact.number(key).unwrap_or(0);
                data.streams.push(Streamed {
                    pages: number("pages"),
                    size: number("size"),
                    bytes: number("bytes"),
                    ns: fact.number("ns").filter(|_| clock == Clock::Counted),
                    notified_fe: number("notified.fe"),
                    notified_be: number("notified.be"),
                });
            }
            if clock == Clock::Real {
                continue;
            }
            for fact in guest.of("alone").filter(|fact| fact.yes("ok")) {
                let number = |key: &str| fact.number(key).unwrap_or(0);
                let (name, ns) = (fact.text("name"), number("ns"));
                match data.alone.iter_mut().find(|row| row.name == name) {
                    Some(row) => row.ns = row.ns.min(ns),
                    None => data.alone.push(Alone {
                        name: name.into(),
                        n: number("n"),
                        bytes: number("bytes"),
                        ns,
                    }),
                }
            }
        }
        data
    }

    /// Counts what the comparators asked of the daemon in what it wrote down of that, by file.
    pub fn count_others(&mut self, log_of: impl Fn(&str) -> Option<String>) {
        self.asked = asked::per_cycle(log_of);
    }

    /// Counts the exits in the traces that dom0 has made, by file, of the domains that the scenario
    /// named.
    pub fn count_exits<'a>(
        &mut self,
        guests: &[Guest],
        facts: &[Fact],
        trace_of: impl Fn(&str) -> Option<&'a [u8]>,
    ) {
        let traced = facts.iter().find(|fact| fact.word == "traced");
        self.exits = traced
            .and_then(|fact| Traced::of(guests, fact))
            .map_or(Vec::new(), |traced| exits::rows(traced, trace_of));
    }

    fn alone(&self, name: &str) -> Option<&Alone> {
        self.alone.iter().find(|row| row.name == name)
    }

    /// The fastest way to copy, in bytes a nanosecond.
    pub fn best_copy(&self) -> Option<f64> {
        let copies = self.alone.iter().filter(|row| row.name.starts_with("copy-"));
        copies.map(Alone::rate).max_by(f64::total_cmp)
    }

    /// A figure's rate in per cent of the best copy's, of which it may make `copies` of each byte.
    pub fn per_cent_of_copy(&self, name: &str, copies: f64) -> Option<f64> {
        Some(self.alone(name)?.rate() / (self.best_copy()? / copies) * 100.0)
    }

    /// Instructions of a message on each of the two sides.
    pub fn instructions_a_side(&self, name: &str) -> Option<f64> {
        let row = self.alone(name)?;
        Some(row.ns as f64 / row.n as f64 / NS_OF_INSTRUCTION / 2.0)
    }

    /// Events for each ring-full of a stream of writes of `size` bytes.
    pub fn notified_a_ring_full(&self, pages: u64, size: u64) -> Option<f64> {
        let fits = |row: &&Streamed| row.pages == pages && row.size == size;
        let row = self.streams.iter().find(fits)?;
        let ring = grant::ring_bytes(usize::try_from(pages).ok()?);
        let ring_fulls = row.bytes as f64 / f64::from(ring);
        Some((row.notified_fe + row.notified_be) as f64 / ring_fulls)
    }
}

impl Alone {
    /// Bytes a nanosecond.
    fn rate(&self) -> f64 {
        (self.n * self.bytes) as f64 / self.ns.max(1) as f64
    }
}

impl Streamed {
    /// Megabytes (10^6 bytes) a second.
    pub fn megabytes_a_second(&self) -> Option<f64> {
        Some(self.bytes as f64 * 1e3 / self.ns? as f64)
    }

    /// Events for each megabyte.
    pub fn notified_a_megabyte(&self) -> f64 {
        (self.notified_fe + self.notified_be) as f64 * 1e6 / self.bytes as f64
    }
}
