//! A domain that lies: it writes forged registers into its peer's mailbox, litters and removes it,
//! and scribbles over every page that it shares (invariant I5).
//!
//! It runs the honest program besides, so that it gets far enough to do harm. What its links
//! deliver is judged no more; that its peer lives, ends its turns and serves its other links is.

use core::fmt::Write as _;

use crate::actions::dom0::link_home;
use crate::store::wire::Kind;
use crate::world::World;
use grant::layout::ring_bytes;
use prng::Prng;

/// Nodes that it makes at once below a mailbox: enough to stall a writer behind a slow reader.
const LITTER: u32 = 25;

impl World {
    /// The ends of a link at which the hostile domain is: its own place and its victim's.
    fn hostile_ends(&self, link: usize) -> Option<(usize, usize)> {
        let hostile = self.hostile?;
        let ends = self.ends(link);
        let victim = ends.into_iter().find(|end| *end != hostile)?;
        ends.contains(&hostile).then_some((hostile, victim))
    }

    /// A link of the hostile domain: this one, or any.
    fn hostile_link(&self, link: usize) -> Option<(usize, usize, usize)> {
        let links = core::iter::once(link).chain(0..self.params.links.len());
        links.into_iter().find_map(|link| {
            self.hostile_ends(link).map(|(hostile, victim)| (link, hostile, victim))
        })
    }

    /// Writes something into the victim's mailbox that the protocol does not foresee.
    pub fn forge(&mut self, link: usize) {
        let Some((link, hostile, victim)) = self.hostile_link(link) else { return };
        if [hostile, victim].iter().any(|place| self.places[*place].life.is_none()) {
            return;
        }
        let name = self.params.links[link].name.clone();
        let (own, other) = (self.places[hostile].domid, self.places[victim].domid);
        let theirs = format!("{}/box", link_home(other, &name));
        let mine = format!("{}/box", link_home(own, &name));
        let value = |path: &str| {
            let node = self.store.tree().node(path);
            node.map(|node| node.value.clone()).unwrap_or_default()
        };
        let (said, heard) = (value(&theirs), value(&mine));
        let now_ns = self.now_ns();
        let chance = self.faults.chance();
        let mut requests = Vec::new();
        match chance.below(10) {
            0 => requests.push((Kind::Remove, format!("{theirs}\0").into_bytes())),
            1 => {
                for number in 0..LITTER {
                    let node = format!("{theirs}/x{number}\0y");
                    requests.push((Kind::Write, node.into_bytes()));
                }
            }
            2..=4 => requests.push((Kind::Write, with_path(&theirs, &mutate(chance, said)))),
            _ => {
                let register = register(chance, &said, &heard);
                requests.push((Kind::Write, with_path(&theirs, &register)));
            }
        }
        for (kind, payload) in requests {
            // Refused or not, it is the daemon's business.
            let _ = self.store.request_of(own, kind, &payload, now_ns);
        }
        self.daemon_by(now_ns + 1);
    }

    /// Writes random words into the pages that the hostile domain shares.
    pub fn scribble(&mut self, link: usize) {
        let Some((_, hostile, victim)) = self.hostile_link(link) else { return };
        let Some(life) = self.places[hostile].life else { return };
        let pages = self.xen.shared_pages(life);
        let chance = self.faults.chance();
        for page in pages {
            for _ in 0..chance.between(1, 6) {
                // Mostly the header and the rings' lines, where words mean something.
                let words = *chance.pick(&[128, 128, 128, 1024]);
                let at = chance.below(words) as usize * 4;
                let near = page.load(at).wrapping_add(chance.below(5)).wrapping_sub(2);
                let far = chance.word();
                let value = *chance.pick(&[0, 1, near, near, u32::MAX, far]);
                page.store(at, value);
            }
        }
        self.turn_by(victim, self.now_ns() + 1);
    }
}

fn with_path(path: &str, value: &[u8]) -> Vec<u8> {
    let mut payload = path.as_bytes().to_vec();
    payload.push(0);
    payload.extend_from_slice(value);
    payload
}

/// A few bytes changed, doubled, or cut off.
fn mutate(chance: &mut Prng, mut value: Vec<u8>) -> Vec<u8> {
    for _ in 0..chance.between(1, 4) {
        if value.is_empty() {
            value.push(b'T');
        }
        let at = chance.below(value.len() as u32) as usize;
        match chance.below(5) {
            0 => value[at] = chance.word() as u8,
            1 => value[at] = *chance.pick(b"0123456789abcdef: -"),
            2 => value.truncate(at),
            3 => value.insert(at, b' '),
            _ => {
                let copy = value[at..].to_vec();
                value.extend(copy.into_iter().take(200));
            }
        }
    }
    value.truncate(2000);
    value
}

/// A register in good form with numbers and messages that are not.
fn register(chance: &mut Prng, said: &[u8], heard: &[u8]) -> Vec<u8> {
    let word = |value: &[u8], number: usize| {
        let text = String::from_utf8_lossy(value).into_owned();
        text.split(' ').nth(number).map(str::to_owned)
    };
    let fresh = format!("{:032x}", chance.wide());
    let from = word(said, 1).filter(|_| chance.below(4) > 0).unwrap_or_else(|| fresh.clone());
    let to = word(heard, 1).filter(|_| chance.below(6) > 0).unwrap_or_else(|| "-".to_owned());
    let present = |number| word(said, number).and_then(|text| text.parse().ok()).unwrap_or(0u32);
    let (ack, first) = (present(3), present(5));
    let mut number = |honest: u32| -> u32 {
        let near = honest.wrapping_add(chance.below(4)).wrapping_sub(1);
        *chance.pick(&[honest, honest, honest, near, 0, u32::MAX, u32::MAX - 1])
    };
    let (ack, beat, first) = (number(ack), number(7), number(first));
    let mut messages = String::new();
    let count = chance.below(9);
    for _ in 0..count {
        let message = message(chance);
        let _ = write!(messages, " {}:{message}", message.len());
    }
    let shown = if chance.below(8) == 0 { chance.below(12) } else { count };
    format!("T1 {from} {to} {ack} {beat} {first} {shown}{messages}").into_bytes()
}

/// A message that somebody might choke on.
fn message(chance: &mut Prng) -> String {
    let number = *chance.pick(&[0, 1, 2, 3, u32::MAX]);
    let word = *chance.pick(&["CONNECTED", "DISCONNECT", "CLOSING", "DISCONNECTED", "RESET", "M"]);
    match chance.below(6) {
        0 => format!("{word} {number}"),
        1 => format!("REFUSED {number} {}", chance.pick(&["no-room", "bad-grant", "because"])),
        2 => {
            let port = chance.below(12);
            let bytes = *chance.pick(&[ring_bytes(1), ring_bytes(2), 0, u32::MAX]);
            let refs: Vec<String> = (0..chance.between(1, 18))
                .map(|_| chance.pick(&[8, 9, 10, 0, 39, 40, u32::MAX]).to_string())
                .collect();
            format!("CONNECT {number} {port} {bytes} 0 {}", refs.join(","))
        }
        3 => format!("M {}", "x".repeat(chance.below(1100) as usize)),
        4 => "M ".to_owned(),
        _ => format!("M {}", chance.word()),
    }
}
