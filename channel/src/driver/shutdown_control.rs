//! What the toolstack orders of the whole domain through `control/shutdown`: power off, reboot,
//! suspend (xen docs/misc/xenstore-paths.pandoc, "~/control/shutdown"). The driver has the only
//! xenstore client, so it listens; what is done about an order is the image's affair.

use xenbus::words::position;
use xenbus::{Refusal, Reply, Request};

use super::{Driver, Purpose};
use crate::instant::Instant;
use crate::limits::{BEAT, INTRODUCTION_BEATS};

/// Where orders stand, in the own home.
const PATH: &str = "control/shutdown";

/// The token of the watch on it.
const TOKEN: &str = "o";

/// What the toolstack wants the domain to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// `poweroff` or `halt`: end in order.
    PowerOff,
    /// `reboot`: end in order, to be started again.
    Reboot,
    /// `suspend`: be saved or moved.
    Suspend,
}

impl ShutdownRequest {
    fn of_word(word: &[u8]) -> Option<Self> {
        const ORDERS: [ShutdownRequest; 4] = [
            ShutdownRequest::PowerOff,
            ShutdownRequest::PowerOff,
            ShutdownRequest::Reboot,
            ShutdownRequest::Suspend,
        ];
        ORDERS.get(position("poweroff halt reboot suspend", word)?).copied()
    }
}

/// A request about orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlOp {
    /// WATCH the place.
    Watch,
    /// READ what stands there.
    Read,
    /// WRITE nothing there: the order was understood.
    Acknowledge,
}

/// What is known of orders, and what is to be asked next. One request about orders is under way at
/// most, and while an order waits to be taken the next one is not read: it stays in xenstore, so
/// that it neither replaces the first nor is acknowledged unseen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShutdownControl {
    /// When the watch is asked for: after the links' first requests, which are more urgent.
    listen_at: Option<Instant>,
    next: Option<ControlOp>,
    is_under_way: bool,
    /// Read and not yet taken.
    order: Option<ShutdownRequest>,
}

impl ShutdownControl {
    /// Nothing known, nothing asked.
    pub(super) const NONE: Self =
        Self { listen_at: None, next: None, is_under_way: false, order: None };

    /// The ring is new, and listening begins at `at`. An order that waits is acknowledged once
    /// more: whether the first acknowledgement was carried out is not known.
    pub(super) fn begin(&mut self, at: Instant) {
        let next = self.order.map(|_| ControlOp::Acknowledge);
        *self = Self { listen_at: Some(at), next, is_under_way: false, order: self.order };
    }

    /// Whether an event's path is the place of orders.
    pub(super) fn is_about(path: &str) -> bool {
        path == PATH
    }

    /// The place may have changed. An acknowledgement goes first, and brings a hint of its own.
    pub(super) fn handle_hint(&mut self) {
        self.next = self.next.or(Some(ControlOp::Read));
    }

    /// An op was answered. A refused read leaves an order where it is, for the next event. Gives
    /// the refusal of the watch: the domain is without orders until it is asked for again, as seldom
    /// as a lost introduction. Until then only `xl destroy` ends it.
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
                if let Some(order) = ShutdownRequest::of_word(value) {
                    self.order = Some(order);
                    self.next = Some(ControlOp::Acknowledge);
                }
            }
            _ => {}
        }
        None
    }

    /// Whether nothing new may be asked of xenstore: the domain is about to be suspended, and its
    /// ring must be empty then.
    pub(super) fn hold_still(&self) -> bool {
        self.order == Some(ShutdownRequest::Suspend)
    }

    /// Whether something waits to be asked, and may be.
    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some_and(|op| self.may_ask(op))
    }

    /// When the watch is asked for, if it may be.
    pub(super) fn deadline(&self) -> Instant {
        self.listen_at.filter(|_| self.may_ask(ControlOp::Watch)).unwrap_or(Instant::NEVER)
    }

    fn may_ask(&self, op: ControlOp) -> bool {
        !self.is_under_way && (op == ControlOp::Acknowledge || self.order.is_none())
    }

    fn due(&self, now: Instant) -> Option<ControlOp> {
        if self.deadline() <= now {
            return Some(ControlOp::Watch);
        }
        self.next.filter(|op| self.may_ask(*op))
    }

    fn handle_submitted(&mut self, op: ControlOp) {
        self.is_under_way = true;
        match op {
            ControlOp::Watch => self.listen_at = None,
            ControlOp::Read | ControlOp::Acknowledge => self.next = None,
        }
    }
}

impl Driver {
    /// The next order of the toolstack, already acknowledged. [`ShutdownRequest::Suspend`] comes once every
    /// request has been answered, and none is made before it is taken: nothing is under way in the
    /// ring.
    pub fn poll_shutdown_request(&mut self) -> Option<ShutdownRequest> {
        if self.shutdown.is_waiting() {
            return None; // First the acknowledgement goes out: the order may end the image.
        }
        if self.shutdown.hold_still() && !self.is_quiet() {
            return None;
        }
        self.shutdown.order.take()
    }

