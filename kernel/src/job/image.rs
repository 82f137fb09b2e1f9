//! From the machine to the running job: what `frontend` and `backend` have in common.

use alloc::boxed::Box;
use alloc::vec::Vec;

use channel::link::Link;
use channel::{Duration, Settings};

use super::{Cycles, ImageDriver, Job, Service, run, settle};
use crate::options::Options;
use crate::platform::{Side, Stops, XenPlatform};
use crate::{Machine, Verdict, heap, selftest};

/// The frontend, from the self-tests to its verdict.
pub fn frontend(machine: Machine) -> Verdict {
    image(machine, Cycles::new)
}

/// The backend, from the self-tests to its verdict.
pub fn backend(machine: Machine) -> Verdict {
    image(machine, |options, driver| Service::new(options.bytes, options.links.len(), driver))
}

/// Any image with links, from the self-tests to its verdict.
pub(crate) fn image<J: Job>(
    mut machine: Machine,
    job: impl FnOnce(&Options, &ImageDriver) -> J,
) -> Verdict {
    if let Some(verdict) = selftest::run(&mut machine) {
        return verdict;
    }
    if machine.options.links.is_empty() {
        return Verdict::error("no link: name one with link=");
    }
    let Machine { options, store, grants, mapper, .. } = machine;
    let stops = Stops::new(options.stop_at, options.pause_at);
    let mut xen: XenPlatform<J::Side> = XenPlatform::new(store.ring, grants, mapper, stops);
    xen.limit_page_sets(usize::from(options.page_sets));
    let mut driver = Box::new(ImageDriver::new(Vec::new()));
    // The first requests are about no link: xenstored has them while all else is made ready.
    driver.step(&mut xen);
    if let Err(refusal) = settle(&mut xen) {
        return Verdict::error(refusal);
    }
    if let Err(name) = make_places(driver.places(), &options) {
        let problem = "is one too many for this domain's memory";
        return Verdict::error(format_args!("link {name} {problem}"));
    }
    for name in &options.links {
        xen.add_link(*name);
        let added = driver.add_link(*name, J::Side::ROLE, settings(&options), &mut xen);
        if added.is_err() {
            return Verdict::error(format_args!("link {} not added", name.as_str()));
        }
    }
    let mut job = job(&options, &driver);
    run(&mut job, &mut driver, &mut xen, options.restart_every)
}

/// A place for each link, or the name of the first one for which there is no memory.
fn make_places<'a>(places: &mut Vec<Link>, options: &'a Options) -> Result<(), &'a str> {
    if places.try_reserve_exact(options.links.len()).is_err() {
        let fitting = heap::bytes_free() / size_of::<Link>();
        return Err(options.links.get(fitting).map_or("", |name| name.as_str()));
    }
    places.extend(options.links.iter().map(|_| Link::vacant()));
    Ok(())
}

fn settings(options: &Options) -> Settings {
    Settings {
        beat: Duration::from_milliseconds(u64::from(options.beat_ms)),
        beats_missed_max: options.beat_limit,
        pages: options.pages,
    }
}
