//! What each kind of fault does to the world.
//!
//! How long, how late and how bad is drawn here; whether and where was drawn in [`crate::world::faults`].

use crate::actions::dom0::Meddling;
use crate::base::clock::{MS, SECOND};
use crate::machine::Machine;
use crate::store::Flavour;
use crate::store::wire::Errno;
use crate::world::faults::Fault;
use crate::world::{SimEvent, Suspension, World};
use crate::xen::MapFailure;

impl World {
    /// Lets a fault strike the domain at a place, and one of its links. `machine` is its machine
    /// if it is in the middle of its turn.
    pub fn inject(
        &mut self,
        fault: Fault,
        place: usize,
        link: usize,
        machine: Option<&mut Machine>,
    ) {
        self.note_fault(fault, place, link);
        let beat_ns = self.params.beat_ns;
        let dead_ns = beat_ns * (u64::from(self.params.beats_missed_max) + 2);
        let peer = self.ends(link).into_iter().find(|end| *end != place);
        let peer = peer.expect("a link has two ends");
        match fault {
            Fault::Crash => self.kill(place),
            Fault::PeerCrash => self.kill(peer),
            Fault::Pause => self.pause(place, (1, beat_ns), machine.is_some()),
            Fault::LongPause => {
                // Now and then so long that xenstored gives up the events that wait.
                let long = self.faults.chance().below(6) == 0;
                let most_ns = if long { 40 * SECOND } else { dead_ns * 3 };
                self.pause(place, (dead_ns, most_ns.max(dead_ns)), machine.is_some());
            }
            Fault::Restart => {
                self.places[place].restart_due = Some(link);
                self.turn_by(place, self.now_ns() + 1);
            }
            Fault::Resume | Fault::Clone => {
                let twice = fault == Fault::Clone;
                let how = if twice { Suspension::Twice } else { Suspension::Once };
                self.places[place].suspend_due = Some(how);
                self.turn_by(place, self.now_ns() + 1);
            }
            Fault::Reintroduce => self.plan(self.now_ns() + 1, SimEvent::Introduce(link)),
            Fault::EventsLost | Fault::EventsLate | Fault::EventsDoubled => {
                self.tamper_with_events(fault, link);
            }
            Fault::Doorbell => {
                for end in [place, peer] {
                    if let Some(life) = self.places[end].life {
                        self.xen.ring_spuriously(life);
                    }
                    self.turn_by(end, self.now_ns() + 1);
                }
                self.daemon_by(self.now_ns() + 1);
            }
            Fault::StoreRefuses => {
                let errors: &[Errno] = match self.params.flavour {
                    Flavour::C => &[Errno::Enomem, Errno::Enospc, Errno::Eio],
                    Flavour::Ocaml => &[Errno::Equota, Errno::Eio],
                };
                let error = *self.faults.chance().pick(errors);
                if self.places[place].life.is_some() {
                    self.store.fail_next(self.places[place].domid, error);
                }
            }
            Fault::LiveUpdate => {
                let most = *self.faults.chance().pick(&[beat_ns / 4, beat_ns * 2, beat_ns * 15]);
                let pause_ns = self.faults.chance().between(MS, most.max(MS));
                self.store.live_update(pause_ns, self.now_ns());
                self.daemon_by(self.now_ns() + 1);
            }
            Fault::MailboxRemoved => self.meddle(place, link, Meddling::Remove),
            Fault::MailboxGarbage => self.meddle(place, link, Meddling::Garbage),
            Fault::StrayNodes => self.meddle(place, link, Meddling::Litter),
            Fault::XenRefuses => self.refuse(place, machine),
            Fault::ClockHeld => self.hold_clock(place, machine),
            Fault::Forge => self.forge(link),
            Fault::Scribble => self.scribble(link),
            Fault::Transactions => {
                let hold_ns = self.faults.chance().between(MS, beat_ns * 2);
                self.hold_transaction(link, hold_ns);
            }
        }
    }

    /// Stops a domain's processor: in the middle of its turn, or between two.
    fn pause(&mut self, place: usize, span: (u64, u64), in_turn: bool) {
        let wait_ns = self.faults.chance().between(span.0, span.1);
        if in_turn {
            self.go_on(wait_ns);
        } else {
            self.places[place].paused_until_ns = self.now_ns() + wait_ns;
        }
    }

    fn tamper_with_events(&mut self, fault: Fault, link: usize) {
        let late_ns = self.now_ns() + self.faults.chance().between(MS, self.params.beat_ns * 4);
        for place in self.ends(link) {
            let domid = self.places[place].domid;
            match fault {
                Fault::EventsLost => while self.store.drop_event(domid) {},
                Fault::EventsLate => {
                    self.store.delay_event(domid, late_ns);
                }
                _ => {
                    self.store.repeat_event(domid);
                    self.store.spurious_event(domid);
                }
            }
        }
        self.daemon_by(self.now_ns() + 1);
    }

    fn refuse(&mut self, place: usize, machine: Option<&mut Machine>) {
        let what = self.faults.chance().below(3);
        let guest = self.places[place].guest.as_mut().map(|guest| guest.machine());
        let Some(machine) = machine.or(guest) else { return };
        match what {
            0 => machine.connections.xen().fail_next(MapFailure::Map),
            1 => machine.connections.xen().fail_next(MapFailure::Unmap),
            _ => machine.connections.xen().refuse_port(),
        }
    }

    fn hold_clock(&mut self, place: usize, machine: Option<&mut Machine>) {
        let span_ns = self.faults.chance().between(MS / 10, 16 * MS);
        let now_ns = self.now_ns();
        let guest = self.places[place].guest.as_mut().map(|guest| guest.machine());
        let Some(machine) = machine.or(guest) else { return };
        machine.clock.hold(now_ns, span_ns);
    }
}
