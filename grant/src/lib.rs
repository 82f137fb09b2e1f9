//! Memory shared between two Xen domains, from the grant entry up to a byte stream.
//!
//! The crate is sans-IO: it never calls the hypervisor. What it needs of Xen it declares as small
//! traits ([`GrantEntries`], [`Granter`], [`Mapper`], [`SharedPages`]). `kernel/` implements them
//! over hypercalls; the feature `fake` implements them for tests, stricter than Xen is.
//!
//! From the bottom upwards:
//!
//! - [`GrantTable`] makes and ends version-1 grants; the table itself records which entries are
//!   free.
//! - [`Quarantine`] keeps pages out of use that a peer still maps (invariant I1).
//! - [`Window`] records which guest frames hold a foreign mapping, so that none is used twice.
//! - [`header`] is the first 512 bytes of a connection's pages: owner, connection, fence, beats.
//! - [`Producer`] and [`Consumer`] are the two ends of a byte ring, [`Stream`] is two rings.
//! - [`FrontConnection`] and [`BackConnection`] own all of that for one connection; [`Readable`] and
//!   [`Writable`] give access to its bytes in place, [`io::Blocking`] is an `embedded-io` stream over
//!   it.
//!
//! A hostile peer may write anything into a shared page at any moment. Every value is copied out
//! and checked, and only the copy is used; a false value is an error, never a panic. Event channels
//! are the caller's: a call returns [`Notify::Due`] when the peer must be notified.
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
pub use place::{Readable, Writable};
pub use ports::{
    GrantEntries, GrantError, Granter, MapHandle, MapRefused, Mapper, Mapping, UnmapRefused,
};
pub use quarantine::{Quarantine, QuarantineState, StillMapped};
pub use ring::{Consumer, Notify, Producer, RingError, Span, Spans};
pub use shared_pages::SharedPages;
pub use stream::{Readiness, SPIN_LIMIT, Sleep, Stream, WakeWhen};
pub use table::{EndError, GrantTable};
pub use xen_types::{DomId, GrantRef};
