//! A link's wishes as xenstore requests, and the answers as facts. Here is decided which of them
//! may be under way together, and what an error means: refused, absent, or not just now
//! (docs/protocol.md §2, §4).
//!
//! One READ and one WRITE of a link are in flight at most, so that replies stay in order.
//! Neighbours: [`crate::link`] has the wishes, [`crate::driver`] the client.

use xenbus::{Cause, Client, Permission, Refusal, Reply, Request, RequestId, TransactionId};

use crate::endpoint::{Introduction, ReadFailure, Wish, WriteOutcome};
use crate::event::Notice;
use crate::ids::{DOMID_FIRST_RESERVED, DomId};
use crate::instant::{Duration, Instant};
use crate::limits::{INTRODUCTION_BEATS, REGISTER_BYTES_MAX, RETRY_DIVISOR, STRAYS_PER_BEAT};
use crate::link::Link;
use crate::platform::Platform;
use crate::text::parse_decimal;

/// A request of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Errand {
    /// READ the own introduction.
    Look,
    /// MKDIR the own mailbox: makes it if it is absent, and never touches its value.
    Make,
    /// SET_PERMS of the own mailbox: the peer may read and write, nobody else.
    Permit,
    /// READ the own mailbox.
    Read,
    /// WRITE the register into the peer's mailbox.
    Write,
    /// RM a node that has no business below the mailbox.
    Clean,
}

/// Longest name of a stray node that is kept; a longer one is the peer's own quota wasted.
const STRAY_BYTES_MAX: usize = 128;

/// What a link has going on in xenstore besides its endpoint's READ and WRITE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Desk {
    look_due: bool,
    looking: bool,
    /// A look has found no introduction.
    waited: bool,
    look_at: Option<Instant>,
    making: bool,
    permitting: bool,
    cleaning: bool,
    stray: [u8; STRAY_BYTES_MAX],
    stray_length: u8,
    /// Strays removed since `cleaned_at`.
    cleaned: u32,
    cleaned_at: Instant,
}

impl Desk {
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

    fn stray(&self) -> &str {
        let bytes = self.stray.get(..usize::from(self.stray_length)).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }

    /// Whether a stray may be removed now: a few in a beat period, or the peer would keep us busy.
    fn may_clean(&self, now: Instant, period: Duration) -> bool {
        self.stray_length > 0
            && !self.cleaning
            && (self.cleaned < STRAYS_PER_BEAT || now >= self.cleaned_at.after(period))
    }

