//! Boots a Rust program under Xen as a PVH guest, with nothing underneath: no firmware, no C
//! library, no operating system.
//!
//! An image is a `no_std` binary with a `main` that takes the [`Machine`] and returns a
//! [`ExitStatus`]. [`entry!`] makes `main` the entry point (see `bin/hello.rs`), and `cargo image`
//! builds the image.
//!
//! The folders, each of which uses those before it alone:
//! - `mem`: the processor, memory that others write, [`copy`], [`heap`], [`pages`], [`random`];
//! - `xen`: [`hypercall`] and [`abi`], the window, and what is built on them: [`clock`], [`events`],
//!   [`store`], [`grants`];
//! - [`console`]: lines for people and for programs;
//! - `boot`: entry, descriptor tables, paging, start info;
//! - `image`: the order of boot, and the interface of an image: [`entry!`], [`Machine`],
//!   [`ExitStatus`], [`options`], [`links`].
//!
//! This is the only crate of the workspace with `unsafe` and assembly; each block states its
//! reasons.
//!
//! Only an image can use it: a host program cannot call Xen, has none of Xen's pages at 4 GiB and
//! may not halt the processor. So without the feature `image` the library is empty, except for its
//! tests:
//!
//! ```
//! mod host {
//!     pub mod clock {}
//! }
//! // Ambiguous, and refused by the compiler, if the library had a clock too.
//! #[allow(unused_imports)]
//! use {host::*, kernel::*};
//! #[allow(unused_imports)]
//! use clock as _;
//! ```

// `doc` and `doctest` are set while rustdoc reads this crate, not when it compiles the example above.
// Not `cfg` with the whole condition: rustdoc would take it for one of the example's.
#![cfg_attr(not(any(feature = "image", test, doc, doctest)), cfg(false))]
#![no_std]
// Tests on the host have no entry point (`boot::entry`), from which all of this is reached.
#![cfg_attr(test, allow(dead_code))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod boot;
pub mod console;
mod image;
mod mem;
mod xen;

pub use image::exit_status::{ExitStatus, Outcome};
pub use image::machine::Machine;
pub use image::options::Options;
pub use image::{counts, links, options, pattern, platform, selftest, stages};
pub use mem::{copy, heap, pages, random};
pub use xen::boot_error::BootError;
pub use xen::{abi, clock, events, grants, hypercall, store};

/// Makes a function the image's main part: `fn main(machine: Machine) -> ExitStatus`. When it
/// returns, the verdict is the image's last line, and the domain powers off.
///
/// An image may have options of its own beside the standard ones: `entry!(main, ["role", "seed"])`.
/// Their values are in [`Options::own`]; what is neither standard nor declared is refused.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        $crate::entry!($main, []);
    };
    ($main:path, [$($option:literal),* $(,)?]) => {
        // SAFETY: the name is this macro's alone, and `boot` calls it with this very signature.
        #[unsafe(no_mangle)]
        fn tether_main(machine: $crate::Machine) -> $crate::ExitStatus {
            $main(machine)
        }

        // SAFETY: as above.
        #[unsafe(no_mangle)]
        fn tether_image_name() -> &'static str {
            env!("CARGO_BIN_NAME")
        }

        // SAFETY: as above.
        #[unsafe(no_mangle)]
        fn tether_image_options() -> &'static [&'static str] {
            &[$($option),*]
        }
    };
}
