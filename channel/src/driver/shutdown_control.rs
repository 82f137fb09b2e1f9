//! Shutdown requests of the toolstack for the domain, through `control/shutdown`: power off,
//! reboot, suspend (xen docs/misc/xenstore-paths.pandoc, "~/control/shutdown"). The driver has the
//! only xenstore client, so it receives and acknowledges the requests; the image carries them out.

use xenbus::words::position;
use xenbus::{Refusal, Reply, Request};

use crate::instant::Instant;
use crate::limits::{BEAT, INTRODUCTION_BEATS};

/// The node of shutdown requests, relative to the domain's home.
const PATH: &str = "control/shutdown";

/// The token of the watch on [`PATH`].
const TOKEN: &str = "o";

/// A shutdown request of the toolstack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// `poweroff` or `halt`: shut down cleanly.
    PowerOff,
    /// `reboot`: shut down cleanly; the toolstack restarts the domain.
    Reboot,
    /// `suspend`: suspend for save or migration.
    Suspend,
}

impl ShutdownRequest {
    fn from_word(word: &[u8]) -> Option<Self> {
        const REQUESTS: [ShutdownRequest; 4] = [
            ShutdownRequest::PowerOff,
            ShutdownRequest::PowerOff,
            ShutdownRequest::Reboot,
            ShutdownRequest::Suspend,
        ];
        REQUESTS.get(position("poweroff halt reboot suspend", word)?).copied()
    }
}

/// A xenstore request that concerns shutdown requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlOp {
    /// WATCH the node.
    Watch,
    /// READ the node.
    Read,
    /// WRITE an empty value: acknowledges the shutdown request.
    Acknowledge,
}

impl ControlOp {
    /// The xenstore request.
    pub(super) const fn request(self) -> Request<'static> {
        match self {
            ControlOp::Watch => Request::Watch { path: PATH, token: TOKEN },
            ControlOp::Read => Request::Read { path: PATH },
            ControlOp::Acknowledge => Request::Write { path: PATH, value: b"" },
        }
    }
}

/// The state of shutdown requests. At most one [`ControlOp`] is outstanding. While a shutdown
/// request waits to be taken, the next one is not read: it stays in xenstore, so that it neither
/// replaces the first nor is acknowledged without being seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShutdownControl {
    /// When to submit the WATCH: after the links' first requests, which are more urgent.
    listen_at: Option<Instant>,
    next: Option<ControlOp>,
    is_under_way: bool,
    /// A shutdown request that was read and not taken yet.
    request: Option<ShutdownRequest>,
}

impl ShutdownControl {
    /// No shutdown request, nothing outstanding.
    pub(super) const NONE: Self =
        Self { listen_at: None, next: None, is_under_way: false, request: None };

    /// Starts on a new ring, with the WATCH due at `at`. A waiting shutdown request is acknowledged
    /// again, because the first acknowledgement may have been lost.
    pub(super) fn begin(&mut self, at: Instant) {
        let next = self.request.map(|_| ControlOp::Acknowledge);
        *self = Self { listen_at: Some(at), next, is_under_way: false, request: self.request };
    }

    /// Whether the path of a watch event is the node of shutdown requests.
    pub(super) fn is_shutdown_path(path: &str) -> bool {
        path == PATH
    }

    /// The node may have changed. A pending acknowledgement goes first; it causes another watch
    /// event.
    pub(super) fn handle_hint(&mut self) {
        self.next = self.next.or(Some(ControlOp::Read));
    }

    /// Handles a reply, and returns the refusal if the watch was refused. The watch is then retried
    /// after the period of a lost introduction; until then only `xl destroy` stops the domain.
    /// After a refused READ the shutdown request stays in xenstore for the next event.
    pub(super) fn handle_answer(
        &mut self,
        op: ControlOp,
        result: &Result<Reply<'_>, Refusal>,
        now: Instant,
    ) -> Option<Refusal> {
        self.is_under_way = false;
        match (op, result) {
            (ControlOp::Watch, Err(refusal)) => {
                self.listen_at = Some(now.after(BEAT.times(INTRODUCTION_BEATS)));
                return Some(*refusal);
            }
            (ControlOp::Read, Ok(Reply::Value(value))) => {
                if let Some(request) = ShutdownRequest::from_word(value) {
                    self.request = Some(request);
                    self.next = Some(ControlOp::Acknowledge);
                }
            }
            _ => {}
        }
        None
    }

    /// Whether no new request may be submitted: the domain is about to be suspended, and its ring
    /// must be empty.
    pub(super) fn blocks_requests(&self) -> bool {
        self.request == Some(ShutdownRequest::Suspend)
    }

