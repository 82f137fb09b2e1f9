//! Memory shared between two Xen domains, from the grant entry up to a byte stream.
//!
//! The crate is sans-IO: it never calls the hypervisor. It declares the operations that it needs as
//! small traits ([`GrantEntries`], [`Granter`], [`Mapper`], [`SharedPages`]). `kernel/` implements
//! them with hypercalls; the feature `fake` implements them for tests, stricter than Xen.
//!
//! From the bottom upwards:
//!
//! - [`GrantTable`] makes and ends version-1 grants; the table itself records which entries are
//!   free.
//! - [`Quarantine`] holds pages that a peer still maps, so that they are not reused (invariant I1).
//! - [`Window`] records which guest frames hold a foreign mapping, so that no frame is used twice.
//! - [`header`] is the first 768 bytes of a connection's pages: owner, connection, fence, beats.
//! - [`Producer`] and [`Consumer`] are the two ends of a byte ring, [`Stream`] is two rings.
//! - [`FrontConnection`] and [`BackConnection`] own all of that for one connection; [`Readable`] and
//!   [`Writable`] access its bytes in place; [`io::Blocking`] is an `embedded-io` stream over it.
//!
//! A hostile peer may write anything into a shared page at any moment. Every value is copied and
//! checked, and only the copy is used; an invalid value is an error, never a panic. The caller owns
//! the event channels: a call returns [`Notify::Due`] when the peer must be notified.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod back;
mod entry;
mod epoch;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod foreign;
mod front;
pub mod header;
pub mod io;
pub mod layout;
mod page_set;
mod place;
mod ports;
mod quarantine;
mod ring;
mod shared_pages;
mod stream;
mod table;

pub use back::{BackConnection, BackView, TransferError};
pub use entry::{GrantFlags, GrantStatus, RESERVED_REFS};
pub use epoch::{EPOCH_DIGITS, Epoch};
pub use foreign::{MapError, SlotRun, UnmapError, Window};
pub use front::{FrontConnection, FrontView, OpenError, OpenRefusal};
pub use header::{
    Closing, ConnectionId, Fence, FenceToken, LinkTag, PageWords, Stamp, Terms, VerifyError,
};
pub use layout::{PAGE_BYTES, PAGES_MAX, ring_bytes};
pub use page_set::{Granted, PageSet};
pub use place::{InPlace, Readable, Writable};
pub use ports::{
    GrantEntries, GrantError, Granter, MapHandle, MapRefused, Mapper, Mapping, UnmapRefused,
};
pub use quarantine::{Quarantine, QuarantineState, StillMapped};
pub use ring::{Consumer, Notify, Producer, RingEnd, RingError, Span, Spans};
pub use shared_pages::SharedPages;
pub use stream::{Readiness, SPIN_LIMIT, Sleep, Stream, WakeWhen};
pub use table::{EndError, GrantTable};
pub use xen_types::{DomId, GrantRef};
