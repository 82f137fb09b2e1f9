//! Judges a random course by what its guests printed and what dom0 did to them: [`violations`].
//!
//! It shares nothing with `channel/`. Sessions are pairs of epochs as they were printed; which ends of
//! sessions are right follows from what dom0 did. A guest that was destroyed may have had its last
//! lines cut off, so nothing is concluded from what it did not say in its last session.

use std::collections::{BTreeMap, BTreeSet};

use crate::output::facts::Fact;
use crate::output::guest::{Guest, GuestEnd};

/// Everything that is wrong, each in one line; nothing where all is right.
///
/// `facts` are what dom0 said, in order.
pub fn violations(facts: &[Fact], guests: &[Guest]) -> Vec<String> {
    let lives: Vec<Life> = guests.iter().flat_map(Life::all).collect();
    let mut found = Vec::new();
    for life in &lives {
        alternation(life, &mut found);
        numbers(life, &mut found);
    }
    epochs(&lives, &mut found);
    sessions(&lives, &mut found);
    reasons(&lives, &Disturbances::find(facts, guests), &mut found);
    bounds(facts, &mut found);
    found
}

/// One link of one guest: what it printed of it, in order.
struct Life<'a> {
    guest: &'a Guest,
    link: String,
    facts: Vec<&'a Fact>,
}

/// A session as one end printed it.
#[derive(Default)]
struct ObservedSession<'a> {
    epoch: &'a str,
    peer_epoch: &'a str,
    /// Numbers of connections that went through, and whether the bytes were right.
    served: Vec<(u64, bool)>,
    last: bool,
}

