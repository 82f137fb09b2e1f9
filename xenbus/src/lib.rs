//! A xenstore client for Xen guests: `no_std`, no heap, no `unsafe`, sans-IO. It moves whole
//! requests and replies through the ring page that a guest shares with its xenstore daemon. The
//! caller maps that page and provides the event channel and the clock.
//!
//! From the outside in:
//! - [`blocking`]: one request at a time, for a boot-time test or a small image;
//! - [`directory`], [`transaction`], [`watch`], [`stall`]: operations of more than one packet;
//! - [`Client`]: up to [`IN_FLIGHT_MAX`] requests behind one doorbell, replies in any order;
//! - [`request`], [`reply`], [`path`], [`permission`], [`error`]: the values of the protocol, and
//!   its errors;
//! - [`decoder`], [`ring`], [`wire`]: bytes.
//!
//! The caller's contract: after each [`Client::submit`] and after each wake-up, call
//! [`Client::advance`] until it returns `None`; then send an event-channel notification if
//! [`Client::doorbell_due`] returns `true`.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

#[cfg(any(test, feature = "fake"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod blocking;
mod cause;
pub mod client;
pub mod counts;
pub mod decoder;
pub mod directory;
mod ended;
pub mod error;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod outgoing;
pub mod path;
pub mod permission;
pub mod reply;
pub mod request;
pub mod ring;
mod slots;
pub mod stall;
mod submit;
pub mod transaction;
pub mod watch;
pub mod wire;
pub mod words;

pub use client::{Client, IN_FLIGHT_MAX, Incoming, RequestId};
pub use counts::Counts;
pub use error::{Cause, Ended, Errno, Fault, Refusal};
pub use permission::{Access, Permission};
pub use reply::{Reply, WatchEvent};
pub use request::{Outcome, Request, RequestKind, TransactionId};
pub use ring::{RingPage, RingWord};
pub use submit::{ReconnectError, SubmitError};
pub use xen_types::DomId;
