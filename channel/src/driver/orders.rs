//! What the toolstack orders of the whole domain through `control/shutdown`: power off, reboot,
//! suspend (xen docs/misc/xenstore-paths.pandoc, "~/control/shutdown"). The driver has the only
//! xenstore client, so it listens; what is done about an order is the image's affair.

use xenbus::words::position;
use xenbus::{Refusal, Reply, Request};

use super::{Driver, Purpose};
use crate::instant::Instant;
use crate::limits::{BEAT, INTRODUCTION_BEATS};
use crate::link::Link;

/// Where orders stand, in the own home.
const PATH: &str = "control/shutdown";

/// The token of the watch on it.
const TOKEN: &str = "o";

/// What the toolstack wants the domain to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `poweroff` or `halt`: end in order.
    PowerOff,
    /// `reboot`: end in order, to be started again.
    Reboot,
    /// `suspend`: be saved or moved.
    Suspend,
}

impl Order {
    fn of_word(word: &[u8]) -> Option<Self> {
        const ORDERS: [Order; 4] =
            [Order::PowerOff, Order::PowerOff, Order::Reboot, Order::Suspend];
        ORDERS.get(position("poweroff halt reboot suspend", word)?).copied()
    }
}

/// A request about orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderErrand {
    /// WATCH the place.
    Watch,
    /// READ what stands there.
    Read,
    /// WRITE nothing there: the order was understood.
    Acknowledge,
}

/// What is known of orders, and what is to be asked next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders {
    /// When the watch is asked for: after the links' first requests, which are more urgent.
    pub(super) listen_at: Option<Instant>,
    next: Option<OrderErrand>,
    order: Option<Order>,
}

impl Orders {
    /// Nothing known, nothing asked.
    pub(super) const NONE: Self = Self { listen_at: None, next: None, order: None };

    /// Nothing known; listens from `at` on.
    pub(super) const fn listening_from(at: Instant) -> Self {
        Self { listen_at: Some(at), next: None, order: None }
    }

    /// Whether an event's path is the place of orders.
    pub(super) fn is_about(path: &str) -> bool {
        path == PATH
    }

    /// The place may have changed. An acknowledgement goes first, and brings a hint of its own.
    pub(super) fn handle_hint(&mut self) {
        self.next = self.next.or(Some(OrderErrand::Read));
    }

    /// The watch was refused: the domain is without orders until it is asked for again, as seldom as
    /// a lost introduction. Until then only `xl destroy` ends it.
    pub(super) fn handle_watch_refused(&mut self, now: Instant) {
        self.listen_at = Some(now.after(BEAT.times(INTRODUCTION_BEATS)));
    }

    /// An errand was answered. A refused read leaves an order where it is, for the next event.
    pub(super) fn handle_answer(
        &mut self,
        errand: OrderErrand,
        result: &Result<Reply<'_>, Refusal>,
    ) {
        if errand != OrderErrand::Read {
            return;
        }
        if let Ok(Reply::Value(value)) = result
            && let Some(order) = Order::of_word(value)
        {
            self.order = Some(order);
            self.next = Some(OrderErrand::Acknowledge);
        }
    }

    /// Whether nothing new may be asked of xenstore: the domain is about to be suspended, and its
    /// ring must be empty then.
    pub(super) fn hold_still(&self) -> bool {
        self.order == Some(Order::Suspend)
    }

    /// Whether something waits to be asked, and may be.
    pub(super) fn is_waiting(&self) -> bool {
        self.next.is_some_and(|errand| self.may_ask(errand))
    }

    fn may_ask(&self, errand: OrderErrand) -> bool {
        errand == OrderErrand::Acknowledge || !self.hold_still()
    }

    fn due(&mut self, now: Instant) -> Option<OrderErrand> {
        let errand = match self.listen_at {
            Some(at) if at <= now => Some(OrderErrand::Watch),
            _ => self.next,
        };
        errand.filter(|errand| self.may_ask(*errand))
    }
}

