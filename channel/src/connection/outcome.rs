//! What comes of the steps of a connection, as the rest of the channel sees it.

use core::fmt;

use grant::{Closing, Fence, PageWords, Stamp};

/// Why a front could not prepare a connection. Nothing is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrepareError {
    /// The quarantine holds all the pages that it may: the peer still maps old ones.
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
    /// The word that is printed.
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

/// What became of a released connection's pages (docs/protocol.md §11).
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
    /// From a count of pages that are still mapped.
    pub(super) fn of_mapped(pages: usize) -> Self {
        match u16::try_from(pages) {
            Ok(0) => Self::Freed,
            Ok(pages) => Self::Quarantined { pages },
            Err(_) => Self::Quarantined { pages: u16::MAX },
        }
    }
}

/// A copy of what the peer has in the page header. The peer may write every word at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The back's stamp. A back does not look at it and sees [`Stamp::NONE`].
    pub stamp: Stamp,
    /// The peer's published words.
    pub words: PageWords,
    /// The peer's closing word.
    pub closing: Closing,
    /// The fence. A front sees its own as open until it has closed it.
    pub fence: Fence,
}
