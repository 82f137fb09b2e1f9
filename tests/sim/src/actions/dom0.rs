//! Domain 0: what `xl` does to the store when it makes a domain, and toolstack/introduce step by
//! step, each step taking its time so that anything may happen in between.

use core::fmt::Write as _;
use std::collections::VecDeque;

use crate::store::wire::{Errno, Kind};
use crate::world::oracle::Side;
use crate::world::toolstack::Request;
use crate::world::{SimEvent, World};

/// The home of a link: `data/tether/<digit>/<link>` below the domain's.
pub fn link_home(domid: u16, link: &str) -> String {
    format!("/local/domain/{domid}/data/tether/{:x}/{link}", cksum(link.as_bytes()) % 16)
}

impl World {
    /// The nodes that libxl makes for a domain, at once: it uses a transaction.
    pub fn make_home(&mut self, domid: u16) {
        let home = format!("/local/domain/{domid}");
        let now_ns = self.now_ns();
        let mut ask = |kind, payload: String| {
            self.store.request(kind, 0, payload.as_bytes(), now_ns).expect("domain 0 may");
        };
        ask(Kind::MakeDirectory, format!("{home}\0"));
        ask(Kind::Remove, format!("{home}\0"));
        ask(Kind::MakeDirectory, format!("{home}\0"));
        ask(Kind::SetPermissions, format!("{home}\0n0\0r{domid}\0"));
        ask(Kind::Write, format!("{home}/domid\0{domid}"));
        for guests in ["data", "control/shutdown"] {
            ask(Kind::MakeDirectory, format!("{home}/{guests}\0"));
            ask(Kind::SetPermissions, format!("{home}/{guests}\0n{domid}\0"));
        }
    }

    /// Begins to introduce the two domains of a link, if both exist.
    pub fn introduce(&mut self, link: usize) {
        let ends = self.ends(link);
        if ends.iter().any(|place| self.places[*place].life.is_none()) {
            return;
        }
        let name = self.params.links[link].name.clone();
        let domids = ends.map(|place| self.places[place].domid);
        let homes = domids.map(|domid| link_home(domid, &name));
        let mut job = VecDeque::from([Request::Number(homes.clone())]);
        for (own, peer) in [(0, 1), (1, 0)] {
            let (home, owner, peer) = (&homes[own], domids[own], domids[peer]);
            job.push_back(Request::Ensure(format!("{home}/box")));
            job.push_back(Request::Permit(home.clone(), format!("n{owner}\0")));
            let both = format!("n{owner}\0b{peer}\0");
            job.push_back(Request::Permit(format!("{home}/box"), both));
            if self.chances.timing.below(4) == 0 {
                job.push_back(Request::Void(link, format!("{home}/box\0n{owner}\0")));
            }
        }
        for (own, peer) in [(0, 1), (1, 0)] {
            job.push_back(Request::Write(homes[own].clone(), format!("{} ", domids[peer])));
        }
        self.dom0.introductions += 1;
        self.trace.line(
            self.now_ns(),
            format_args!("link {name}: domain 0 introduces {} and {}", domids[0], domids[1]),
        );
        self.begin_job(job);
    }

    /// Opens a transaction, touches what guests write, and ends it later.
    pub fn hold_transaction(&mut self, link: usize, hold_ns: u64) {
        let now_ns = self.now_ns();
        let Ok(id) = self.store.request(Kind::TransactionStart, 0, b"\0", now_ns) else { return };
        let id =
            core::str::from_utf8(&id).ok().and_then(|id| id.trim_end_matches('\0').parse().ok());
        let id: u32 = id.expect("the daemon gives numbers");
        for place in self.ends(link) {
            let home = link_home(self.places[place].domid, &self.params.links[link].name);
            let read = format!("{home}/box\0");
            let _ = self.store.request(Kind::Read, id, read.as_bytes(), now_ns);
        }
        let _ = self.store.request(Kind::Write, id, b"/tool/busy\0x", now_ns);
        self.dom0.jobs.push(VecDeque::from([Request::End(id)]));
        self.plan(now_ns + hold_ns, SimEvent::Dom0(self.dom0.jobs.len() - 1));
    }

    fn begin_job(&mut self, job: VecDeque<Request>) {
        self.dom0.jobs.push(job);
        self.plan_in(self.params.dom0_ns, SimEvent::Dom0(self.dom0.jobs.len() - 1));
    }

