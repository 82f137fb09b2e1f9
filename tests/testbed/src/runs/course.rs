//! The random course of one seed of `explore`: [`Course`], a list of [`Act`]s, each one line of shell
//! that tests/dom0/scenarios/explore.sh knows, so that a course can be printed, read and cut down by
//! hand.
//!
//! Only what can be told beforehand is decided here: which domains exist, who was introduced to whom,
//! who may hang. What then happens is the bed's, and is judged by [`crate::evaluation::referee`].

use core::fmt;

use channel::Step;

use prng::Prng;

/// The stream of a seed that courses are drawn from; the simulator has others.
const STREAM: u64 = 100;
/// Virtual time is what a seed costs, so beats are short.
const BEATS_MS: [u32; 2] = [50, 100];
/// Missed beats that mean death.
const BEAT_LIMITS: [u32; 2] = [3, 4];
/// Bytes of a cycle: less than a ring holds, about as many, and more.
const BYTES: [u32; 4] = [2, 64, 2000, 20_000];
/// Links of a course, each with a frontend of its own; one backend has all.
const LINKS: [&str; 2] = ["a", "b"];
/// Fewest and most things that happen to a course between its beginning and its end.
const ACTS: (u64, u64) = (4, 8);
/// What dom0 itself may take longer than the guests, in milliseconds: it looks each 100 ms, and every
/// look is some programs of its own.
const LOOKS_MS: u32 = 600;

/// A domain, by role and number: `frontend.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that is done to the domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A domain is created with these options.
    Create(Name, String),
    /// Two domains are introduced for a link.
    Introduce(Name, Name, &'static str),
    /// A domain is destroyed.
    Destroy(Name),
    /// Two domains are destroyed at once.
    DestroyBoth(Name, Name),
    /// A domain is paused for so many milliseconds.
    Hold(Name, u32),
    /// A domain is paused, and stays so while other things happen.
    Pause(Name),
    /// A paused domain goes on.
    Unpause(Name),
    /// xenstored is stopped for so many milliseconds.
    Stall(u32),
    /// Nothing happens for so many milliseconds.
    Rest(u32),
    /// dom0 removes a mailbox.
    RemoveMailbox(Name, &'static str),
    /// A frontend makes so many more cycles.
    Traffic(Name, u32),
    /// A domain is given so many milliseconds to reach the step that it is to stop at.
    AwaitStop(Name, u32),
    /// A frontend that has a number of cycles to do ends by itself.
    AwaitEnd(Name),
    /// A link's two ends must be up within so many milliseconds.
    Settle(Name, Name, &'static str, u32),
    /// A domain must have noticed that its peer on this link is gone.
    AwaitDown(Name, &'static str),
    /// A domain with nothing connected is shut down in order.
    Shutdown(Name),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Create(name, options) => {
                let (role, number) = name.0.split_once('.').expect("a name is ROLE.N");
                write!(f, "create {role} {number} '{options}'")
            }
            Act::Introduce(front, back, link) => write!(f, "meet {front} {back} {link}"),
            Act::Destroy(name) => write!(f, "strike {name}"),
            Act::DestroyBoth(one, other) => write!(f, "strike_both {one} {other}"),
            Act::Hold(name, ms) => write!(f, "hold {name} {}", Seconds(*ms)),
            Act::Pause(name) => write!(f, "pause {name}"),
            Act::Unpause(name) => write!(f, "unpause {name}"),
            Act::Stall(ms) => write!(f, "stall {}", Seconds(*ms)),
            Act::Rest(ms) => write!(f, "sleep {}", Seconds(*ms)),
            Act::RemoveMailbox(name, link) => write!(f, "remove_mailbox {name} {link}"),
            Act::Traffic(name, cycles) => write!(f, "traffic {name} {cycles}"),
            Act::AwaitStop(name, ms) => write!(f, "await_stop {name} {ms}"),
            Act::AwaitEnd(name) => write!(f, "wait_end {name}"),
            Act::Settle(front, back, link, ms) => write!(f, "settle {front} {back} {link} {ms}"),
            Act::AwaitDown(name, link) => write!(f, "await_down {name} {link}"),
            Act::Shutdown(name) => write!(f, "shutdown {name}"),
        }
    }
}

/// Milliseconds, as `sleep` takes them.
struct Seconds(u32);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// What a seed does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The beat of all its domains, in milliseconds.
    pub beat_ms: u32,
    /// How many missed beats mean death to them.
    pub limit: u32,
    /// In order.
    pub acts: Vec<Act>,
}

