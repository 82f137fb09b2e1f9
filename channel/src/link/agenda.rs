//! What a link has begun and what is due next, between two of its actions.

use crate::endpoint::Introduction;

/// The progress of a machine action that takes more than one [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Progress {
    /// Nothing is done yet.
    NotBegun,
    /// Release: the fence is closed.
    Fenced,
    /// A closing message: the word is set in the page.
    WordSet,
    /// A closing message: the word is set and the peer is notified.
    WordNotified,
    /// Stamp: the first words are published in the page.
    Published,
    /// Stamp: the stamp is written.
    Stamped,
}

/// The work due after an input, processed in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Agenda {
    /// Read the page.
    pub(super) observe: bool,
    /// Run the timers.
    pub(super) time: bool,
    /// A READ was answered: check whether the peer is alive.
    pub(super) check_liveness: bool,
    /// Check whether this side's page beat is due.
    pub(super) page_beat: bool,
    /// Query the state of the port.
    pub(super) ask_port: bool,
    /// Query the existence of the peer's domain.
    pub(super) ask_domain: bool,
    /// Report this introduction to the user.
    pub(super) announce: Option<Introduction>,
    /// Publish the changed words in the page.
    pub(super) publish: bool,
    /// Notify the peer: it may be blocked on the published words.
    pub(super) notify: bool,
}