    /// Asks what is due about orders, after the links have asked.
    pub(super) fn submit_control_op(&mut self, now: Instant) {
        let Some(op) = self.shutdown.due(now) else { return };
        let request = match op {
            ControlOp::Watch => Request::Watch { path: PATH, token: TOKEN },
            ControlOp::Read => Request::Read { path: PATH },
            ControlOp::Acknowledge => Request::Write { path: PATH, value: b"" },
        };
        if self.submit_own(request, Purpose::Control(op), now) {
            self.shutdown.handle_submitted(op);
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
    fn only_the_toolstacks_words_are_orders() {
        assert_eq!(ShutdownRequest::of_word(b"poweroff"), Some(ShutdownRequest::PowerOff));
        assert_eq!(ShutdownRequest::of_word(b"halt"), Some(ShutdownRequest::PowerOff));
        assert_eq!(ShutdownRequest::of_word(b"reboot"), Some(ShutdownRequest::Reboot));
        assert_eq!(ShutdownRequest::of_word(b"suspend"), Some(ShutdownRequest::Suspend));
        for word in [&b""[..], b"Poweroff", b"poweroff ", b"\xff"] {
            assert_eq!(ShutdownRequest::of_word(word), None);
        }
    }

    fn listening() -> ShutdownControl {
        let mut orders = ShutdownControl::NONE;
        orders.begin(Instant::START);
        orders
    }

    /// Submits what is due, which must be this, and answers it.
    fn exchange(orders: &mut ShutdownControl, op: ControlOp, value: &[u8]) {
        assert_eq!(orders.due(Instant::START), Some(op));
        orders.handle_submitted(op);
        assert_eq!(orders.due(Instant::START), None, "one at a time");
        orders.handle_answer(op, &Ok(Reply::Value(value)), Instant::START);
    }

    #[test]
    fn an_order_is_read_acknowledged_and_kept() {
        let mut orders = listening();
        exchange(&mut orders, ControlOp::Watch, b"");
        assert_eq!(orders.due(Instant::START), None);
        orders.handle_hint();
        exchange(&mut orders, ControlOp::Read, b"poweroff");
        exchange(&mut orders, ControlOp::Acknowledge, b"");
        assert_eq!(orders.order, Some(ShutdownRequest::PowerOff));
    }

    #[test]
    fn before_an_order_is_taken_only_its_acknowledgement_goes_out() {
        for (word, order) in
            [(&b"suspend"[..], ShutdownRequest::Suspend), (b"poweroff", ShutdownRequest::PowerOff)]
        {
            let mut orders = ShutdownControl::NONE;
            orders.handle_hint();
            exchange(&mut orders, ControlOp::Read, word);
            assert_eq!(orders.hold_still(), order == ShutdownRequest::Suspend);
            orders.handle_hint();
            exchange(&mut orders, ControlOp::Acknowledge, b"");
            orders.handle_hint(); // Of the acknowledgement itself.
            assert_eq!(orders.due(Instant::START), None);
            assert!(!orders.is_waiting());
            assert_eq!(orders.order.take(), Some(order));
            assert_eq!(orders.due(Instant::START), Some(ControlOp::Read));
        }
    }

    #[test]
    fn a_watch_that_is_due_does_not_hold_an_acknowledgement_back() {
        let mut orders = listening();
        orders.order = Some(ShutdownRequest::Suspend);
        orders.begin(Instant::START);
        assert_eq!(orders.deadline(), Instant::NEVER);
        exchange(&mut orders, ControlOp::Acknowledge, b"");
        assert_eq!(orders.due(Instant::START), None);
        assert_eq!(orders.order.take(), Some(ShutdownRequest::Suspend));
        assert_eq!(orders.due(Instant::START), Some(ControlOp::Watch));
    }

    #[test]
    fn a_refused_watch_is_asked_for_again() {
        let mut orders = listening();
        orders.handle_submitted(ControlOp::Watch);
        let refusal = Refusal::Errno(Errno::Equota);
        let refused = orders.handle_answer(ControlOp::Watch, &Err(refusal), Instant::START);
        assert_eq!(refused, Some(refusal));
        assert_eq!(orders.due(Instant::START), None);
        let later = Instant::START.after(BEAT.times(INTRODUCTION_BEATS));
        assert_eq!(orders.due(later), Some(ControlOp::Watch));
    }

    #[test]
    fn nothing_there_is_no_order() {
        let mut orders = ShutdownControl::NONE;
        orders.handle_hint();
        exchange(&mut orders, ControlOp::Read, b"");
        assert_eq!((orders.order, orders.next), (None, None));
    }
}
