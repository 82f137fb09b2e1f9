//! The options of an image, from `extra=` in its xl configuration.
//!
//! Words of the form `key=value`. An unknown or malformed one ends the run: a test that quietly ran
//! with another setting than asked for is worth nothing.

use core::fmt;
use core::ops::RangeInclusive;

use crate::console::Level;
use channel::{LinkName, Step};
use heapless::{String, Vec};

/// Most links of one image: 2 MiB of memory hold as many, 1,024 bytes of command line their names
/// if they are short, and one SCHEDOP_poll their ports.
pub const LINKS_MAX: usize = 100;
const _: () = assert!(LINKS_MAX < crate::hypercall::sched::POLL_PORTS_MAX);
/// Page sets that may be in use or in quarantine together: one for each link, and some that peers
/// hold. A front that is killed and restarted by its peers' misbehaviour runs out here, by name,
/// instead of running out of memory.
pub const PAGE_SETS_MAX: usize = LINKS_MAX + 16;
/// Most bytes a cycle moves each way: 1 GiB, minutes of work at the rates seen.
const BYTES_MAX: u64 = 1 << 30;
/// Most pages of one connection: both libraries have a say.
const PAGES_MAX: u16 = if channel::limits::PAGES_MAX < grant::PAGES_MAX {
    channel::limits::PAGES_MAX as u16
} else {
    grant::PAGES_MAX as u16
};
/// Shortest and longest beat: below, the store would be flooded; above, nobody would wait.
const BEAT_MS: RangeInclusive<u64> = 10..=60_000;
/// Missed beats that mean death: not fewer than the channel bears, and a thousand is for ever.
const BEAT_LIMIT: RangeInclusive<u64> = channel::limits::BEATS_MISSED_LEAST as u64..=1000;
/// Room for the names of all kinds.
const KIND_BYTES_MAX: usize = 96;
/// Longest pause at a step or rest after a cycle: ten minutes.
const PAUSE_MS_MAX: u64 = 600_000;

/// Do the self-tests run, and what comes after?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selftest {
    /// First the self-tests, then the job.
    On,
    /// The self-tests alone.
    Only,
    /// The job alone.
    Off,
}

/// Which part an image plays in a test that takes two domains (the image xenstore-check).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// There is no other domain: what needs one is left out.
    Alone,
    /// Does the testing.
    First,
    /// Does what the first one asks for.
    Second,
}

/// The options, each with its default.
#[derive(Clone, Debug)]
pub struct Options {
    /// `link=a,b`: the links of this image. Default: none.
    pub links: Vec<LinkName, LINKS_MAX>,
    /// `cycles=20`: connections before the frontend ends; 0: until it is shut down.
    pub cycles: u32,
    /// `bytes=1048576`: bytes that a cycle moves each way.
    pub bytes: u64,
    /// `rest_ms=0`: how long a frontend's link rests after a cycle.
    pub rest_ms: u32,
    /// `pages=1`: pages of a connection.
    pub pages: u16,
    /// `page_sets=116`: connections' pages that may be in use or in quarantine together.
    pub page_sets: u16,
    /// `beat_ms=1000`: the beat's period.
    pub beat_ms: u32,
    /// `beat_limit=4`: periods without a beat before the peer is taken for dead.
    pub beat_limit: u32,
    /// `restart_every=0`: connections after which all endpoints are restarted in place; 0: never.
    pub restart_every: u32,
    /// `selftest=on`.
    pub selftest: Selftest,
    /// `stop_at=STEP[:N]`: say so and idle when the step is reached for the N-th time (from 1).
    pub stop_at: Option<(Step, u32)>,
    /// `pause_at=STEP:MS`: sleep so many milliseconds when the step is reached.
    pub pause_at: Option<(Step, u32)>,
    /// `log=info`.
    pub log: Level,
    /// `role=alone`.
    pub role: Role,
    /// `kind=a,b`: the lies that the image `hostile` tells; all if there is none.
    pub kind: String<KIND_BYTES_MAX>,
    /// `seed=1`: what it makes its choices from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            links: Vec::new(),
            cycles: 20,
            bytes: 1 << 20,
            rest_ms: 0,
            pages: 1,
            page_sets: PAGE_SETS_MAX as u16,
            beat_ms: 1000,
            beat_limit: 4,
            restart_every: 0,
            selftest: Selftest::On,
            stop_at: None,
            pause_at: None,
            log: Level::Info,
            role: Role::Alone,
            kind: String::new(),
            seed: 1,
        }
    }
}

