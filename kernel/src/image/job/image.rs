//! From the machine to the running job: what `frontend` and `backend` have in common.

use alloc::boxed::Box;

use channel::link::Link;
use channel::{Driver, Duration, Role, Settings};

use super::{Cycles, Job, Service, finish_setup, run};
use crate::image::exit_status::ExitStatus;
use crate::image::machine::Machine;
use crate::image::options::Options;
use crate::image::platform::{Breakpoints, Observer, XenPlatform};
use crate::image::selftest;
use crate::mem::heap;

/// The frontend, from the self-tests to its verdict.
pub fn frontend(machine: Machine) -> ExitStatus {
    image(machine, Role::Front, None, Cycles::new)
}

/// The backend, from the self-tests to its verdict.
pub fn backend(machine: Machine) -> ExitStatus {
    image(machine, Role::Back, None, |options, driver| {
        Service::new(options.bytes, options.links.len(), driver)
    })
}

/// Any image whose links all have one role, from the self-tests to its verdict.
pub fn image<J: Job>(
    mut machine: Machine,
    role: Role,
    observer: Option<Observer>,
    job: impl FnOnce(&Options, &Driver) -> J,
) -> ExitStatus {
    if let Some(verdict) = selftest::run(&mut machine) {
        return verdict;
    }
    if machine.options.links.is_empty() {
        return ExitStatus::error("no link: name one with link=");
    }
    let Machine { options, store, grants, .. } = machine;
    let breakpoints = Breakpoints::new(options.stop_at, options.pause_at);
    let mut xen = XenPlatform::new(store.ring, grants, breakpoints);
    if let Some(observer) = observer {
        xen.observe(observer);
    }
    xen.limit_page_sets(usize::from(options.page_sets));
    let mut driver = Box::new(Driver::new());
    // The first requests are about no link: xenstored has them while all else is made ready.
    driver.step(xen.now(), &mut xen);
    if let Err(refusal) = finish_setup(&mut xen) {
        return ExitStatus::error(refusal);
    }
    if driver.reserve(options.links.len()).is_err() {
        // More than there is memory for: name the first that does not fit.
        let fitting = heap::bytes_free() / size_of::<Link>();
        let name = options.links.get(fitting).map_or("", |name| name.as_str());
        let problem = "is one too many for this domain's memory";
        return ExitStatus::error(format_args!("link {name} {problem}"));
    }
    for name in &options.links {
        xen.add_link(*name);
        let added = driver.add_link(*name, role, settings(&options), &mut xen);
        if added.is_err() {
            return ExitStatus::error(format_args!("link {} not added", name.as_str()));
        }
    }
    let mut job = job(&options, &driver);
    run(&mut job, &mut driver, &mut xen, options.restart_every)
}

fn settings(options: &Options) -> Settings {
    Settings {
        beat: Duration::from_milliseconds(u64::from(options.beat_ms)),
        beats_missed_max: options.beat_limit,
        pages: options.pages,
    }
}
