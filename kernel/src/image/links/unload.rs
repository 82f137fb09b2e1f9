//! Giving up all links in order, as a module does that is unloaded: every connection is ended with
//! its peer's consent, then every endpoint is restarted (docs/protocol.md, rule S0), and nothing may
//! be left. Afterwards the image ends, or begins anew in place.

use channel::Instant;
use channel::driver::ShutdownRequest;
use channel::event::{End, Event};

use crate::image::platform::XenPlatform;
use crate::xen::clock;

/// How long peers are waited for: as long as a silent one is trusted with the default beat.
const PATIENCE_NS: u64 = 4_000_000_000;

/// What comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterUnload {
    /// The end, as the toolstack has ordered.
    End(ShutdownRequest),
    /// The links begin anew.
    Reload,
}

/// Whether the links are being given up, and why.
pub(super) struct Unload {
    /// Connections between two restarts; 0: no restart.
    every: u32,
    /// Connections ended in order since the last one.
    ended: u32,
    under_way: Option<(AfterUnload, u64)>,
}

impl Unload {
    pub(super) const fn new(every: u32) -> Self {
        Self { every, ended: 0, under_way: None }
    }

    /// Counts the connections that were ended in order.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        if let Event::Disconnected { end: End::InOrder, .. } = event
            && self.every > 0
        {
            self.ended += 1;
            if self.ended >= self.every {
                self.begin(AfterUnload::Reload);
            }
        }
    }

    /// From now on links are given up. An order replaces a restart, nothing replaces an order.
    pub(super) fn begin(&mut self, then: AfterUnload) {
        if let Some((AfterUnload::End(_), _)) = self.under_way {
            return;
        }
        self.under_way = Some((then, clock::now_ns().saturating_add(PATIENCE_NS)));
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// When patience ends.
    pub(super) fn deadline(&self) -> Instant {
        self.under_way.map_or(Instant::NEVER, |(_, until_ns)| Instant::from_nanoseconds(until_ns))
    }

    /// What comes next, once, when nothing is connected any more or patience has ended.
    pub(super) fn poll(&mut self, xen: &XenPlatform) -> Option<AfterUnload> {
        let (then, until_ns) = self.under_way?;
        if xen.has_connection() && clock::now_ns() < until_ns {
            return None;
        }
        (self.under_way, self.ended) = (None, 0);
        Some(then)
    }
}