/// An option that cannot be obeyed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionError<'a> {
    /// The word as it was given.
    pub word: &'a str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such option.
    Unknown,
    /// It has no `=`.
    NoValue,
    /// The value is not one that this option takes.
    Value,
    /// It was given before.
    Repeated,
    /// A link more than an image takes.
    OneTooMany,
}

impl fmt::Display for OptionError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Unknown => "unknown option",
            Problem::NoValue => "option without value",
            Problem::Value => "malformed option",
            Problem::Repeated => "repeated option",
            Problem::OneTooMany => {
                return write!(f, "link {} is one too many: {LINKS_MAX} are possible", self.word);
            }
        };
        write!(f, "{problem} {}", self.word)
    }
}

/// The keys, in the order of the bits that mark them as given.
const KEYS: [&str; 16] = [
    "link",
    "cycles",
    "bytes",
    "rest_ms",
    "pages",
    "page_sets",
    "beat_ms",
    "beat_limit",
    "restart_every",
    "selftest",
    "stop_at",
    "pause_at",
    "log",
    "role",
    "kind",
    "seed",
];

impl Options {
    /// Reads a command line.
    ///
    /// # Errors
    /// The first word that is not an option.
    pub fn parse(line: &str) -> Result<Options, OptionError<'_>> {
        let mut options = Options::default();
        let mut given = 0_u32;
        for word in line.split_ascii_whitespace() {
            let bad = |problem| OptionError { word, problem };
            let (key, value) = word.split_once('=').ok_or(bad(Problem::NoValue))?;
            let index = KEYS.iter().position(|&k| k == key).ok_or(bad(Problem::Unknown))?;
            if given & 1 << index != 0 {
                return Err(bad(Problem::Repeated));
            }
            given |= 1 << index;
            if let ("link", Some(name)) = (key, value.split(',').nth(LINKS_MAX)) {
                return Err(OptionError { word: name, problem: Problem::OneTooMany });
            }
            options.set(key, value).ok_or(bad(Problem::Value))?;
        }
        Ok(options)
    }

    /// Obeys one option; `None` where the value is not one.
    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        // Each range lies within the field's type, so the narrowings lose nothing.
        match key {
            "link" => self.links = links(value)?,
            "cycles" => self.cycles = number(value, 0..=u64::from(u32::MAX))? as u32,
            "bytes" => self.bytes = number(value, 1..=BYTES_MAX)?,
            "rest_ms" => self.rest_ms = number(value, 0..=PAUSE_MS_MAX)? as u32,
            "pages" => self.pages = number(value, 1..=u64::from(PAGES_MAX))? as u16,
            "page_sets" => self.page_sets = number(value, 1..=PAGE_SETS_MAX as u64)? as u16,
            "beat_ms" => self.beat_ms = number(value, BEAT_MS)? as u32,
            "beat_limit" => self.beat_limit = number(value, BEAT_LIMIT)? as u32,
            "restart_every" => {
                self.restart_every = number(value, 0..=u64::from(u32::MAX))? as u32;
            }
            "selftest" => self.selftest = one_of(value, &SELFTEST)?,
            "stop_at" => {
                let (word, occurrence) = value.split_once(':').unwrap_or((value, "1"));
                let occurrence = number(occurrence, 1..=u64::from(u32::MAX))? as u32;
                self.stop_at = Some((Step::from_word(word.as_bytes())?, occurrence));
            }
            "pause_at" => {
                let (word, pause) = value.split_once(':')?;
                let pause_ms = number(pause, 0..=PAUSE_MS_MAX)? as u32;
                self.pause_at = Some((Step::from_word(word.as_bytes())?, pause_ms));
            }
            "log" => self.log = one_of(value, &LOG)?,
            "role" => self.role = one_of(value, &ROLE)?,
            "kind" => self.kind = String::try_from(value).ok()?,
            "seed" => self.seed = number(value, 0..=u64::MAX)?,
            _ => return None,
        }
        Some(())
    }
}

/// Values of `selftest=`.
const SELFTEST: [(&str, Selftest); 3] =
    [("on", Selftest::On), ("only", Selftest::Only), ("off", Selftest::Off)];

/// Values of `log=`.
const LOG: [(&str, Level); 4] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

/// Values of `role=`.
const ROLE: [(&str, Role); 3] =
    [("alone", Role::Alone), ("first", Role::First), ("second", Role::Second)];

/// The value with this name.
fn one_of<T: Copy>(name: &str, values: &[(&str, T)]) -> Option<T> {
    values.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value)
}