    fn note_cleaning(&mut self, now: Instant, period: Duration) {
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

impl Link {
    /// The next request of this link, if there is one that may go now.
    pub(crate) fn next_errand(&self, now: Instant) -> Option<Errand> {
        if self.desk.look_due && !self.desk.looking {
            return Some(Errand::Look);
        }
        match self.endpoint.poll_wish() {
            Some(Wish::Mend) if !self.desk.making => Some(Errand::Make),
            Some(Wish::Permit) if !self.desk.permitting => Some(Errand::Permit),
            Some(Wish::Read) => Some(Errand::Read),
            Some(Wish::Write) => Some(Errand::Write),
            Some(Wish::Mend | Wish::Permit) | None => {
                self.desk.may_clean(now, self.settings.beat).then_some(Errand::Clean)
            }
        }
    }

    /// Submits an errand. `None` if the client takes no more now; then nothing has changed.
    pub(crate) fn submit(
        &mut self,
        errand: Errand,
        now: Instant,
        own: DomId,
        client: &mut Client,
    ) -> Option<RequestId> {
        let id = match errand {
            Errand::Look => self.submit_own(client, &self.name.introduction(), Asked::Value),
            Errand::Make => self.submit_own(client, &self.name.mailbox(), Asked::Node),
            Errand::Read => self.submit_own(client, &self.name.mailbox(), Asked::Value),
            Errand::Permit => self.submit_permit(own, client),
            Errand::Write => self.submit_write(client),
            Errand::Clean => {
                let request = Request::Remove { path: self.desk.stray() };
                let id = client.submit(TransactionId::NONE, request).ok();
                if id.is_none() && client.in_flight() < xenbus::IN_FLIGHT_MAX {
                    // A name that the client does not take as a path: no daemon has such a node.
                    self.desk.stray_length = 0;
                }
                id
            }
        }?;
        match errand {
            Errand::Look => (self.desk.look_due, self.desk.looking) = (false, true),
            Errand::Make => self.desk.making = true,
            Errand::Permit => self.desk.permitting = true,
            Errand::Read => self.handle_read_issued(now),
            Errand::Write => {}
            Errand::Clean => self.desk.note_cleaning(now, self.settings.beat),
        }
        let wish = match errand {
            Errand::Make => Some(Wish::Mend),
            Errand::Permit => Some(Wish::Permit),
            Errand::Read => Some(Wish::Read),
            Errand::Write => Some(Wish::Write),
            Errand::Look | Errand::Clean => None,
        };
        if let Some(wish) = wish {
            self.endpoint.handle_submitted(now, wish);
        }
        Some(id)
    }

    fn submit_own(
        &self,
        client: &mut Client,
        path: &crate::names::Path,
        asked: Asked,
    ) -> Option<RequestId> {
        let path = path.as_str();
        let request = match asked {
            Asked::Value => Request::Read { path },
            Asked::Node => Request::MakeDirectory { path },
        };
        client.submit(TransactionId::NONE, request).ok()
    }

    fn submit_permit(&self, own: DomId, client: &mut Client) -> Option<RequestId> {
        let peer = self.endpoint.introduction()?.peer;
        let permissions =
            [Permission::owner(xenbus::DomId(own.0)), Permission::both(xenbus::DomId(peer.0))];
        let path = self.name.mailbox();
        let request = Request::SetPermissions { path: path.as_str(), permissions: &permissions };
        client.submit(TransactionId::NONE, request).ok()
    }

    fn submit_write(&mut self, client: &mut Client) -> Option<RequestId> {
        let peer = self.endpoint.introduction()?.peer;
        let mut register = [0; REGISTER_BYTES_MAX];
        let beat = self.liveness.beat().wrapping_add(1);
        let length = self.endpoint.emit(beat, &mut register);
        let path = self.name.mailbox_of(peer);
        let request = Request::Write { path: path.as_str(), value: register.get(..length)? };
        let id = client.submit(TransactionId::NONE, request).ok()?;
        self.liveness.next_beat();
        Some(id)
    }

    /// An errand was answered.
    pub(crate) fn handle_answer(
        &mut self,
        errand: Errand,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        platform: &mut impl Platform,
    ) {
        match errand {
            Errand::Look => self.handle_look(result, now, platform),
            Errand::Make => {
                self.desk.making = false;
                self.note_own_refusal(&result);
            }
            Errand::Permit => {
                self.desk.permitting = false;
                self.note_own_refusal(&result);
            }
            Errand::Read => self.handle_read_answer(result, now, platform),
            Errand::Write => self.handle_write_answer(result, now, platform),
            // A node that the peer owns may withstand: then it stays, at the cost of the peer's
            // quota and nobody else's.
            Errand::Clean => {
                self.desk.cleaning = false;
                self.notice(Notice::StrayNodes);
            }
        }
    }

    fn handle_look(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        platform: &mut impl Platform,
    ) {
        self.desk.looking = false;
        if let Err(refusal) = &result
            && !matches!(refusal.cause(), Cause::Absent | Cause::Permission)
        {
            // The daemon could not. Whether there is an introduction is as unknown as before.
            self.desk.look_at = Some(now.after(self.settings.beat.divided(RETRY_DIVISOR)));
            return;
        }
        let found = match result {
            Ok(Reply::Value(value)) => {
                let found = parse_introduction(value);
                // dom0 makes the mailbox first, and the introduction above it comes into being
                // empty.
                if found.is_none() && !value.is_empty() {
                    self.notice(Notice::GarbageIntroduction);
                }
                found
            }
            Ok(_) | Err(_) => None,
        };
        match found {
            Some(introduction) => self.handle_introduction(now, introduction, platform),
            None => {
                self.handle_no_introduction();
                self.desk.waited = true;
            }
        }
        // Known to nobody but dom0, and its event may be lost.
        let is_known = self.endpoint.introduction().is_some();
        let rest = self.settings.beat.times(INTRODUCTION_BEATS);
        self.desk.look_at = (!is_known).then(|| now.after(rest));
    }

    fn handle_read_answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        platform: &mut impl Platform,
    ) {
        match result {
            Ok(Reply::Value(value)) => self.handle_read(now, value, platform),
            Ok(_) => self.handle_unread(now, ReadFailure::Later, platform),
            Err(refusal) => {
                // An absent node below a parent that is not readable is refused, not absent.
                let failure = match refusal.cause() {
                    Cause::Absent | Cause::Permission => ReadFailure::Absent,
                    _ => ReadFailure::Later,
                };
                self.handle_unread(now, failure, platform);
            }
        }
    }

    fn handle_write_answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        platform: &mut impl Platform,
    ) {
        let outcome = match result {
            Ok(_) => WriteOutcome::Done,
            Err(refusal) => match refusal.cause() {
                Cause::Absent | Cause::Permission | Cause::Privilege => WriteOutcome::Refused,
                Cause::Quota => {
                    self.notice(Notice::Quota);
                    WriteOutcome::Later
                }
                _ => WriteOutcome::Later,
            },
        };
        self.handle_written(now, outcome, platform);
    }

