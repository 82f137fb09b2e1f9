//! What one seed decides before anything happens: who is there, how fast everything is, how much
//! traffic, which faults. Swarm testing: extremes are drawn as often as the ordinary.

use std::rc::Rc;

use channel::limits::BEATS_MISSED_LEAST;

use crate::base::clock::{MS, SECOND};
use crate::store::Flavour;
use crate::store::limits::Quotas;
use crate::xen::Sizes;
use prng::Prng;

/// A link of the world: its name and the places of its two ends.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// Its name.
    pub name: Rc<str>,
    /// The frontend's place.
    pub front: usize,
    /// The backend's place.
    pub back: usize,
}

/// A span of which one is drawn each time.
pub type Span = (u64, u64);

/// How the users of the links behave.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Nanoseconds between two bursts of messages at one side.
    pub gap_ns: Span,
    /// After so many messages of one side in one life the gaps are a beat at least.
    pub quick_messages: u32,
    /// After so many connections of one life the rests are a beat at least.
    pub quick_connections: u32,
    /// Messages of a burst.
    pub burst: Span,
    /// Bytes that fill a message up.
    pub padding: Span,
    /// Bytes each way of a connection.
    pub stream_bytes: Span,
    /// Nanoseconds from the end of one connection to the wish for the next.
    pub rest_ns: Span,
    /// In so many cases of a million a backend closes before the frontend does.
    pub back_closes_ppm: u32,
    /// In so many cases of a million a frontend disconnects before all is done.
    pub front_hurries_ppm: u32,
}

/// How much a world moves. Most are light: what goes wrong between two domains goes wrong with few
/// messages too, and many such worlds fit into the time of one that is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A few messages and connections in each life.
    Light,
    /// Anything that traffic can be.
    Ordinary,
    /// One link whose window is full all the time.
    Flood,
}

/// Everything that a seed decides beforehand.
#[derive(Clone, Debug)]
pub struct Params {
    /// How much goes on.
    pub load: Load,
    /// The daemon.
    pub flavour: Flavour,
    /// What it lets a domain have.
    pub quotas: Quotas,
    /// How much of everything Xen gives a domain.
    pub sizes: Sizes,
    /// Places for domains: each holds one life after the other.
    pub places: usize,
    /// Links.
    pub links: Vec<LinkPlan>,
    /// The place of a domain that lies, if there is one.
    pub hostile: Option<usize>,
    /// The beat period of all links.
    pub beat_ns: u64,
    /// Missed beats that mean death.
    pub beats_missed_max: u32,
    /// Pages of a connection.
    pub pages: u16,
    /// How long a pass of the daemon takes.
    pub daemon_ns: Span,
    /// How long a doorbell takes to reach anybody.
    pub doorbell_ns: Span,
    /// How long a request and its reply take at most, or nearly.
    pub request_ns: u64,
    /// How long a step of domain 0 takes.
    pub dom0_ns: Span,
    /// How long a domain takes to boot.
    pub boot_ns: Span,
    /// Domains whose time has come have a turn at the next multiple of this: whatever else is due
    /// until then is done in the same turn.
    pub slack_ns: u64,
    /// How long a dead domain's place stays empty.
    pub vacant_ns: Span,
    /// Most bytes that the daemon moves at once.
    pub chunk: Span,
    /// In so many cases of a million the world goes on for a moment as a step is reached.
    pub interleave_ppm: u32,
    /// Whether a new domain gets the number of the last one there, if it is free.
    pub same_domid_ppm: u32,
    /// Nanoseconds between two stray faults.
    pub stray_ns: Span,
    /// How long faults go on.
    pub faulty_ns: u64,
    /// The users.
    pub traffic: Traffic,
}

/// Names of links; one of them as long as a name may be.
const NAMES: [&str; 3] = ["a", "bulk", "As_long_as_a_name_may_be"];