    /// The next request of a job. A refused one ends the job, as `set -e` does.
    pub fn dom0_step(&mut self, number: usize) {
        let Some(request) = self.dom0.jobs[number].pop_front() else { return };
        let done = self.do_request(number, &request);
        self.daemon_by(self.now_ns() + 1);
        if done.is_err() {
            self.dom0.jobs[number].clear();
        } else if !self.dom0.jobs[number].is_empty() {
            self.plan_in(self.params.dom0_ns, SimEvent::Dom0(number));
        }
    }

    fn do_request(&mut self, number: usize, request: &Request) -> Result<(), Errno> {
        let now_ns = self.now_ns();
        let sides = [Side::Front, Side::Back];
        let store = &mut self.store;
        let mut ask = |kind, payload: &str| store.request(kind, 0, payload.as_bytes(), now_ns);
        match request {
            Request::Ensure(path) => {
                if ask(Kind::Read, &format!("{path}\0")).is_err() {
                    // A home that is gone is not made again: the script asks before it begins,
                    // and here before it writes, or a dead domain's number would get nodes.
                    let domain = path.split('/').take(4).collect::<Vec<_>>().join("/");
                    ask(Kind::Read, &format!("{domain}\0"))?;
                    ask(Kind::Write, &format!("{path}\0"))?;
                }
            }
            Request::Permit(path, entries) => {
                ask(Kind::SetPermissions, &format!("{path}\0{entries}"))?;
            }
            // Domains that have met are known.
            Request::Void(link, _) if sides.iter().any(|side| self.oracle.is_up(*link, *side)) => {}
            Request::Void(_, payload) => {
                ask(Kind::SetPermissions, payload)?;
            }
            Request::Write(path, value) => {
                let domain = path.split('/').take(4).collect::<Vec<_>>().join("/");
                ask(Kind::Read, &format!("{domain}\0"))?;
                ask(Kind::Write, &format!("{path}\0{value}"))?;
            }
            Request::Number(homes) => {
                let mut last = 0;
                for home in homes {
                    let value = ask(Kind::Read, &format!("{home}\0")).unwrap_or_default();
                    let text = String::from_utf8_lossy(&value).into_owned();
                    let number = text.split(' ').nth(1).and_then(|word| word.parse().ok());
                    last = last.max(number.unwrap_or(0u32));
                }
                for later in &mut self.dom0.jobs[number] {
                    if let Request::Write(_, value) = later {
                        let _ = write!(value, "{}", last + 1);
                    }
                }
            }
            Request::End(id) => {
                // EAGAIN is as good as anything.
                let _ = store.request(Kind::TransactionEnd, *id, b"T\0", now_ns);
            }
        }
        Ok(())
    }

    /// Writes, removes or litters a link's mailbox from outside.
    pub fn meddle(&mut self, place: usize, link: usize, how: Meddling) {
        let home = link_home(self.places[place].domid, &self.params.links[link].name);
        let (kind, payload) = match how {
            Meddling::Remove => (Kind::Remove, format!("{home}/box\0")),
            Meddling::Garbage => (Kind::Write, format!("{home}/box\0T1 nonsense 7")),
            Meddling::Litter => (Kind::Write, format!("{home}/box/x/y\0z")),
        };
        let there = format!("{home}/box\0");
        let now_ns = self.now_ns();
        if self.store.request(Kind::Read, 0, there.as_bytes(), now_ns).is_ok() {
            let _ = self.store.request(kind, 0, payload.as_bytes(), now_ns);
            self.daemon_by(now_ns + 1);
        }
    }
}

/// What somebody does to a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meddling {
    /// Removes it.
    Remove,
    /// Writes nonsense.
    Garbage,
    /// Makes nodes below it.
    Litter,
}

/// POSIX `cksum`: a CRC-32 of the bytes and then of their count, least significant byte first.
fn cksum(bytes: &[u8]) -> u32 {
    let mut crc: u32 = 0;
    let mut feed = |byte: u8| {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
    };
    bytes.iter().for_each(|byte| feed(*byte));
    let mut length = bytes.len();
    while length > 0 {
        feed(length as u8);
        length >>= 8;
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::cksum;

    #[test]
    fn the_checksum_is_the_one_of_the_shell() {
        // printf %s a | cksum, and so on.
        assert_eq!(cksum(b"a"), 1_220_704_766);
        assert_eq!(cksum(b"123456789"), 930_766_865);
    }
}
