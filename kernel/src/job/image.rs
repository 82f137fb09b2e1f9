//! From the machine to the running job: what `frontend` and `backend` have in common.

use alloc::boxed::Box;

use channel::link::Link;
use channel::{Duration, Role, Settings};

use super::{Cycles, ImageDriver, Service, run};
use crate::options::Options;
use crate::platform::{Stops, XenPlatform};
use crate::{Machine, Verdict, events, selftest};

/// The frontend, from the self-tests to its verdict.
pub fn frontend(machine: Machine) -> Verdict {
    image(machine, Role::Front)
}

/// The backend, from the self-tests to its verdict.
pub fn backend(machine: Machine) -> Verdict {
    image(machine, Role::Back)
}

fn image(mut machine: Machine, role: Role) -> Verdict {
    if let Some(verdict) = selftest::run(&mut machine) {
        return verdict;
    }
    if machine.options.links.is_empty() {
        return Verdict::error("no link: name one with link=");
    }
    if let Err(errno) = events::announce_obedience() {
        crate::say!(Warn, "xl shutdown will not work: {errno}");
    }
    let Machine { domid, options, store, grants, mapper, .. } = machine;
    let stops = Stops::new(options.stop_at, options.pause_at);
    let mut xen = XenPlatform::new(domid, store.ring, grants, mapper, stops);
    let places = options.links.iter().map(|_| Link::vacant()).collect();
    let mut driver = Box::new(ImageDriver::new(places));
    for name in &options.links {
        xen.add_link(*name);
        if let Err(error) = driver.add_link(*name, role, settings(&options), &mut xen) {
            return Verdict::error(format_args!("link {} not added: {error:?}", name.as_str()));
        }
    }
    let links = options.links.len();
    match role {
        Role::Front => {
            let mut job = Cycles::new(options.cycles, options.bytes, links, &driver);
            run(&mut job, &mut driver, &mut xen)
        }
        Role::Back => {
            let mut job = Service::new(options.bytes, links, &driver);
            run(&mut job, &mut driver, &mut xen)
        }
    }
}

fn settings(options: &Options) -> Settings {
    Settings {
        beat: Duration::from_milliseconds(u64::from(options.beat_ms)),
        beats_missed_max: options.beat_limit,
        pages: options.pages,
    }
}
