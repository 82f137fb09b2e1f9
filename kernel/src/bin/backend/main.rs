//! The backend: serves whichever peers are introduced to it, until the toolstack ends it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod service;

use channel::{Instant, Role};
use kernel::links::{Event, Links, OpenError};
use kernel::{ExitStatus, Machine, selftest};
use service::Service;

kernel::entry!(main);

fn main(machine: Machine) -> ExitStatus {
    run(machine).unwrap_or_else(ExitStatus::error)
}

fn run(mut machine: Machine) -> Result<ExitStatus, OpenError> {
    if let Some(status) = selftest::run(&mut machine) {
        return Ok(status);
    }
    let Machine { options, store, grants, .. } = machine;
    let mut links = Links::open(store, grants, &options)?;
    links.add_all(&options, Role::Back)?;
    let mut service = Service::new(options, links.driver());
    let mut until = Instant::START;
    loop {
        let is_ended = match links.next_event(until) {
            Event::Link(link, event) => {
                service.handle_event(link, &event);
                continue;
            }
            Event::Turn => false,
            Event::End => true,
            Event::Lost(lost) => return Ok(ExitStatus::error(lost)),
        };
        service.ask(&mut links);
        if let Some(status) = service.status(is_ended) {
            service.print_counts(links.driver());
            return Ok(links.finish(status));
        }
        until = service.pump(links.platform());
    }
}