impl Params {
    /// Draws them.
    pub fn draw(chance: &mut Prng) -> Self {
        let load = match chance.below(40) {
            39 => Load::Flood,
            37 | 38 => Load::Ordinary,
            _ => Load::Light,
        };
        let (places, links) = draw_topology(chance, load);
        let daemon = *chance.pick(&[20_000, 100_000, 400_000, 2 * MS]);
        let daemon_ns = (daemon, daemon * chance.between(1, 4));
        let doorbell = *chance.pick(&[2_000, 20_000, 200_000]);
        let doorbell_ns = (doorbell / 2, doorbell * chance.between(1, 5));
        let chunk = match load {
            Load::Flood => *chance.pick(&[(1024, 1024), (1, 1024)]),
            _ => *chance.pick(&[(1024, 1024), (1024, 1024), (1, 1024), (8, 40)]),
        };
        // The protocol's bounds are in beats: a beat is not shorter than what xenstored needs for
        // a round of all links.
        let request_ns = request_ns(daemon_ns, doorbell_ns, chunk);
        let shortest_ns = request_ns * links.len() as u64 * 10;
        let beat_ns = (*chance.pick(&[50 * MS, 200 * MS, SECOND, SECOND])).max(shortest_ns);
        // A light world is short: what is slow there is slow in beats.
        let slow = |slow_ns: u64, part: u64| match load {
            Load::Light => slow_ns.min(beat_ns / part),
            Load::Ordinary | Load::Flood => slow_ns,
        };
        Params {
            load,
            flavour: *chance.pick(&[Flavour::C, Flavour::Ocaml]),
            quotas: Quotas::default(),
            sizes: Sizes::FEW,
            hostile: (chance.below(4) == 0).then(|| chance.below(places as u32) as usize),
            places,
            links,
            beat_ns,
            beats_missed_max: chance.between(u64::from(BEATS_MISSED_LEAST), 6) as u32,
            pages: chance.between(1, 2) as u16,
            daemon_ns,
            doorbell_ns,
            request_ns,
            dom0_ns: *chance.pick(&[(MS / 10, MS), (MS, 20 * MS), (MS, slow(300 * MS, 4))]),
            boot_ns: *chance.pick(&[(MS, 10 * MS), (MS, slow(2 * SECOND, 1))]),
            slack_ns: 1,
            vacant_ns: (0, beat_ns * *chance.pick(&[1, 4, 20])),
            chunk,
            interleave_ppm: *chance.pick(&[0, 50_000, 500_000]),
            same_domid_ppm: *chance.pick(&[0, 500_000, 1_000_000]),
            stray_ns: (beat_ns / 10, beat_ns * *chance.pick(&[1, 5, 20])),
            faulty_ns: match load {
                Load::Light => beat_ns * chance.between(4, 24),
                Load::Ordinary | Load::Flood => beat_ns * chance.between(10, 60),
            },
            traffic: match load {
                Load::Light => Traffic::light(chance, beat_ns),
                Load::Ordinary => Traffic::draw(chance, beat_ns),
                Load::Flood => Traffic::flood(chance, beat_ns),
            },
        }
    }
}

impl Traffic {
    fn draw(chance: &mut Prng, beat_ns: u64) -> Self {
        let quick = beat_ns / 200;
        Traffic {
            quick_messages: *chance.pick(&[30, 100, 300, 1000, 3000]),
            quick_connections: *chance.pick(&[2, 5, 5, 50]),
            gap_ns: *chance.pick(&[
                (quick, quick * 4),
                (beat_ns / 20, beat_ns),
                (beat_ns, beat_ns * 8),
            ]),
            burst: *chance.pick(&[(1, 1), (1, 4), (6, 12), (20, 60), (20, 60)]),
            padding: *chance.pick(&[(0, 0), (0, 30), (0, 30), (0, 1000)]),
            stream_bytes: *chance.pick(&[(0, 0), (1, 300), (1000, 6000)]),
            rest_ns: *chance.pick(&[(0, 0), (0, beat_ns / 4), (beat_ns, beat_ns * 4)]),
            back_closes_ppm: *chance.pick(&[0, 100_000, 500_000]),
            front_hurries_ppm: *chance.pick(&[0, 100_000, 500_000]),
        }
    }
}

impl Traffic {
    fn light(chance: &mut Prng, beat_ns: u64) -> Self {
        Traffic {
            quick_messages: *chance.pick(&[5, 10, 30]),
            quick_connections: *chance.pick(&[1, 2, 3]),
            burst: *chance.pick(&[(1, 1), (1, 1), (1, 4), (6, 12)]),
            padding: *chance.pick(&[(0, 0), (0, 0), (0, 30), (0, 30), (0, 30), (0, 1000)]),
            stream_bytes: *chance.pick(&[(0, 0), (1, 300), (1, 300), (1000, 6000)]),
            rest_ns: *chance.pick(&[(0, beat_ns / 4), (beat_ns, beat_ns * 4)]),
            ..Traffic::draw(chance, beat_ns)
        }
    }

    fn flood(chance: &mut Prng, beat_ns: u64) -> Self {
        Traffic {
            quick_messages: *chance.pick(&[5_000, 20_000]),
            gap_ns: (0, beat_ns / 200),
            burst: (50, 400),
            padding: *chance.pick(&[(0, 0), (0, 30)]),
            ..Traffic::light(chance, beat_ns)
        }
    }
}

/// Passes and doorbells for a few hundred bytes each way.
fn request_ns(daemon_ns: Span, doorbell_ns: Span, chunk: Span) -> u64 {
    let pieces = 300 / ((chunk.0 + chunk.1) / 2) + 2;
    daemon_ns.1 * pieces * 2 + doorbell_ns.1 * 2
}

fn draw_topology(chance: &mut Prng, load: Load) -> (usize, Vec<LinkPlan>) {
    let plan = |number: usize, front, back| LinkPlan { name: NAMES[number].into(), front, back };
    let kind = match load {
        Load::Flood => 0,
        Load::Ordinary => chance.below(6),
        // Two of three have one link.
        Load::Light => chance.below(9).saturating_sub(3),
    };
    match kind {
        // One link: most of the world's time goes into it.
        0..=2 => (2, vec![plan(0, 0, 1)]),
        // Two domains, up to three links, not all in the same direction.
        3 => {
            let count = chance.between(2, 3) as usize;
            let link = |number| {
                let front = usize::from(chance.below(4) == 0);
                plan(number, front, 1 - front)
            };
            (2, (0..count).map(link).collect())
        }
        // Two frontends of one backend.
        4 => (3, vec![plan(0, 0, 2), plan(1, 1, 2)]),
        // One frontend of two backends.
        _ => (3, vec![plan(0, 0, 1), plan(1, 0, 2)]),
    }
}