impl Course {
    /// The course of a seed.
    pub fn of(seed: u64) -> Course {
        let mut chance = Prng::seeded(seed, STREAM);
        let beat_ms = *chance.pick(&BEATS_MS);
        let limit = *chance.pick(&BEAT_LIMITS);
        let bytes = *chance.pick(&BYTES);
        let links = if chance.below(3) == 0 { 2 } else { 1 };
        let mut author = Author {
            chance,
            beat_ms,
            limit,
            bytes,
            back: None,
            fronts: vec![None; links],
            introduced: vec![false; links],
            born: [0, 0],
            acts: Vec::new(),
        };
        author.begin();
        for _ in 0..author.chance.between(ACTS.0, ACTS.1) {
            author.go_on();
        }
        author.settle();
        author.end();
        Course { beat_ms, limit, acts: author.acts }
    }

    /// The lines for dom0's shell.
    pub fn script(&self) -> String {
        let beats = format!("beats {} {}\n", self.beat_ms, self.limit);
        self.acts.iter().fold(beats, |script, act| format!("{script}{act}\n"))
    }
}

/// What a domain is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Goes on until it is ended.
    Steady,
    /// Makes so many cycles and then stays up with nothing connected.
    Resting,
    /// Makes so many cycles and ends.
    Ending,
    /// Stops at a step: it is, or soon will be, as good as dead.
    Stopping,
}

#[derive(Debug, Clone)]
struct CourseDomain {
    name: Name,
    purpose: Purpose,
    paused: bool,
}

/// Writes a course, and keeps track of what it has brought about.
struct Author {
    chance: Prng,
    beat_ms: u32,
    limit: u32,
    /// Of each cycle; backends are told too, for the step in the middle.
    bytes: u32,
    back: Option<CourseDomain>,
    /// By link.
    fronts: Vec<Option<CourseDomain>>,
    /// By link: whether the living pair was introduced.
    introduced: Vec<bool>,
    /// Backends and frontends created so far.
    born: [u32; 2],
    acts: Vec<Act>,
}

/// Which of the domains of a course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Back,
    /// By link.
    Front(usize),
}

impl Author {
    fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    fn domain(&mut self, who: Who) -> &mut Option<CourseDomain> {
        match who {
            Who::Back => &mut self.back,
            Who::Front(link) => &mut self.fronts[link],
        }
    }

    fn name(&mut self, who: Who) -> Name {
        self.domain(who).as_ref().expect("a living domain").name.clone()
    }

    fn everyone(&self) -> impl Iterator<Item = Who> {
        [Who::Back].into_iter().chain((0..self.fronts.len()).map(Who::Front))
    }

    /// Those of whom this is true, none of them missing.
    fn those(&mut self, is: impl Fn(&CourseDomain) -> bool) -> Vec<Who> {
        let everyone: Vec<Who> = self.everyone().collect();
        everyone.into_iter().filter(|who| self.domain(*who).as_ref().is_some_and(&is)).collect()
    }

    fn missing(&mut self) -> Vec<Who> {
        let everyone: Vec<Who> = self.everyone().collect();
        everyone.into_iter().filter(|who| self.domain(*who).is_none()).collect()
    }

    /// Links whose two ends are there and were not introduced.
    fn strangers(&self) -> Vec<usize> {
        let back = self.back.is_some();
        (0..self.fronts.len())
            .filter(|&link| back && self.fronts[link].is_some() && !self.introduced[link])
            .collect()
    }

    /// Domains in any order, introductions as soon as they can be or later.
    fn begin(&mut self) {
        loop {
            let missing = self.missing();
            if missing.is_empty() {
                break;
            }
            let who = *self.chance.pick(&missing);
            self.create(who, true);
            self.maybe_rest();
            for link in self.strangers() {
                if self.chance.below(3) > 0 {
                    self.introduce(link);
                }
            }
        }
        for link in self.strangers() {
            self.introduce(link);
        }
    }

    fn maybe_rest(&mut self) {
        if self.chance.below(4) == 0 {
            let ms = self.beats(1, 20);
            self.act(Act::Rest(ms));
        }
    }

    /// Milliseconds between so many tenths of a beat.
    fn beats(&mut self, low_tenths: u32, high_tenths: u32) -> u32 {
        let tenths = self.chance.between(u64::from(low_tenths), u64::from(high_tenths)) as u32;
        self.beat_ms * tenths / 10
    }