    /// The daemon should let a domain do as it likes with its own nodes.
    fn note_own_refusal(&mut self, result: &Result<Reply<'_>, Refusal>) {
        match result {
            Ok(_) => {}
            Err(refusal) => match refusal.cause() {
                Cause::Quota => self.notice(Notice::Quota),
                // The mailbox is not there yet: reading it will find that out, and mend it.
                Cause::Absent => {}
                _ => self.notice(Notice::StoreRefused),
            },
        }
    }
}

/// What is asked of an own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Its value.
    Value,
    /// To be there.
    Node,
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

/// Reads `<peer-domid> <number>`, to the letter.
fn parse_introduction(value: &[u8]) -> Option<Introduction> {
    let mut words = value.split(|&byte| byte == b' ');
    let peer = parse_decimal(words.next()?)?;
    let number = parse_decimal(words.next()?)?;
    let peer = u16::try_from(peer).ok().filter(|peer| *peer < DOMID_FIRST_RESERVED)?;
    words.next().is_none().then_some(Introduction { peer: DomId(peer), number })
}

#[cfg(test)]
mod tests {
    use super::{parse_introduction, top_of_stray};
    use crate::endpoint::Introduction;
    use crate::ids::DomId;

    #[test]
    fn an_introduction_is_a_domid_and_a_number_to_the_letter() {
        let read = Introduction { peer: DomId(7), number: 1_700_000_000 };
        assert_eq!(parse_introduction(b"7 1700000000"), Some(read));
        for bad in [&b""[..], b"7", b"7 ", b"7 1 2", b"07 1", b"7 1\n", b"32752 1", b"x 1"] {
            assert_eq!(parse_introduction(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_stray_is_removed_with_the_directory_it_came_in() {
        assert_eq!(top_of_stray("data/tether/e/a/box/x/y/z"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/box/x"), "data/tether/e/a/box/x");
        assert_eq!(top_of_stray("data/tether/e/a/other/y"), "data/tether/e/a/other");
        assert_eq!(top_of_stray("data/tether/e/a/other"), "data/tether/e/a/other");
    }
}
