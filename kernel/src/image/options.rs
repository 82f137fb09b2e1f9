//! The options of an image, from `extra=` in its xl configuration.
//!
//! Words of the form `key=value`. An unknown or malformed one ends the run: a test that quietly ran
//! with another setting than asked for is worth nothing.

use core::fmt;
use core::ops::RangeInclusive;

use alloc::string::String;
use alloc::vec::Vec;

use crate::console::Level;
use channel::{LinkName, Step};

/// Most links of one image: 2 MiB of memory hold as many, 1,024 bytes of command line their names
/// if they are short, and one SCHEDOP_poll their ports.
pub const LINKS_MAX: usize = 100;
const _: () = assert!(LINKS_MAX < crate::xen::hypercall::sched::POLL_PORTS_MAX);
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
const BEAT_MS: RangeInclusive<u32> = 10..=60_000;
/// Missed beats that mean death: not fewer than the channel bears, and a thousand is for ever.
const BEAT_LIMIT: RangeInclusive<u32> = channel::limits::BEATS_MISSED_LEAST..=1000;
/// Longest pause at a step or rest after a cycle: ten minutes.
const PAUSE_MS_MAX: u32 = 600_000;

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

/// The options, each with its default.
#[derive(Clone, Debug)]
pub struct Options {
    /// `link=a,b`: the links of this image, at most [`LINKS_MAX`]. Default: none.
    pub links: Vec<LinkName>,
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
    /// The options that only this image has ([`crate::entry!`]), as they were given.
    pub own: Vec<(&'static str, String)>,
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
            own: Vec::new(),
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

/// Sets an option; `None` where the value is malformed.
type Setter = fn(&mut Options, &str) -> Option<()>;

/// The options, in the order of the bits that mark them as given.
const OPTIONS: [(&str, Setter); 13] = [
    ("link", |options, value| {
        options.links = links(value)?;
        Some(())
    }),
    ("cycles", |options, value| set(&mut options.cycles, value, 0..=u32::MAX)),
    ("bytes", |options, value| {
        options.bytes = number(value, 1..=BYTES_MAX)?;
        Some(())
    }),
    ("rest_ms", |options, value| set(&mut options.rest_ms, value, 0..=PAUSE_MS_MAX)),
    ("pages", |options, value| set_some(&mut options.pages, value, PAGES_MAX)),
    ("page_sets", |options, value| set_some(&mut options.page_sets, value, PAGE_SETS_MAX as u16)),
    ("beat_ms", |options, value| set(&mut options.beat_ms, value, BEAT_MS)),
    ("beat_limit", |options, value| set(&mut options.beat_limit, value, BEAT_LIMIT)),
    ("restart_every", |options, value| set(&mut options.restart_every, value, 0..=u32::MAX)),
    ("selftest", |options, value| one_of(&mut options.selftest, value, &SELFTEST)),
    ("stop_at", |options, value| {
        options.stop_at = Some(step(value, Some("1"), 1..=u32::MAX)?);
        Some(())
    }),
    ("pause_at", |options, value| {
        options.pause_at = Some(step(value, None, 0..=PAUSE_MS_MAX)?);
        Some(())
    }),
    ("log", |options, value| one_of(&mut options.log, value, &LOG)),
];

impl Options {
    /// Reads a command line; `own` are the options that only this image has.
    ///
    /// # Errors
    /// The first word that is not an option.
    pub fn parse<'a>(line: &'a str, own: &[&'static str]) -> Result<Options, OptionError<'a>> {
        let mut options = Options::default();
        let mut given = 0_u32;
        for word in line.split_ascii_whitespace() {
            let bad = |problem| OptionError { word, problem };
            let (key, value) = word.split_once('=').ok_or(bad(Problem::NoValue))?;
            if let Some(name) = own.iter().find(|name| **name == key) {
                if options.own(name).is_some() {
                    return Err(bad(Problem::Repeated));
                }
                options.own.push((*name, String::from(value)));
                continue;
            }
            let known = OPTIONS.iter().position(|(name, _)| *name == key);
            let index = known.ok_or(bad(Problem::Unknown))?;
            if given & 1 << index != 0 {
                return Err(bad(Problem::Repeated));
            }
            given |= 1 << index;
            if let ("link", Some(name)) = (key, value.split(',').nth(LINKS_MAX)) {
                return Err(OptionError { word: name, problem: Problem::OneTooMany });
            }
            OPTIONS[index].1(&mut options, value).ok_or(bad(Problem::Value))?;
        }
        Ok(options)
    }

    /// The value given for an option of this image's own, if it was given.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.own.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
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

/// Sets a field to the value with this name.
fn one_of<T: Copy>(field: &mut T, name: &str, values: &[(&str, T)]) -> Option<()> {
    *field = values.iter().find(|(candidate, _)| *candidate == name)?.1;
    Some(())
}

/// Sets a field to a number in a range.
fn set(field: &mut u32, text: &str, range: RangeInclusive<u32>) -> Option<()> {
    *field = number32(text, range)?;
    Some(())
}

/// Sets a field to a number from 1 to `most`.
fn set_some(field: &mut u16, text: &str, most: u16) -> Option<()> {
    // In a range of such numbers, so the narrowing loses nothing.
    *field = number(text, 1..=most.into())? as u16;
    Some(())
}

/// `STEP:NUMBER`, the number in a range. Without one it is `default`, if there is that.
fn step(text: &str, default: Option<&str>, range: RangeInclusive<u32>) -> Option<(Step, u32)> {
    let (word, text) = match (text.split_once(':'), default) {
        (Some(parts), _) => parts,
        (None, Some(default)) => (text, default),
        (None, None) => return None,
    };
    Some((Step::from_word(word.as_bytes())?, number32(text, range)?))
}

/// As [`number`], for what fits a smaller field.
#[inline(never)] // Once in the image, not once an option.
fn number32(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let (low, high) = range.into_inner();
    // In a range of such numbers, so the narrowing loses nothing.
    number(text, low.into()..=high.into()).map(|value| value as u32)
}

/// A decimal number without sign, in a range.
#[inline(never)] // Once in the image, not once an option.
pub fn number(text: &str, range: RangeInclusive<u64>) -> Option<u64> {
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

/// Names separated by commas, each once. There are at most [`LINKS_MAX`]: the caller has looked.
fn links(value: &str) -> Option<Vec<LinkName>> {
    let mut links = Vec::new();
    for name in value.split(',') {
        let name = LinkName::new(name.as_bytes()).ok()?;
        if links.contains(&name) {
            return None;
        }
        links.push(name);
    }
    Some(links)
}

#[cfg(test)]
mod tests {
    use super::{LINKS_MAX, OptionError, Options, PAGE_SETS_MAX, Problem, Selftest};
    use crate::console::Level;
    use channel::Step;

    #[track_caller]
    fn refused(line: &str, word: &str, problem: Problem) {
        assert_eq!(Options::parse(line, &[]).unwrap_err(), OptionError { word, problem });
    }

    #[test]
    fn an_empty_line_gives_the_defaults() {
        let options = Options::parse("  ", &[]).unwrap();
        assert!(options.links.is_empty());
        assert_eq!((options.cycles, options.bytes, options.pages), (20, 1 << 20, 1));
        assert_eq!(usize::from(options.page_sets), PAGE_SETS_MAX);
        assert_eq!((options.beat_ms, options.beat_limit), (1000, 4));
        assert_eq!(options.restart_every, 0);
        assert_eq!((options.selftest, options.log), (Selftest::On, Level::Info));
        assert_eq!((options.stop_at, options.pause_at), (None, None));
    }

    #[test]
    fn every_option_is_obeyed() {
        let line = "link=a,b-1 cycles=0 bytes=7 rest_ms=30 pages=2 page_sets=3 beat_ms=100 beat_limit=3 \
                    selftest=only restart_every=5 \
                    stop_at=connected:2 pause_at=streaming:1500 log=debug";
        let options = Options::parse(line, &[]).unwrap();
        let links: std::vec::Vec<&str> = options.links.iter().map(|name| name.as_str()).collect();
        assert_eq!(links, ["a", "b-1"]);
        assert_eq!((options.cycles, options.bytes, options.pages), (0, 7, 2));
        assert_eq!((options.rest_ms, options.page_sets), (30, 3));
        assert_eq!((options.beat_ms, options.beat_limit), (100, 3));
        assert_eq!(options.restart_every, 5);
        assert_eq!((options.selftest, options.log), (Selftest::Only, Level::Debug));
        assert_eq!(options.stop_at, Some((Step::Connected, 2)));
        assert_eq!(options.pause_at, Some((Step::Streaming, 1500)));
    }

    #[test]
    fn a_step_without_occurrence_means_the_first() {
        assert_eq!(Options::parse("stop_at=up", &[]).unwrap().stop_at, Some((Step::Up, 1)));
    }

    #[test]
    fn options_of_one_image_are_kept_as_given_and_refused_by_others() {
        let options = Options::parse("seed=7 cycles=2", &["role", "seed"]).unwrap();
        assert_eq!((options.own("seed"), options.own("role")), (Some("7"), None));
        assert_eq!(options.cycles, 2);
        refused("seed=7", "seed=7", Problem::Unknown);
        let repeated = Options::parse("seed=7 seed=8", &["seed"]).unwrap_err();
        assert_eq!(repeated, OptionError { word: "seed=8", problem: Problem::Repeated });
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
        assert_eq!(Options::parse(&full, &[]).unwrap().links.len(), LINKS_MAX);
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