/// A decimal number without sign, in a range.
#[inline(never)] // Once in the image, not once an option.
fn number(text: &str, range: RangeInclusive<u64>) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in text.bytes() {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    range.contains(&value).then_some(value)
}

/// Names separated by commas, each once.
fn links(value: &str) -> Option<Vec<LinkName, LINKS_MAX>> {
    let mut links = Vec::new();
    for name in value.split(',') {
        let name = LinkName::new(name.as_bytes()).ok()?;
        if links.contains(&name) {
            return None;
        }
        links.push(name).ok()?;
    }
    Some(links)
}

#[cfg(test)]
mod tests {
    use super::{LINKS_MAX, OptionError, Options, PAGE_SETS_MAX, Problem, Role, Selftest};
    use crate::console::Level;
    use channel::Step;

    #[track_caller]
    fn refused(line: &str, word: &str, problem: Problem) {
        assert_eq!(Options::parse(line).unwrap_err(), OptionError { word, problem });
    }

    #[test]
    fn an_empty_line_gives_the_defaults() {
        let options = Options::parse("  ").unwrap();
        assert!(options.links.is_empty());
        assert_eq!((options.cycles, options.bytes, options.pages), (20, 1 << 20, 1));
        assert_eq!(usize::from(options.page_sets), PAGE_SETS_MAX);
        assert_eq!((options.beat_ms, options.beat_limit), (1000, 4));
        assert_eq!(options.restart_every, 0);
        assert_eq!((options.selftest, options.log), (Selftest::On, Level::Info));
        assert_eq!((options.stop_at, options.pause_at), (None, None));
        assert_eq!(options.role, Role::Alone);
    }

    #[test]
    fn every_option_is_obeyed() {
        let line = "link=a,b-1 cycles=0 bytes=7 rest_ms=30 pages=2 page_sets=3 beat_ms=100 beat_limit=3 \
                    selftest=only restart_every=5 \
                    stop_at=connected:2 pause_at=streaming:1500 log=debug role=second";
        let options = Options::parse(line).unwrap();
        let links: std::vec::Vec<&str> = options.links.iter().map(|name| name.as_str()).collect();
        assert_eq!(links, ["a", "b-1"]);
        assert_eq!((options.cycles, options.bytes, options.pages), (0, 7, 2));
        assert_eq!((options.rest_ms, options.page_sets), (30, 3));
        assert_eq!((options.beat_ms, options.beat_limit), (100, 3));
        assert_eq!(options.restart_every, 5);
        assert_eq!((options.selftest, options.log), (Selftest::Only, Level::Debug));
        assert_eq!(options.stop_at, Some((Step::Connected, 2)));
        assert_eq!(options.pause_at, Some((Step::Streaming, 1500)));
        assert_eq!(options.role, Role::Second);
    }

    #[test]
    fn a_step_without_occurrence_means_the_first() {
        assert_eq!(Options::parse("stop_at=up").unwrap().stop_at, Some((Step::Up, 1)));
    }

    #[test]
    fn what_is_no_option_is_named() {
        refused("cycles=1 cycle=2", "cycle=2", Problem::Unknown);
        refused("selftest", "selftest", Problem::NoValue);
        refused("log=info log=warn", "log=warn", Problem::Repeated);
    }

    #[test]
    fn the_link_that_is_one_too_many_is_named() {
        let names: std::vec::Vec<_> = (0..=LINKS_MAX).map(|n| std::format!("l{n}")).collect();
        let full = std::format!("link={}", names[..LINKS_MAX].join(","));
        assert_eq!(Options::parse(&full).unwrap().links.len(), LINKS_MAX);
        let over = std::format!("link={}", names.join(","));
        refused(&over, &names[LINKS_MAX], Problem::OneTooMany);
    }

    #[test]
    fn malformed_values_are_named() {
        for word in [
            "cycles=",
            "cycles=-1",
            "cycles=+1",
            "cycles=4294967296",
            "bytes=0",
            "rest_ms=600001",
            "pages=0",
            "pages=99",
            "page_sets=0",
            "page_sets=117",
            "beat_ms=9",
            "beat_limit=2",
            "selftest=yes",
            "log=trace",
            "role=third",
            "stop_at=up:0",
            "stop_at=nowhere",
            "pause_at=up",
            "pause_at=up:600001",
            "link=",
            "link=a,,b",
            "link=a,a",
            "link=a.b",
            "link=abcdefghijklmnopqrstuvwxy",
        ] {
            refused(word, word, Problem::Value);
        }
    }
}
