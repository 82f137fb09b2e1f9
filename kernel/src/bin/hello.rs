//! The smallest useful image: it says hello, reads its own name from xenstore, and switches off.
//! Build it with `cargo image --bin hello`, start it with `xl create toolstack/hello.cfg`.
#![no_std]
#![no_main]

use kernel::{ExitStatus, Machine};

kernel::entry!(main);

fn main(mut machine: Machine) -> ExitStatus {
    kernel::say!(Info, "hello, {} KiB are mine", machine.memory_kib());
    let mut room = [0; 64];
    match machine.store.blocking().read("name", &mut room) {
        Ok(name) => {
            kernel::say!(Info, "xenstore calls me {}", name.escape_ascii());
            ExitStatus::success("said hello")
        }
        Err(error) => ExitStatus::failure(error),
    }
}
