//! The guests of a run, put together from what the job in dom0 said of them and from what they
//! printed themselves: [`Guest`].

use std::collections::BTreeMap;

use crate::base::verdict::{Judgement, Verdict};
use crate::output::console::Console;
use crate::output::facts::Fact;
use crate::output::played::Played;

/// How a domain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestEnd {
    /// It switched itself off.
    Poweroff,
    /// It ended as crashed.
    Crash,
    /// dom0 destroyed it.
    Destroyed,
    /// It was still there.
    Running,
}

/// One incarnation of one role.
#[derive(Debug, Clone)]
pub struct Guest {
    /// "frontend", "backend", "hello".
    pub role: String,
    /// 1 for the first.
    pub incarnation: u64,
    /// Its domid.
    pub domid: u64,
    /// dom0's clock when `xl create` was called, in nanoseconds.
    pub created_dom0_ns: Option<u64>,
    /// The same, when it had returned.
    pub create_done_dom0_ns: Option<u64>,
    /// How it ended.
    pub end: GuestEnd,
    /// The verdict that the scenario expects of it: SUCCESS unless it said another.
    pub expected: Verdict,
    /// All that it printed.
    pub console: Console,
    /// The whole lines for programs among that.
    pub facts: Vec<Fact>,
}

impl Guest {
    /// One that has printed this, for tests: the first of its role, in domain 1, and powered off.
    #[cfg(test)]
    pub(crate) fn that_printed(role: &str, console: &str) -> Guest {
        Guest {
            role: role.into(),
            incarnation: 1,
            domid: 1,
            created_dom0_ns: None,
            create_done_dom0_ns: None,
            end: GuestEnd::Poweroff,
            expected: Verdict::Success,
            facts: Console::new(console).facts(),
            console: Console::new(console),
        }
    }

    /// Every guest of a run, in the order of creation.
    pub fn all(played: &Played) -> Vec<Guest> {
        let of = |word: &'static str| played.facts.iter().filter(move |fact| fact.word == word);
        let mut ends = BTreeMap::new();
        for fact in of("gone") {
            let end = match fact.text("how") {
                // For good, or to be started again.
                "poweroff" | "reboot" => GuestEnd::Poweroff,
                "crash" => GuestEnd::Crash,
                "destroyed" => GuestEnd::Destroyed,
                _ => GuestEnd::Running,
            };
            // Only the first counts: what is destroyed once more at the end was there until then.
            ends.entry(fact.text("name").to_string()).or_insert(end);
        }
        let mut expected = BTreeMap::new();
        for fact in of("expect") {
            if let Some(verdict) = Verdict::parse(fact.text("verdict")) {
                expected.insert(fact.text("name").to_string(), verdict);
            }
        }
        let mut guests = Vec::new();
        for fact in of("domain") {
            let incarnation = fact.number("n").unwrap_or(0);
            let name = format!("{}.{incarnation}", fact.text("role"));
            let console = played.results.text(&format!("{name}.console")).unwrap_or_default();
            let console = Console::new(console);
            guests.push(Guest {
                role: fact.text("role").to_string(),
                incarnation,
                domid: fact.number("domid").unwrap_or(0),
                created_dom0_ns: fact.number("t0"),
                create_done_dom0_ns: fact.number("done"),
                end: ends.get(&name).copied().unwrap_or(GuestEnd::Running),
                expected: expected.get(&name).copied().unwrap_or(Verdict::Success),
                facts: console.facts(),
                console,
            });
        }
        guests
    }

    /// "frontend.1".
    pub fn name(&self) -> String {
        format!("{}.{}", self.role, self.incarnation)
    }

    /// Its lines for programs with this word.
    pub fn of<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Fact> {
        self.facts.iter().filter(move |fact| fact.word == word)
    }

