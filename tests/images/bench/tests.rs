//! The parts of the image `bench` that need no Xen, tested on the host.

extern crate alloc;

#[allow(dead_code)] // The image uses the rest.
#[path = "histogram.rs"]
mod histogram;
#[allow(dead_code)] // As above.
#[path = "order.rs"]
mod order;