    /// Longer than it takes to be taken for dead.
    fn long(&mut self) -> u32 {
        let least = (self.limit + 2) * 10;
        self.beats(least, least + 30)
    }

    fn create(&mut self, who: Who, any: bool) {
        let (role, counter) = match who {
            Who::Back => ("backend", 0),
            Who::Front(_) => ("frontend", 1),
        };
        self.born[counter] += 1;
        let name = Name(format!("{role}.{}", self.born[counter]));
        let links = match who {
            Who::Back => LINKS[..self.fronts.len()].join(","),
            Who::Front(link) => LINKS[link].to_string(),
        };
        let (beat_ms, limit, bytes) = (self.beat_ms, self.limit, self.bytes);
        let mut options =
            format!("link={links} selftest=off beat_ms={beat_ms} beat_limit={limit} bytes={bytes}");
        let (purpose, more) = match who {
            Who::Back => self.backs_purpose(any),
            Who::Front(_) => self.fronts_purpose(any),
        };
        options.push_str(&more);
        self.act(Act::Create(name.clone(), options));
        *self.domain(who) = Some(CourseDomain { name, purpose, paused: false });
        for link in 0..self.fronts.len() {
            if who == Who::Back || who == Who::Front(link) {
                self.introduced[link] = false;
            }
        }
    }

    fn fronts_purpose(&mut self, any: bool) -> (Purpose, String) {
        let pages = *self.chance.pick(&[1, 1, 2, 8]);
        let rest_ms = *self.chance.pick(&[0, 5, 20, 60]);
        let traffic = format!(" pages={pages} rest_ms={rest_ms}");
        let cycles = self.chance.between(3, 12);
        let kind = if any { self.chance.below(10) } else { self.chance.below(6) };
        let (purpose, more) = match kind {
            0..3 => (Purpose::Steady, "cycles=0".to_string()),
            3..6 => (Purpose::Resting, format!("cycles={cycles} stop_at=finished")),
            6 => (Purpose::Ending, format!("cycles={cycles}")),
            7 => (Purpose::Steady, format!("cycles=0{}", self.pause(&FRONT_STEPS))),
            _ => (Purpose::Stopping, format!("cycles=0{}", self.stop(&FRONT_STEPS))),
        };
        (purpose, format!("{traffic} {more}"))
    }

    fn backs_purpose(&mut self, any: bool) -> (Purpose, String) {
        match if any { self.chance.below(10) } else { 0 } {
            0..6 => (Purpose::Steady, String::new()),
            6 => (Purpose::Steady, self.pause(&BACK_STEPS)),
            _ => (Purpose::Stopping, self.stop(&BACK_STEPS)),
        }
    }

    fn pause(&mut self, steps: &[Step]) -> String {
        let step = self.chance.pick(steps).word();
        let ms = if self.chance.below(2) == 0 { self.beats(1, 10) } else { self.long() };
        format!(" pause_at={step}:{ms}")
    }

    fn stop(&mut self, steps: &[Step]) -> String {
        let step = self.chance.pick(steps).word();
        format!(" stop_at={step}:{}", self.chance.between(1, 3))
    }

    fn introduce(&mut self, link: usize) {
        let (front, back) = (self.name(Who::Front(link)), self.name(Who::Back));
        self.act(Act::Introduce(front, back, LINKS[link]));
        self.introduced[link] = true;
    }