    /// The verdict it printed, where it printed exactly one.
    pub fn verdict(&self) -> Option<Verdict> {
        let mut lines = self.of("verdict");
        let first = lines.next()?;
        if lines.next().is_some() {
            return None;
        }
        Verdict::parse(first.text("verdict"))
    }

    /// Adds what is wrong with it.
    pub fn judge(&self, judgement: &mut Judgement) {
        let name = self.name();
        for fact in self.of("selftest").filter(|fact| !fact.yes("ok")) {
            let reason = format!("{name}-selftest-{}", fact.text("name"));
            judgement.add(Verdict::Failure, reason);
        }
        match self.end {
            GuestEnd::Crash => judgement.add(Verdict::Crash, format!("{name}-crashed")),
            // It had no chance to come to a verdict.
            GuestEnd::Destroyed => {}
            GuestEnd::Running => judgement.add(Verdict::Failure, format!("{name}-did-not-end")),
            GuestEnd::Poweroff => match self.verdict() {
                None => judgement.add(Verdict::Failure, format!("{name}-without-one-verdict")),
                Some(verdict) if verdict == self.expected => {}
                // A success where a failure was provoked is a failure of ours.
                Some(Verdict::Success) => {
                    judgement.add(Verdict::Failure, format!("{name}-succeeded"));
                }
                Some(verdict) => {
                    let reason = self.of("verdict").next().map_or("", |fact| fact.text("reason"));
                    judgement.add(verdict, format!("{name}-{reason}"));
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpio::{Archive, Mode};

    fn guest(how: &str, console: &str) -> Guest {
        let lines = format!(
            "@J domain role=frontend n=2 domid=7 t0=5\n@J gone name=frontend.2 how={how}\n"
        );
        let mut results = Archive::new();
        results.file("frontend.2.console", Mode::Data, console.as_bytes().to_vec());
        let facts = Fact::all("@J", &lines);
        let played = Played { facts, results, wall_s: 0.0, kept: None };
        Guest::all(&played).remove(0)
    }

    fn judged(guest: &Guest) -> Judgement {
        let mut judgement = Judgement::new("done");
        guest.judge(&mut judgement);
        judgement
    }

    #[test]
    fn a_guest_that_powered_off_must_have_said_one_verdict() {
        let good = guest("poweroff", "@T verdict=SUCCESS reason=done\n");
        assert_eq!((good.domid, good.name()), (7, "frontend.2".to_string()));
        assert_eq!(judged(&good).verdict, Verdict::Success);
        assert_eq!(judged(&guest("poweroff", "")).verdict, Verdict::Failure);
        let twice = "@T verdict=SUCCESS reason=a\n@T verdict=SUCCESS reason=b\n";
        assert_eq!(judged(&guest("poweroff", twice)).verdict, Verdict::Failure);
    }

    #[test]
    fn a_verdict_that_was_cut_off_is_none() {
        let cut = guest("poweroff", "@T up link=a\n@T verdict=SUCCESS reason=do");
        assert_eq!((cut.verdict(), cut.facts.len()), (None, 1));
        assert_eq!(judged(&cut).reason, "frontend.2-without-one-verdict");
    }

    #[test]
    fn a_guests_own_verdict_and_its_crash_carry_over() {
        let bad = judged(&guest("poweroff", "@T verdict=ERROR reason=no-such-option\n"));
        assert_eq!((bad.verdict, &*bad.reason), (Verdict::Error, "frontend.2-no-such-option"));
        assert_eq!(judged(&guest("crash", "")).verdict, Verdict::Crash);
        assert_eq!(judged(&guest("destroyed", "")).verdict, Verdict::Success);
    }

    #[test]
    fn a_failed_selftest_is_a_failure_whatever_the_verdict_says() {
        let console = "@T selftest name=heap ok=0 ns=5\n@T verdict=SUCCESS reason=x\n";
        assert_eq!(judged(&guest("poweroff", console)).reason, "frontend.2-selftest-heap");
    }
}
