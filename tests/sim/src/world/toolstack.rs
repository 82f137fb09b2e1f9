//! What the toolstack has in hand: its jobs, request by request, and the domains that end.

use std::collections::VecDeque;

use crate::xen::Life;

/// The toolstack's own things.
#[derive(Debug, Default)]
pub struct Dom0 {
    /// The last number that was given to a domain.
    pub last_domid: u16,
    /// Domains that end or have ended.
    pub ends: Vec<DomainEnd>,
    /// What it is doing.
    pub(crate) jobs: Vec<VecDeque<Request>>,
    /// Introductions begun.
    pub introductions: u64,
}

impl Dom0 {
    /// Whether it has nothing to do.
    pub fn is_idle(&self) -> bool {
        self.jobs.iter().all(VecDeque::is_empty)
    }
}

/// A request of a job.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Writes "" if the node is absent.
    Ensure(String),
    /// Sets permissions.
    Permit(String, String),
    /// Takes the peer out of the permissions again: one set for a domain that Xen does not know yet,
    /// or no longer, is void, and the owner has to set it again.
    Void(usize, String),
    /// Writes.
    Write(String, String),
    /// Reads the numbers of both introductions and puts the next one into the writes to come.
    Number([String; 2]),
    /// Ends a transaction.
    End(u32),
}

/// The part of an end that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndPart {
    HomeRemoved,
    DaemonHears,
    XenFinishes,
}

/// A domain that ends.
#[derive(Clone, Debug)]
pub struct DomainEnd {
    /// Its life.
    pub(crate) life: Life,
    /// Its number.
    pub(crate) domid: u16,
    /// What is left to be done, in reverse order.
    pub(crate) left: Vec<EndPart>,
}