    /// One thing that happens, out of what can happen.
    fn go_on(&mut self) {
        let missing = self.missing();
        let strangers = self.strangers();
        let paused = self.those(|domain| domain.paused);
        let running = self.those(|domain| !domain.paused);
        let stopping = self.those(|domain| domain.purpose == Purpose::Stopping && !domain.paused);
        let living = self.those(|_| true);
        // How likely each is; zero where it cannot be.
        let weight = |possible: bool, weight: u32| if possible { weight } else { 0 };
        let kinds = [
            weight(!missing.is_empty(), 10),
            weight(!strangers.is_empty(), 12),
            weight(!paused.is_empty(), 6),
            weight(!stopping.is_empty(), 8),
            weight(!living.is_empty(), 5),
            weight(living.len() > 1, 1),
            weight(!running.is_empty(), 4),
            weight(!running.is_empty() && paused.is_empty(), 2),
            3,
            weight(self.introduced.contains(&true), 2),
            weight(!living.is_empty(), 1),
            weight(!self.flowing().is_empty(), 3),
            weight(!self.ending().is_empty(), 3),
            1,
        ];
        let mut drawn = self.chance.below(kinds.iter().sum());
        let kind = kinds.iter().position(|weight| {
            let here = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            here
        });
        match kind.expect("one of them is drawn") {
            0 => {
                let who = *self.chance.pick(&missing);
                self.create(who, true);
            }
            1 => {
                let link = *self.chance.pick(&strangers);
                self.introduce(link);
            }
            2 => self.unpause(paused[0]),
            3 => {
                let name = self.name(stopping[0]);
                let ms = self.long();
                self.act(Act::AwaitStop(name, ms));
                if self.chance.below(2) == 0 {
                    let ms = self.long();
                    self.act(Act::Rest(ms));
                }
                self.destroy(stopping[0]);
            }
            4 => {
                let who = *self.chance.pick(&living);
                self.destroy(who);
            }
            5 => self.destroy_two(&living),
            6 => {
                let who = *self.chance.pick(&running);
                let name = self.name(who);
                let ms = if self.chance.below(2) == 0 { self.beats(1, 9) } else { self.long() };
                self.act(Act::Hold(name, ms));
            }
            7 => {
                let who = *self.chance.pick(&running);
                let name = self.name(who);
                self.domain(who).as_mut().expect("it runs").paused = true;
                self.act(Act::Pause(name));
            }
            8 => {
                let ms = if self.chance.below(2) == 0 { self.beats(2, 30) } else { self.long() };
                self.act(Act::Stall(ms));
            }
            9 => {
                let known: Vec<usize> =
                    (0..self.introduced.len()).filter(|&link| self.introduced[link]).collect();
                let link = *self.chance.pick(&known);
                self.introduce(link);
            }
            10 => {
                let who = *self.chance.pick(&living);
                let link = match who {
                    Who::Back => self.chance.below(self.fronts.len() as u32) as usize,
                    Who::Front(link) => link,
                };
                let name = self.name(who);
                self.act(Act::RemoveMailbox(name, LINKS[link]));
            }
            11 => {
                let flowing = self.flowing();
                let link = *self.chance.pick(&flowing);
                let name = self.name(Who::Front(link));
                let cycles = self.chance.between(1, 4) as u32;
                self.act(Act::Traffic(name, cycles));
            }
            12 => {
                let link = self.ending()[0];
                let name = self.name(Who::Front(link));
                self.act(Act::AwaitEnd(name));
                self.gone(Who::Front(link));
            }
            _ => {
                let ms = self.beats(1, 40);
                self.act(Act::Rest(ms));
            }
        }
        self.maybe_rest();
    }

    /// Links that must move on by themselves: introduced, and neither end paused or about to stop.
    fn healthy(&self) -> impl Iterator<Item = usize> {
        let sound = |domain: &CourseDomain| !domain.paused && domain.purpose != Purpose::Stopping;
        (0..self.fronts.len()).filter(move |&link| {
            self.introduced[link]
                && self.back.as_ref().is_some_and(sound)
                && self.fronts[link].as_ref().is_some_and(sound)
        })
    }

    fn with_purpose(&self, purpose: Purpose) -> Vec<usize> {
        let is = |link: &usize| {
            self.fronts[*link].as_ref().is_some_and(|front| front.purpose == purpose)
        };
        self.healthy().filter(is).collect()
    }

    fn flowing(&self) -> Vec<usize> {
        self.with_purpose(Purpose::Steady)
    }

    fn ending(&self) -> Vec<usize> {
        self.with_purpose(Purpose::Ending)
    }

    fn unpause(&mut self, who: Who) {
        let name = self.name(who);
        self.domain(who).as_mut().expect("it is paused").paused = false;
        self.act(Act::Unpause(name));
    }

    fn destroy(&mut self, who: Who) {
        // One that ends by itself may have done so: then there is nothing to be destroyed.
        let name = self.name(who);
        self.act(Act::Destroy(name));
        self.gone(who);
    }

    fn destroy_two(&mut self, living: &[Who]) {
        let first = self.chance.below(living.len() as u32) as usize;
        let second = (first + 1) % living.len();
        let (one, other) = (self.name(living[first]), self.name(living[second]));
        self.act(Act::DestroyBoth(one, other));
        self.gone(living[first]);
        self.gone(living[second]);
    }

    fn gone(&mut self, who: Who) {
        *self.domain(who) = None;
        for link in 0..self.fronts.len() {
            if who == Who::Back || who == Who::Front(link) {
                self.introduced[link] = false;
            }
        }
    }

