//! The results of connection operations.

use core::fmt;

use grant::{Closing, Fence, PageWords, Stamp};

/// Why a front could not prepare a connection. All resources are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrepareError {
    /// The quarantine is full: the peer still maps pages of earlier connections.
    QuarantineFull,
    /// No free page.
    NoPages,
    /// No free grant reference.
    NoGrants,
    /// No free event channel port.
    NoPorts,
    /// Xen forbids event channels or grants between the two domains (XSM, SILO): EPERM.
    Denied,
}

xenbus::words! {
    PrepareError,
    /// The name used in logs.
    fn word {
        QuarantineFull => "quarantine-full",
        NoPages => "no-pages",
        NoGrants => "no-grants",
        NoPorts => "no-ports",
        Denied => "denied-by-xen",
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QuarantineFull => "peers still map all the pages that the quarantine may hold",
            Self::NoPages => "this domain has no free pages",
            Self::NoGrants => "this domain has no free grant reference",
            Self::NoPorts => "this domain has no free event channel port",
            Self::Denied => "Xen forbids event channels or grants between the two domains",
        })
    }
}

impl core::error::Error for PrepareError {}

/// The state of a released connection's pages (docs/protocol.md §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Released {
    /// Every grant was ended by compare-exchange; the pages are free.
    Freed,
    /// Some pages are still mapped and wait in the quarantine.
    Quarantined {
        /// Pages newly quarantined, at least 1.
        pages: u16,
    },
}

impl Released {
    /// Converts a number of pages that are still mapped.
    pub(super) fn of_mapped(pages: usize) -> Self {
        match u16::try_from(pages) {
            Ok(0) => Self::Freed,
            Ok(pages) => Self::Quarantined { pages },
            Err(_) => Self::Quarantined { pages: u16::MAX },
        }
    }
}

/// A copy of the peer's words in the page header. The peer may write every word at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The back's stamp; [`Stamp::NONE`] on the back's side.
    pub stamp: Stamp,
    /// The peer's published words.
    pub words: PageWords,
    /// The peer's closing word.
    pub closing: Closing,
    /// The fence. On the front's side, its own fence.
    pub fence: Fence,
}
