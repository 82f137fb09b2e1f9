//! The xenstore state of a link besides its endpoint's READ and WRITE: whether its introduction
//! must be read, which requests are outstanding, and the next stray node to remove.

use crate::instant::{Duration, Instant};
use crate::limits::STRAYS_PER_BEAT;

/// The longest path of a stray node that is removed. Longer ones stay, at the cost of the peer's
/// quota.
const STRAY_BYTES_MAX: usize = 128;

/// The xenstore state of a link besides its endpoint's READ and WRITE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreState {
    pub(super) introduction_due: bool,
    pub(super) reading_introduction: bool,
    /// An earlier READ found no introduction.
    pub(super) waited: bool,
    pub(super) introduction_at: Option<Instant>,
    pub(super) making: bool,
    pub(super) setting_perms: bool,
    pub(super) cleaning: bool,
    stray: [u8; STRAY_BYTES_MAX],
    pub(super) stray_length: u8,
    /// Stray nodes removed since `cleaned_at`.
    cleaned: u32,
    cleaned_at: Instant,
}

impl StoreState {
    /// The initial state: the introduction must be read.
    pub(crate) const NEW: Self = Self {
        introduction_due: true,
        reading_introduction: false,
        waited: false,
        introduction_at: None,
        making: false,
        setting_perms: false,
        cleaning: false,
        stray: [0; STRAY_BYTES_MAX],
        stray_length: 0,
        cleaned: 0,
        cleaned_at: Instant::START,
    };

    /// The introduction may have changed.
    pub(crate) fn reread_introduction(&mut self) {
        self.introduction_due = true;
    }

    /// Whether an earlier READ found no introduction.
    pub(crate) const fn has_waited(&self) -> bool {
        self.waited
    }

    /// When to read the introduction without a watch event.
    pub(crate) fn introduction_at(&self) -> Instant {
        self.introduction_at.unwrap_or(Instant::NEVER)
    }

    pub(crate) fn handle_time(&mut self, now: Instant) {
        if self.introduction_at.is_some_and(|at| at <= now) {
            self.introduction_at = None;
            self.introduction_due = true;
        }
    }

    /// A stray node exists below or beside the mailbox. `path` is relative to the domain's home.
    pub(crate) fn handle_stray(&mut self, path: &str) {
        let path = top_of_stray(path);
        if let Some(place) = self.stray.get_mut(..path.len()) {
            place.copy_from_slice(path.as_bytes());
            // At most STRAY_BYTES_MAX, which fits in a u8.
            self.stray_length = path.len() as u8;
        }
    }

    pub(super) fn stray(&self) -> &str {
        let bytes = self.stray.get(..usize::from(self.stray_length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }

    /// Whether a stray node may be removed now. The rate is limited per beat period, because the
    /// peer controls how many there are.
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

    /// Outstanding requests will never be answered.
    pub(crate) fn handle_store_lost(&mut self) {
        (self.reading_introduction, self.making, self.setting_perms, self.cleaning) =
            (false, false, false, false);
        self.introduction_due = true;
    }
}

/// Returns the node to remove for a stray path. Removal includes all children, and a peer that
/// creates `box/x/y` also creates `box/x`, for which no event arrives.
fn top_of_stray(path: &str) -> &str {
    // After `data/tether/<digit>/<link>/`, the stray is the fifth component, or the sixth below
    // `box`.
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
    fn a_stray_is_removed_with_its_directory() {
        assert_eq!(top_of_stray("data/tether/e/a/box/x/y/z"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/box/x"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/other/y"), "data/tether/e/a/other");
        assert_eq!(top_of_stray("data/tether/e/a/other"), "data/tether/e/a/other");
    }
}