    /// Everybody is there, runs and is introduced; then every link must be up, in time.
    fn settle(&mut self) {
        for who in self.those(|domain| domain.paused) {
            self.unpause(who);
        }
        let doubtful =
            |domain: &CourseDomain| matches!(domain.purpose, Purpose::Stopping | Purpose::Ending);
        for who in self.those(doubtful) {
            self.destroy(who);
        }
        for who in self.missing() {
            self.create(who, false);
        }
        for link in self.strangers() {
            self.introduce(link);
        }
        let back = self.name(Who::Back);
        // Guarantee 5, for an end that takes a dead session for alive, then guarantee 4.
        let beats = self.limit + 3 + 8 + 2 + 2;
        for (link, link_name) in LINKS.iter().enumerate().take(self.fronts.len()) {
            let front = self.name(Who::Front(link));
            let bound_ms = beats * self.beat_ms + LOOKS_MS;
            self.act(Act::Settle(front, back.clone(), link_name, bound_ms));
        }
    }

    /// One side goes by force, the other notices and goes in order with nothing left.
    fn end(&mut self) {
        let back = self.name(Who::Back);
        let fronts: Vec<Name> =
            (0..self.fronts.len()).map(|link| self.name(Who::Front(link))).collect();
        if self.chance.below(2) == 0 {
            self.act(Act::Destroy(back));
            for (front, link) in fronts.into_iter().zip(LINKS) {
                self.act(Act::AwaitDown(front.clone(), link));
                self.act(Act::Shutdown(front));
            }
        } else {
            for front in &fronts {
                self.act(Act::Destroy(front.clone()));
            }
            for (_, link) in fronts.iter().zip(LINKS) {
                self.act(Act::AwaitDown(back.clone(), link));
            }
            self.act(Act::Shutdown(back));
        }
    }
}

/// Steps that a frontend may stop or pause at: its own, and those of either side and the job.
pub(crate) const FRONT_STEPS: [Step; 7] = [
    Step::Up,
    Step::Prepared,
    Step::ConnectSent,
    Step::Connected,
    Step::DisconnectSent,
    Step::Released,
    Step::Streaming,
];

/// The same of a backend.
pub(crate) const BACK_STEPS: [Step; 9] = [
    Step::Up,
    Step::Got,
    Step::Mapped,
    Step::Verified,
    Step::Stamped,
    Step::Serving,
    Step::Unmapped,
    Step::DisconnectedSent,
    Step::Streaming,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_course_and_another_seed_another() {
        assert_eq!(Course::of(5).script(), Course::of(5).script());
        assert_ne!(Course::of(5).script(), Course::of(6).script());
    }

    #[test]
    fn every_step_but_the_last_is_stopped_or_paused_at_by_some_side() {
        for step in Step::ALL {
            let drawn = FRONT_STEPS.contains(&step) || BACK_STEPS.contains(&step);
            assert_eq!(drawn, step != Step::Finished, "{}", step.word());
        }
    }

    #[test]
    fn nothing_is_done_to_a_domain_that_is_not_there() {
        for seed in 0..2000 {
            let mut living: Vec<String> = Vec::new();
            for act in Course::of(seed).acts {
                let named: Vec<&Name> = match &act {
                    Act::Create(name, _) => {
                        living.push(name.to_string());
                        vec![]
                    }
                    Act::Introduce(one, other, _)
                    | Act::DestroyBoth(one, other)
                    | Act::Settle(one, other, ..) => vec![one, other],
                    Act::Stall(_) | Act::Rest(_) => vec![],
                    Act::Destroy(name)
                    | Act::Hold(name, _)
                    | Act::Pause(name)
                    | Act::Unpause(name)
                    | Act::RemoveMailbox(name, _)
                    | Act::Traffic(name, _)
                    | Act::AwaitStop(name, _)
                    | Act::AwaitEnd(name)
                    | Act::AwaitDown(name, _)
                    | Act::Shutdown(name) => vec![name],
                };
                for name in named {
                    assert!(living.contains(&name.to_string()), "seed {seed}: {act}");
                }
                let ends = |name: &Name| match &act {
                    Act::Destroy(gone) | Act::AwaitEnd(gone) | Act::Shutdown(gone) => gone == name,
                    Act::DestroyBoth(one, other) => one == name || other == name,
                    _ => false,
                };
                living.retain(|name| !ends(&Name(name.clone())));
            }
            assert!(living.is_empty(), "seed {seed}: {living:?} are left");
        }
    }
}