impl<'a> Life<'a> {
    fn all(guest: &'a Guest) -> Vec<Life<'a>> {
        let mut links: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
        for fact in &guest.facts {
            if matches!(&*fact.word, "up" | "down" | "cycle" | "served" | "introduced") {
                links.entry(fact.text("link")).or_default().push(fact);
            }
        }
        let life = |(link, facts): (&str, _)| Life { guest, link: link.to_string(), facts };
        links.into_iter().map(life).collect()
    }

    fn name(&self) -> String {
        format!("{}, link {}", self.guest.name(), self.link)
    }

    fn of(&self, word: &'a str) -> impl Iterator<Item = &'a Fact> + use<'_, 'a> {
        self.facts.iter().copied().filter(move |fact| fact.word == word)
    }

    fn sessions(&self) -> Vec<ObservedSession<'a>> {
        let mut sessions: Vec<ObservedSession<'a>> = Vec::new();
        for fact in &self.facts {
            match &*fact.word {
                "up" => sessions.push(ObservedSession {
                    epoch: fact.text("epoch"),
                    peer_epoch: fact.text("peer_epoch"),
                    ..ObservedSession::default()
                }),
                "cycle" | "served" => {
                    if let (Some(session), Some(k)) = (sessions.last_mut(), fact.number("k")) {
                        session.served.push((k, fact.yes("ok")));
                    }
                }
                _ => {}
            }
        }
        if let Some(session) = sessions.last_mut() {
            session.last = true;
        }
        sessions
    }
}

/// Guarantee 3: up, down, up, down, and nothing is carried while down.
fn alternation(life: &Life<'_>, found: &mut Vec<String>) {
    let mut up = false;
    for fact in &life.facts {
        match (&*fact.word, up) {
            ("up", false) => up = true,
            ("down", true) => up = false,
            ("up", true) => found.push(format!("{}: up twice without a down", life.name())),
            ("down", false) => found.push(format!("{}: down without an up", life.name())),
            ("cycle" | "served", false) => {
                found.push(format!("{}: a connection without a session", life.name()));
            }
            _ => {}
        }
    }
}

/// In each session the connections' numbers rise; whatever was carried was carried whole and right.
fn numbers(life: &Life<'_>, found: &mut Vec<String>) {
    for session in life.sessions() {
        let mut last = 0;
        for (k, ok) in session.served {
            if k <= last {
                found.push(format!("{}: connection {k} after {last}", life.name()));
            }
            if !ok {
                found.push(format!("{}: connection {k} did not carry its bytes", life.name()));
            }
            last = k;
        }
    }
}

/// An epoch is drawn once, by one end of one link.
fn epochs(lives: &[Life<'_>], found: &mut Vec<String>) {
    let mut owners: BTreeMap<&str, String> = BTreeMap::new();
    for life in lives {
        for session in life.sessions() {
            if let Some(before) = owners.insert(session.epoch, life.name()) {
                let name = life.name();
                found.push(format!("{name}: epoch {} was already {before}'s", session.epoch));
            }
        }
    }
    for life in lives {
        for session in life.sessions() {
            // One whose owner never came up with it, or had no time to say so, is nobody's.
            let Some(owner) = owners.get(session.peer_epoch) else { continue };
            let other = |life: &&Life<'_>| life.name() == *owner;
            let owner_life = lives.iter().find(other).expect("owners are lives");
            if owner_life.link != life.link || owner_life.guest.role == life.guest.role {
                found.push(format!("{}: in a session with {owner}", life.name()));
            }
        }
    }
}

/// Guarantees 1 and 2: what a frontend carried in a session its backend served in the same session.
/// The bytes themselves depend on both epochs and the number, and are checked at both ends.
fn sessions(lives: &[Life<'_>], found: &mut Vec<String>) {
    let backs: Vec<(&Life<'_>, ObservedSession<'_>)> = lives
        .iter()
        .filter(|life| life.guest.role == "backend")
        .flat_map(|life| life.sessions().into_iter().map(move |session| (life, session)))
        .collect();
    for front in lives.iter().filter(|life| life.guest.role == "frontend") {
        for session in front.sessions() {
            let name = front.name();
            let pair = (session.peer_epoch, session.epoch);
            let known = backs.iter().find(|(_, back)| (back.epoch, back.peer_epoch) == pair);
            let Some((life, back)) = known else {
                let cut = lives.iter().any(|life| {
                    life.guest.role == "backend" && life.guest.end != GuestEnd::Poweroff
                });
                if !session.served.is_empty() && !cut {
                    found.push(format!("{name}: carried in a session that no backend had"));
                }
                continue;
            };
            let served: BTreeSet<u64> = back.served.iter().map(|(k, _)| *k).collect();
            let whole = life.guest.end == GuestEnd::Poweroff || !back.last;
            for (k, ok) in &session.served {
                if *ok && whole && !served.contains(k) {
                    found.push(format!("{name}: connection {k} was not served by {}", life.name()));
                }
            }
        }
    }
}

/// What dom0 did that may end sessions of a link of a guest.
#[derive(Default)]
struct Causes {
    /// Its peer died.
    deaths: u64,
    /// It, or its peer, did not run for as long as it takes to be taken for dead.
    hangs: u64,
    /// A mailbox was removed.
    removals: u64,
    /// It restarted its own endpoints in place.
    restarts: u64,
    /// Its peer did.
    peer_restarts: u64,
}

/// Causes by guest and link.
struct Disturbances {
    causes: BTreeMap<(String, String), Causes>,
    /// Link and the names of those introduced for it, for ever.
    pairs: BTreeSet<(String, String, String)>,
    patience_ns: u64,
}

impl Disturbances {
    /// What befalls a guest befalls everyone that it was introduced to before.
    fn find(facts: &[Fact], guests: &[Guest]) -> Disturbances {
        let mut found = Disturbances {
            causes: BTreeMap::new(),
            pairs: BTreeSet::new(),
            patience_ns: patience_ns(facts),
        };
        for fact in facts {
            let name = fact.text("name");
            match (&*fact.word, fact.text("kind")) {
                ("act", "introduce") => {
                    let (front, back) = (fact.text("fe").to_string(), fact.text("be").to_string());
                    found.pairs.insert((fact.text("link").to_string(), front, back));
                }
                ("gone", _) => {
                    for (link, other) in found.partners(name) {
                        found.at(&other, &link).deaths += 1;
                    }
                }
                ("act", "pause") => found.hang(name, fact.number("ns").unwrap_or(u64::MAX)),
                ("act", "remove-mailbox") => {
                    let link = fact.text("link");
                    found.at(name, link).removals += 1;
                    for (other_link, other) in found.partners(name) {
                        if other_link == link {
                            found.at(&other, link).removals += 1;
                        }
                    }
                }
                _ => {}
            }
        }
        // What guests did to themselves: stops and pauses at steps.
        for guest in guests {
            if guest.of("stopped").any(|fact| fact.text("step") != "finished") {
                found.hang(&guest.name(), u64::MAX);
            }
            for fact in guest.of("paused") {
                let ms = fact.number("ms").unwrap_or(u64::MAX);
                found.hang(&guest.name(), ms.saturating_mul(1_000_000));
            }
            let restarts = guest.of("restarted").count() as u64;
            for (link, other) in found.partners(&guest.name()) {
                // For every partner of a link, one after the other: its own are the same ones.
                found.at(&guest.name(), &link).restarts = restarts;
                found.at(&other, &link).peer_restarts += restarts;
            }
        }
        found
    }

    fn at(&mut self, name: &str, link: &str) -> &mut Causes {
        self.causes.entry((name.to_string(), link.to_string())).or_default()
    }

    fn hang(&mut self, name: &str, ns: u64) {
        if ns < self.patience_ns {
            return;
        }
        for (link, other) in self.partners(name) {
            self.at(name, &link).hangs += 1;
            self.at(&other, &link).hangs += 1;
        }
    }

    /// Links of `name`, each with who shares it.
    fn partners(&self, name: &str) -> Vec<(String, String)> {
        let other = |(link, one, two): &(String, String, String)| {
            if name == one {
                Some((link.clone(), two.clone()))
            } else if name == two {
                Some((link.clone(), one.clone()))
            } else {
                None
            }
        };
        self.pairs.iter().filter_map(other).collect()
    }
}

/// For how long a domain may stand still before a peer may take it for dead: the limit, less the beat
/// that may have been due when it stopped.
fn patience_ns(facts: &[Fact]) -> u64 {
    let beats = facts.iter().find(|fact| fact.word == "beats");
    let number = |key| beats.and_then(|fact| fact.number(key)).unwrap_or(0);
    number("limit").saturating_sub(1).saturating_mul(number("ms")).saturating_mul(1_000_000)
}

/// Reasons with their witness, of a peer that died, by what sees it first.
const OF_DEATH: [(&str, &str); 7] = [
    ("port-unbound", "port"),
    ("peer-gone", "hypervisor"),
    ("write-refused", "store"),
    ("beats-missed", "page"),
    ("beats-missed", "register"),
    ("reintroduced", "introduction"),
    // The next peer's hello, read before the introduction.
    ("peer-restarted", "register"),
];
/// Of one that stood still, and of this side when it stood still itself.
const OF_HANG: [(&str, &str); 4] = [
    ("beats-missed", "page"),
    ("beats-missed", "register"),
    ("fenced", "page"),
    ("peer-restarted", "register"),
];
/// Of a mailbox that is not there when it is to be written.
const OF_REMOVAL: [(&str, &str); 3] =
    [("write-refused", "store"), ("peer-restarted", "register"), ("fenced", "page")];

/// Of an endpoint that was restarted, and of its peer.
const OF_RESTART: [(&str, &str); 1] = [("restarted", "own")];
const OF_PEER_RESTART: [(&str, &str); 1] = [("peer-restarted", "register")];

/// Guarantee 5, the other way round: no session ends without a cause, and each for a reason that the
/// cause can have.
fn reasons(lives: &[Life<'_>], disturbances: &Disturbances, found: &mut Vec<String>) {
    for life in lives {
        let key = (life.guest.name(), life.link.clone());
        let none = Causes::default();
        let causes = disturbances.causes.get(&key).unwrap_or(&none);
        let mut downs = 0_u64;
        for fact in life.of("down") {
            downs += 1;
            let said = (fact.text("reason"), fact.text("witness"));
            let right = (causes.deaths > 0 && OF_DEATH.contains(&said))
                || (causes.hangs > 0 && OF_HANG.contains(&said))
                || (causes.removals > 0 && OF_REMOVAL.contains(&said))
                || (causes.restarts > 0 && OF_RESTART.contains(&said))
                || (causes.peer_restarts > 0 && OF_PEER_RESTART.contains(&said));
            if !right {
                let (reason, witness) = said;
                let name = life.name();
                found.push(format!("{name}: down ({reason}, {witness}) without such a cause"));
            }
        }
        let Causes { deaths, hangs, removals, restarts, peer_restarts } = causes;
        let most = deaths + hangs + removals + restarts + peer_restarts;
        if downs > most {
            found.push(format!("{}: {downs} downs for {most} causes", life.name()));
        }
    }
}

/// Guarantee 4: the ends that were to be up were, in time.
fn bounds(facts: &[Fact], found: &mut Vec<String>) {
    for fact in facts.iter().filter(|fact| fact.word == "act" && fact.text("kind") == "settle") {
        let (took, limit) = (fact.number("ns"), fact.number("limit_ms"));
        let (Some(took), Some(limit)) = (took, limit) else {
            found.push("a link settled in no known time".into());
            continue;
        };
        if took > limit.saturating_mul(1_000_000) {
            let (front, ms) = (fact.text("fe"), took / 1_000_000);
            found.push(format!("{front}: up after {ms} ms, later than {limit} ms"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOM0: &str = "@J beats ms=100 limit=3\n\
        @J act kind=introduce fe=frontend.1 be=backend.1 link=a\n";
    const FRONT: &str = "@T up link=a t_ns=1 epoch=f1 peer_epoch=b1\n\
        @T cycle link=a n=1 k=1 bytes=9 ok=1\n@T cycle link=a n=2 k=2 bytes=9 ok=1\n";
    const BACK: &str = "@T up link=a t_ns=1 epoch=b1 peer_epoch=f1\n\
        @T served link=a k=1 bytes=9 ok=1\n@T served link=a k=2 bytes=9 ok=1\n";

    fn guest(role: &str, end: GuestEnd, console: &str) -> Guest {
        Guest { end, ..Guest::that_printed(role, console) }
    }

    fn found(dom0: &str, front: &str, back: &str) -> Vec<String> {
        let guests = [
            guest("frontend", GuestEnd::Poweroff, front),
            guest("backend", GuestEnd::Poweroff, back),
        ];
        violations(&Fact::all("@J", dom0), &guests)
    }

    #[track_caller]
    fn one(found: &[String], words: &str) {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(words), "{found:?}");
    }

    #[test]
    fn a_course_in_which_all_is_right_has_no_violation() {
        assert_eq!(found(DOM0, FRONT, BACK), Vec::<String>::new());
    }

    #[test]
    fn up_twice_and_down_twice_are_seen() {
        let twice = format!("{FRONT}@T up link=a epoch=f2 peer_epoch=b1\n");
        one(&found(DOM0, &twice, BACK), "up twice");
        let down = "@T down link=a reason=fenced witness=page\n";
        let dom0 = format!("{DOM0}@J act kind=pause name=backend.1 ns=900000000\n");
        let back = format!("{BACK}{down}{down}");
        let found = found(&dom0, FRONT, &back);
        assert!(found.iter().any(|what| what.contains("down without an up")), "{found:?}");
    }

    #[test]
    fn what_was_not_served_in_the_same_session_is_seen() {
        let other = BACK.replace("served link=a k=2", "served link=a k=3");
        one(&found(DOM0, FRONT, &other), "connection 2 was not served");
        let elsewhere = BACK.replace("peer_epoch=f1", "peer_epoch=f7");
        one(&found(DOM0, FRONT, &elsewhere), "carried in a session that no backend had");
        let again = format!("{FRONT}@T cycle link=a n=3 k=2 bytes=9 ok=1\n");
        one(&found(DOM0, &again, BACK), "connection 2 after 2");
    }

    #[test]
    fn wrong_bytes_are_seen() {
        let wrong = BACK.replace("k=2 bytes=9 ok=1", "k=2 bytes=9 ok=0");
        one(&found(DOM0, FRONT, &wrong), "did not carry its bytes");
    }

    #[test]
    fn a_line_that_a_destroyed_guest_did_not_end_says_nothing() {
        let dom0 = format!("{DOM0}@J gone name=frontend.1 how=destroyed\n");
        for cut in ["cycle link=a n=3 k=3 bytes=", "cycle link=a n=3 k=", "down link=a reason=fe"] {
            let front = guest("frontend", GuestEnd::Destroyed, &format!("{FRONT}@T {cut}"));
            let guests = [front, guest("backend", GuestEnd::Poweroff, BACK)];
            let found = violations(&Fact::all("@J", &dom0), &guests);
            assert_eq!(found, Vec::<String>::new(), "{cut}");
        }
    }

    #[test]
    fn an_epoch_used_twice_is_seen() {
        let dom0 = format!("{DOM0}@J act kind=pause name=backend.1 ns=900000000\n");
        let front = format!(
            "{FRONT}@T down link=a reason=beats-missed witness=page\n\
             @T up link=a epoch=f1 peer_epoch=b1\n"
        );
        one(&found(&dom0, &front, BACK), "epoch f1 was already");
    }

    #[test]
    fn a_session_that_ends_without_a_cause_is_seen() {
        let down = format!("{FRONT}@T down link=a reason=beats-missed witness=page\n");
        let two = found(DOM0, &down, BACK);
        assert!(two[0].contains("without such a cause") && two[1].contains("1 downs for 0"));
        // A pause that is shorter than the limit is none.
        let short = format!("{DOM0}@J act kind=pause name=backend.1 ns=150000000\n");
        assert_eq!(found(&short, &down, BACK).len(), 2);
        let long = format!("{DOM0}@J act kind=pause name=backend.1 ns=900000000\n");
        assert_eq!(found(&long, &down, BACK), Vec::<String>::new());
        // The port is not lost by a pause.
        let unbound = down.replace("beats-missed witness=page", "port-unbound witness=port");
        one(&found(&long, &unbound, BACK), "without such a cause");
        let death = format!("{DOM0}@J gone name=backend.1 how=destroyed\n");
        assert_eq!(found(&death, &unbound, BACK), Vec::<String>::new());
    }

    #[test]
    fn a_restart_in_place_ends_one_session_at_each_end() {
        let up = "@T up link=a epoch=f2 peer_epoch=b1\n";
        let own = "@T down link=a reason=restarted witness=own\n";
        let front = format!("{FRONT}{own}@T restarted t_ns=3\n{up}");
        let down = "@T down link=a reason=peer-restarted witness=register\n";
        let back = format!("{BACK}{down}@T up link=a epoch=b2 peer_epoch=f2\n");
        assert_eq!(found(DOM0, &front, &back), Vec::<String>::new());
        let twice = format!("{back}{down}");
        one(&found(DOM0, &front, &twice), "2 downs for 1");
        // Nobody says that it was restarted and was not, nor for another reason.
        assert!(!found(DOM0, &format!("{FRONT}{own}"), BACK).is_empty());
        let fenced = back.replace("peer-restarted witness=register", "fenced witness=page");
        one(&found(DOM0, &front, &fenced), "without such a cause");
    }

    #[test]
    fn a_link_that_comes_up_late_is_seen() {
        let settle = "@J act kind=settle fe=frontend.1 be=backend.1 link=a limit_ms=2000";
        let late = format!("{DOM0}{settle} ns=2100000000\n");
        one(&found(&late, FRONT, BACK), "up after 2100 ms");
        let soon = format!("{DOM0}{settle} ns=1900000000\n");
        assert_eq!(found(&soon, FRONT, BACK), Vec::<String>::new());
    }
}
