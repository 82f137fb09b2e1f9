//! The requests in flight: a fixed table with linear search, which is fastest for sixteen entries.

use crate::request::RequestKind;

/// Most requests in flight. C xenstored silently stops reading from a domain with 20 outstanding
/// requests; four fewer leave space for requests whose events other domains have not yet consumed.
pub const IN_FLIGHT_MAX: usize = 16;

/// Id of a request in flight. Never zero, which is the id of events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId(u32);

impl RequestId {
    /// The id on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A request in flight. All zeros when free.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// 0 if the slot is free.
    id: u32,
    kind: RequestKind,
}

impl Slot {
    const FREE: Slot = Slot { id: 0, kind: RequestKind::Read };
}

/// All requests in flight.
#[derive(Clone, Debug)]
pub(crate) struct Slots([Slot; IN_FLIGHT_MAX]);

impl Slots {
    /// No request in flight.
    pub(crate) const fn new() -> Slots {
        Slots([Slot::FREE; IN_FLIGHT_MAX])
    }

    /// Number of requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.iter().filter(|slot| slot.id != 0).count()
    }

    /// The first id from `wanted` on that is neither zero nor in flight. There are more ids than
    /// slots, so the search ends.
    pub(crate) fn unused_id(&self, wanted: u32) -> RequestId {
        let mut id = wanted;
        while id == 0 || self.0.iter().any(|slot| slot.id == id) {
            id = id.wrapping_add(1);
        }
        RequestId(id)
    }

    /// Puts a request into a free slot. There must be one.
    pub(crate) fn occupy(&mut self, id: RequestId, kind: RequestKind) {
        assert!(id.0 != 0);
        let free = self.0.iter_mut().find(|slot| slot.id == 0);
        assert!(free.is_some());
        if let Some(slot) = free {
            *slot = Slot { id: id.0, kind };
        }
    }

    /// Removes and returns the request with this id, if there is one.
    pub(crate) fn release(&mut self, id: u32) -> Option<(RequestId, RequestKind)> {
        let slot = self.0.iter_mut().find(|slot| slot.id != 0 && slot.id == id)?;
        let Slot { id, kind } = core::mem::replace(slot, Slot::FREE);
        Some((RequestId(id), kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_neither_zero_nor_under_way() {
        let mut slots = Slots::new();
        assert_eq!(slots.unused_id(0), RequestId(1), "zero is for events");
        for id in [u32::MAX, 1, 2] {
            slots.occupy(RequestId(id), RequestKind::Read);
        }
        assert_eq!(slots.unused_id(1), RequestId(3));
        assert_eq!(slots.unused_id(u32::MAX), RequestId(3), "ids wrap");
        assert_eq!(slots.release(2), Some((RequestId(2), RequestKind::Read)));
        assert_eq!(slots.unused_id(1), RequestId(2));
    }
}
