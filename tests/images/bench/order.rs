//! What the front asks of the back over a connection: 16 bytes before the data.

/// What the back is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Send back what comes: `count` messages of `size` bytes.
    Echo,
    /// Answer `count` events by an event each, and touch no ring.
    Ping,
    /// Take in `count` messages of `size` bytes and answer by how many events it cost the back.
    Sink,
}

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) size: u32,
    pub(crate) count: u32,
}

/// Bytes of an order.
pub(crate) const ORDER_BYTES: usize = 16;

impl Order {
    /// As it goes over the ring.
    pub(crate) fn bytes(&self) -> [u8; ORDER_BYTES] {
        let kind: u32 = match self.kind {
            Kind::Echo => 1,
            Kind::Ping => 2,
            Kind::Sink => 3,
        };
        let mut bytes = [0; ORDER_BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// Undoes [`Self::bytes`]; `None` where there is no such order.
    pub(crate) fn parse(bytes: &[u8; ORDER_BYTES]) -> Option<Order> {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let kind = match word(0) {
            1 => Kind::Echo,
            2 => Kind::Ping,
            3 => Kind::Sink,
            _ => return None,
        };
        Some(Order { kind, size: word(4), count: word(8) })
    }

    /// Bytes that follow it.
    pub(crate) fn payload(&self) -> u64 {
        match self.kind {
            Kind::Echo | Kind::Sink => u64::from(self.size) * u64::from(self.count),
            Kind::Ping => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Order};

    #[test]
    fn what_is_sent_is_what_is_read() {
        for kind in [Kind::Echo, Kind::Ping, Kind::Sink] {
            let order = Order { kind, size: 65_536, count: 7 };
            assert_eq!(Order::parse(&order.bytes()), Some(order));
        }
        assert_eq!(Order::parse(&[9; 16]), None);
    }
}
