//! A port of a domain's event channels.

use super::life::Life;

/// What a port is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortEnd {
    Closed,
    /// Open for a domain number, whoever has it.
    Unbound {
        domid: u16,
    },
    Bound {
        life: Life,
        port: u32,
    },
}

/// A port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    /// What it is connected to.
    pub(super) end: PortEnd,
    /// An event has come and was not taken.
    pub(super) pending: bool,
}

impl Port {
    /// A port that is free.
    pub(super) const CLOSED: Port = Port { end: PortEnd::Closed, pending: false };

    /// Whether it is in use.
    pub(super) fn is_open(&self) -> bool {
        self.end != PortEnd::Closed
    }
}