impl<L: AsRef<[Link]> + AsMut<[Link]>> Driver<L> {
    /// The next order of the toolstack, already acknowledged. [`Order::Suspend`] comes once every
    /// request has been answered, and none is made before it is taken: nothing is under way in the
    /// ring.
    pub fn poll_order(&mut self) -> Option<Order> {
        if self.orders.is_waiting() {
            return None; // First the acknowledgement goes out: the order may end the image.
        }
        if self.orders.hold_still() && !self.is_quiet() {
            return None;
        }
        self.orders.order.take()
    }

    /// Asks what is due about orders, after the links have asked.
    pub(super) fn submit_order_errand(&mut self, now: Instant) {
        let Some(errand) = self.orders.due(now) else { return };
        let request = match errand {
            OrderErrand::Watch => Request::Watch { path: PATH, token: TOKEN },
            OrderErrand::Read => Request::Read { path: PATH },
            OrderErrand::Acknowledge => Request::Write { path: PATH, value: b"" },
        };
        if self.submit_own(request, Purpose::Order(errand), now) {
            match errand {
                OrderErrand::Watch => self.orders.listen_at = None,
                OrderErrand::Read | OrderErrand::Acknowledge => self.orders.next = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, OrderErrand, Orders};
    use crate::instant::Instant;
    use crate::limits::{BEAT, INTRODUCTION_BEATS};
    use xenbus::Reply;

    #[test]
    fn only_the_toolstacks_words_are_orders() {
        assert_eq!(Order::of_word(b"poweroff"), Some(Order::PowerOff));
        assert_eq!(Order::of_word(b"halt"), Some(Order::PowerOff));
        assert_eq!(Order::of_word(b"reboot"), Some(Order::Reboot));
        assert_eq!(Order::of_word(b"suspend"), Some(Order::Suspend));
        for word in [&b""[..], b"Poweroff", b"poweroff ", b"\xff"] {
            assert_eq!(Order::of_word(word), None);
        }
    }

    #[test]
    fn an_order_is_read_acknowledged_and_kept() {
        let mut orders = Orders::listening_from(Instant::START);
        assert_eq!(orders.due(Instant::START), Some(OrderErrand::Watch));
        orders.listen_at = None;
        assert_eq!(orders.due(Instant::START), None);
        orders.handle_hint();
        assert_eq!(orders.due(Instant::START), Some(OrderErrand::Read));
        orders.next = None;
        orders.handle_answer(OrderErrand::Read, &Ok(Reply::Value(b"poweroff")));
        assert_eq!(orders.due(Instant::START), Some(OrderErrand::Acknowledge));
        assert_eq!(orders.order, Some(Order::PowerOff));
    }

    #[test]
    fn before_a_suspension_only_the_acknowledgement_goes_out() {
        let mut orders = Orders::NONE;
        orders.handle_answer(OrderErrand::Read, &Ok(Reply::Value(b"suspend")));
        assert!(orders.hold_still());
        orders.handle_hint();
        assert_eq!(orders.due(Instant::START), Some(OrderErrand::Acknowledge));
        orders.next = None;
        orders.handle_hint(); // Of the acknowledgement itself.
        assert_eq!(orders.due(Instant::START), None);
        assert!(!orders.is_waiting());
        assert_eq!(orders.order.take(), Some(Order::Suspend));
        assert_eq!(orders.due(Instant::START), Some(OrderErrand::Read));
    }

    #[test]
    fn a_refused_watch_is_asked_for_again() {
        let mut orders = Orders::listening_from(Instant::START);
        orders.listen_at = None;
        orders.handle_watch_refused(Instant::START);
        assert_eq!(orders.due(Instant::START), None);
        let later = Instant::START.after(BEAT.times(INTRODUCTION_BEATS));
        assert_eq!(orders.due(later), Some(OrderErrand::Watch));
    }

    #[test]
    fn nothing_there_is_no_order() {
        let mut orders = Orders::NONE;
        orders.handle_answer(OrderErrand::Read, &Ok(Reply::Value(b"")));
        assert_eq!((orders.order, orders.next), (None, None));
    }
}