    /// Whether a request is due and may be submitted.
    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some_and(|op| self.may_ask(op))
    }

    /// When the WATCH is due; [`Instant::NEVER`] if it may not be submitted.
    pub(super) fn deadline(&self) -> Instant {
        self.listen_at.filter(|_| self.may_ask(ControlOp::Watch)).unwrap_or(Instant::NEVER)
    }

    /// Takes the shutdown request that was read, if it may be carried out.
    pub(super) fn take(&mut self) -> Option<ShutdownRequest> {
        self.request.take()
    }

    fn may_ask(&self, op: ControlOp) -> bool {
        !self.is_under_way && (op == ControlOp::Acknowledge || self.request.is_none())
    }

    /// The request that is due.
    pub(super) fn due(&self, now: Instant) -> Option<ControlOp> {
        if self.deadline() <= now {
            return Some(ControlOp::Watch);
        }
        self.next.filter(|op| self.may_ask(*op))
    }

    /// `op` was submitted.
    pub(super) fn handle_submitted(&mut self, op: ControlOp) {
        self.is_under_way = true;
        match op {
            ControlOp::Watch => self.listen_at = None,
            ControlOp::Read | ControlOp::Acknowledge => self.next = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ControlOp, ShutdownControl, ShutdownRequest};
    use crate::instant::Instant;
    use crate::limits::{BEAT, INTRODUCTION_BEATS};
    use xenbus::{Errno, Refusal, Reply};

    #[test]
    fn only_known_words_are_shutdown_requests() {
        assert_eq!(ShutdownRequest::from_word(b"poweroff"), Some(ShutdownRequest::PowerOff));
        assert_eq!(ShutdownRequest::from_word(b"halt"), Some(ShutdownRequest::PowerOff));
        assert_eq!(ShutdownRequest::from_word(b"reboot"), Some(ShutdownRequest::Reboot));
        assert_eq!(ShutdownRequest::from_word(b"suspend"), Some(ShutdownRequest::Suspend));
        for word in [&b""[..], b"Poweroff", b"poweroff ", b"\xff"] {
            assert_eq!(ShutdownRequest::from_word(word), None);
        }
    }

    fn listening() -> ShutdownControl {
        let mut control = ShutdownControl::NONE;
        control.begin(Instant::START);
        control
    }

    /// Submits the due request, which must be `op`, and answers it.
    fn exchange(control: &mut ShutdownControl, op: ControlOp, value: &[u8]) {
        assert_eq!(control.due(Instant::START), Some(op));
        control.handle_submitted(op);
        assert_eq!(control.due(Instant::START), None, "one at a time");
        control.handle_answer(op, &Ok(Reply::Value(value)), Instant::START);
    }

    #[test]
    fn a_shutdown_request_is_read_acknowledged_and_kept() {
        let mut control = listening();
        exchange(&mut control, ControlOp::Watch, b"");
        assert_eq!(control.due(Instant::START), None);
        control.handle_hint();
        exchange(&mut control, ControlOp::Read, b"poweroff");
        exchange(&mut control, ControlOp::Acknowledge, b"");
        assert_eq!(control.request, Some(ShutdownRequest::PowerOff));
    }

    #[test]
    fn only_the_acknowledgement_is_sent_before_a_shutdown_request_is_taken() {
        for (word, request) in
            [(&b"suspend"[..], ShutdownRequest::Suspend), (b"poweroff", ShutdownRequest::PowerOff)]
        {
            let mut control = ShutdownControl::NONE;
            control.handle_hint();
            exchange(&mut control, ControlOp::Read, word);
            assert_eq!(control.blocks_requests(), request == ShutdownRequest::Suspend);
            control.handle_hint();
            exchange(&mut control, ControlOp::Acknowledge, b"");
            control.handle_hint(); // The event of the acknowledgement itself.
            assert_eq!(control.due(Instant::START), None);
            assert!(!control.is_waiting());
            assert_eq!(control.request.take(), Some(request));
            assert_eq!(control.due(Instant::START), Some(ControlOp::Read));
        }
    }

    #[test]
    fn a_due_watch_does_not_delay_an_acknowledgement() {
        let mut control = listening();
        control.request = Some(ShutdownRequest::Suspend);
        control.begin(Instant::START);
        assert_eq!(control.deadline(), Instant::NEVER);
        exchange(&mut control, ControlOp::Acknowledge, b"");
        assert_eq!(control.due(Instant::START), None);
        assert_eq!(control.request.take(), Some(ShutdownRequest::Suspend));
        assert_eq!(control.due(Instant::START), Some(ControlOp::Watch));
    }

    #[test]
    fn a_refused_watch_is_retried() {
        let mut control = listening();
        control.handle_submitted(ControlOp::Watch);
        let refusal = Refusal::Errno(Errno::Equota);
        let refused = control.handle_answer(ControlOp::Watch, &Err(refusal), Instant::START);
        assert_eq!(refused, Some(refusal));
        assert_eq!(control.due(Instant::START), None);
        let later = Instant::START.after(BEAT.times(INTRODUCTION_BEATS));
        assert_eq!(control.due(later), Some(ControlOp::Watch));
    }

    #[test]
    fn an_empty_node_is_not_a_shutdown_request() {
        let mut control = ShutdownControl::NONE;
        control.handle_hint();
        exchange(&mut control, ControlOp::Read, b"");
        assert_eq!((control.request, control.next), (None, None));
    }
}
