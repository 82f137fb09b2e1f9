//! Event channels: ports, pending bits, and the silences of Xen.
//!
//! A bind leaves its own port pending for nothing; the other end of a closed port becomes unbound
//! without a word; a send to nobody succeeds. Xenstore's own port is not here: the world carries
//! its events.

use super::port::{Port, PortEnd};
use super::{Being, Life, State, Xen};

/// What EVTCHNOP_status says of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortInfo {
    /// No such port.
    Closed,
    /// Nobody at the other end, or nobody any more.
    Unbound,
    /// Bound to another domain's port.
    Interdomain,
}

/// An event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The port is not bound. Xen says so for a port that never was bound, or lost its end.
    NotBound,
}

/// A bind was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// No free port.
    NoPorts,
    /// No such domain, no such port, or not for us.
    Refused,
}

impl Xen {
    /// EVTCHNOP_alloc_unbound for `domid`. `None`: no port is free.
    pub fn allocate_port(&self, life: Life, domid: u16) -> Option<u32> {
        let mut state = self.0.borrow_mut();
        let port = state.free_port(life)?;
        *state.port(life, port) = Port { end: PortEnd::Unbound { domid }, pending: false };
        Some(port)
    }

    /// EVTCHNOP_bind_interdomain. The own port is pending afterwards, for nothing.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(&self, life: Life, peer: u16, remote: u32) -> Result<u32, BindError> {
        let mut state = self.0.borrow_mut();
        let own = state.domains[life.0].domid;
        let other = state.alive(peer).ok_or(BindError::Refused)?;
        if remote == 0 || remote as usize >= state.sizes.ports {
            return Err(BindError::Refused);
        }
        if state.port(other, remote).end != (PortEnd::Unbound { domid: own }) {
            return Err(BindError::Refused);
        }
        let port = state.free_port(life).ok_or(BindError::NoPorts)?;
        *state.port(life, port) =
            Port { end: PortEnd::Bound { life: other, port: remote }, pending: false };
        state.port(other, remote).end = PortEnd::Bound { life, port };
        state.counts.spurious_binds += 1;
        state.ring(life, port);
        Ok(port)
    }

    /// EVTCHNOP_send.
    ///
    /// # Errors
    /// [`SendError`]; to a bound port whose other end is dying it succeeds and does nothing.
    pub fn send(&self, life: Life, port: u32) -> Result<(), SendError> {
        let mut state = self.0.borrow_mut();
        match state.port(life, port).end {
            PortEnd::Bound { life: other, port } => {
                state.ring(other, port);
                Ok(())
            }
            PortEnd::Unbound { .. } => {
                // Xen: "silently drop the notification" (xen/common/event_channel.c, evtchn_send).
                state.counts.sends_to_nobody += 1;
                Ok(())
            }
            PortEnd::Closed => Err(SendError::NotBound),
        }
    }

    /// EVTCHNOP_close.
    pub fn close_port(&self, life: Life, port: u32) {
        self.0.borrow_mut().close(life, port);
    }

    /// EVTCHNOP_status of an own port.
    pub fn port_info(&self, life: Life, port: u32) -> PortInfo {
        match self.0.borrow_mut().port(life, port).end {
            PortEnd::Closed => PortInfo::Closed,
            PortEnd::Unbound { .. } => PortInfo::Unbound,
            PortEnd::Bound { .. } => PortInfo::Interdomain,
        }
    }

    /// EVTCHNOP_status of (`domid`, ~0): whether it is not -ESRCH. A dead domain whose pages
    /// somebody maps still exists.
    pub fn exists(&self, domid: u16) -> bool {
        domid == 0 || self.0.borrow().present(domid).is_some()
    }

    /// Takes the pending bit of a port.
    pub fn take_pending(&self, life: Life, port: u32) -> bool {
        core::mem::take(&mut self.0.borrow_mut().port(life, port).pending)
    }

    /// Sets the pending bit of every open port of a domain, for nothing.
    pub fn ring_spuriously(&self, life: Life) {
        let mut state = self.0.borrow_mut();
        for port in 1..state.sizes.ports as u32 {
            if state.port(life, port).is_open() {
                state.ring(life, port);
            }
        }
    }
}

impl State {
    fn port(&mut self, life: Life, port: u32) -> &mut Port {
        &mut self.domains[life.0].ports[port as usize]
    }

    fn free_port(&mut self, life: Life) -> Option<u32> {
        assert!(self.domains[life.0].being == Being::Alive, "a dead domain opens a port");
        let ports = &self.domains[life.0].ports;
        let free = ports.iter().skip(1).position(|port| !port.is_open())?;
        Some(free as u32 + 1)
    }

    fn ring(&mut self, life: Life, port: u32) {
        if self.domains[life.0].being == Being::Alive {
            self.port(life, port).pending = true;
            if !self.rung.contains(&life) {
                self.rung.push(life);
            }
        }
    }

    /// Closes a port; the other end, if any, is open for the same domain again and told nothing.
    pub(super) fn close(&mut self, life: Life, port: u32) {
        let own = self.domains[life.0].domid;
        let closed = core::mem::replace(self.port(life, port), Port::CLOSED);
        if let PortEnd::Bound { life: other, port } = closed.end {
            self.port(other, port).end = PortEnd::Unbound { domid: own };
            self.counts.silent_closes += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;

    #[test]
    fn a_bind_rings_for_nothing_and_a_close_says_nothing() {
        let xen = Xen::new(Sizes::FEW);
        let (front, back) = (xen.create(1), xen.create(2));
        let offered = xen.allocate_port(front, 2).expect("free");
        assert_eq!(xen.bind(back, 1, offered + 1), Err(BindError::Refused));
        let bound = xen.bind(back, 1, offered).expect("open for it");
        assert!(xen.take_pending(back, bound));
        assert_eq!(xen.port_info(front, offered), PortInfo::Interdomain);
        xen.send(back, bound).expect("bound");
        assert!(xen.take_pending(front, offered));
        xen.close_port(back, bound);
        assert!(!xen.take_pending(front, offered));
        assert_eq!(xen.port_info(front, offered), PortInfo::Unbound);
        assert_eq!(xen.send(front, offered), Ok(()), "dropped silently");
        assert_eq!(xen.bind(back, 1, offered), Ok(bound), "the same domain may bind again");
    }

    #[test]
    fn a_reused_number_may_take_up_a_port_that_was_left_open() {
        let xen = Xen::new(Sizes::FEW);
        let (front, back) = (xen.create(1), xen.create(2));
        let offered = xen.allocate_port(front, 2).expect("free");
        xen.bind(back, 1, offered).expect("open for it");
        xen.destroy(back);
        assert!(xen.exists(2), "until Xen has finished with it");
        xen.finish(back);
        assert!(!xen.exists(2));
        let again = xen.create(2);
        assert!(xen.bind(again, 1, offered).is_ok());
    }
}
