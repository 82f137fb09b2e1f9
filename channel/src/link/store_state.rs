//! What a link has going on in xenstore besides its endpoint's READ and WRITE: whether its
//! introduction is to be read, what it has under way, and the stray node to remove next.

use crate::instant::{Duration, Instant};
use crate::limits::STRAYS_PER_BEAT;

/// Longest name of a stray node that is kept; a longer one is the peer's own quota wasted.
const STRAY_BYTES_MAX: usize = 128;

/// What a link has going on in xenstore besides its endpoint's READ and WRITE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreState {
    pub(super) look_due: bool,
    pub(super) looking: bool,
    /// A look has found no introduction.
    pub(super) waited: bool,
    pub(super) look_at: Option<Instant>,
    pub(super) making: bool,
    pub(super) permitting: bool,
    pub(super) cleaning: bool,
    stray: [u8; STRAY_BYTES_MAX],
    pub(super) stray_length: u8,
    /// Strays removed since `cleaned_at`.
    cleaned: u32,
    cleaned_at: Instant,
}

impl StoreState {
    /// The introduction is to be read.
    pub(crate) const NEW: Self = Self {
        look_due: true,
        looking: false,
        waited: false,
        look_at: None,
        making: false,
        permitting: false,
        cleaning: false,
        stray: [0; STRAY_BYTES_MAX],
        stray_length: 0,
        cleaned: 0,
        cleaned_at: Instant::START,
    };

    /// The introduction may have changed.
    pub(crate) fn look_again(&mut self) {
        self.look_due = true;
    }

    /// Whether an earlier look has found no introduction.
    pub(crate) const fn has_waited(&self) -> bool {
        self.waited
    }

    /// When the introduction is looked for though nothing says that there is one.
    pub(crate) fn look_at(&self) -> Instant {
        self.look_at.unwrap_or(Instant::NEVER)
    }

    pub(crate) fn handle_time(&mut self, now: Instant) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.look_due = true;
        }
    }

    /// A node is below the mailbox, or beside it: `path` is relative to the home.
    pub(crate) fn handle_stray(&mut self, path: &str) {
        let path = top_of_stray(path);
        if let Some(place) = self.stray.get_mut(..path.len()) {
            place.copy_from_slice(path.as_bytes());
            // Shorter than STRAY_BYTES_MAX, which fits.
            self.stray_length = path.len() as u8;
        }
    }

    pub(super) fn stray(&self) -> &str {
        let bytes = self.stray.get(..usize::from(self.stray_length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }

    /// Whether a stray may be removed now: a few in a beat period, or the peer would keep us busy.
    pub(super) fn may_clean(&self, now: Instant, period: Duration) -> bool {
        self.stray_length > 0
            && !self.cleaning
            && (self.cleaned < STRAYS_PER_BEAT || now >= self.cleaned_at.after(period))
    }

    pub(super) fn note_cleaning(&mut self, now: Instant, period: Duration) {
        if now >= self.cleaned_at.after(period) {
            (self.cleaned, self.cleaned_at) = (0, now);
        }
        self.cleaned += 1;
        self.cleaning = true;
        self.stray_length = 0;
    }

    /// Whatever was under way will never be answered.
    pub(crate) fn handle_store_lost(&mut self) {
        (self.looking, self.making, self.permitting, self.cleaning) = (false, false, false, false);
        self.look_due = true;
    }
}

/// The node to remove for a stray: removing takes what is below with it, and a peer that makes
/// `box/x/y` at once has made `box/x` too, of which no event tells.
fn top_of_stray(path: &str) -> &str {
    // `data/tether/<digit>/<link>/` comes first: a stray is the fifth part, or the sixth below `box`.
    let below_box = path.as_bytes().split(|&byte| byte == b'/').nth(4) == Some(b"box");
    let slashes_before_its_end = if below_box { 5 } else { 4 };
    let mut slashes = path.bytes().enumerate().filter(|&(_, byte)| byte == b'/');
    let end = slashes.nth(slashes_before_its_end).map(|(at, _)| at);
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::top_of_stray;

    #[test]
    fn a_stray_is_removed_with_the_directory_it_came_in() {
        assert_eq!(top_of_stray("data/tether/e/a/box/x/y/z"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/box/x"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/other/y"), "data/tether/e/a/other");
        assert_eq!(top_of_stray("data/tether/e/a/other"), "data/tether/e/a/other");
    }
}
