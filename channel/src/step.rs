//! The named steps of a link. The link reports each completed step to the platform. Images can stop
//! or pause at a step (`stop_at=`, `pause_at=`), and the simulator crashes domains there, so that
//! tests cover the death of a domain at every step.

use xenbus::words::position;

/// A step that a link has completed, in protocol order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Either side: the channel is up.
    Up,
    /// Front: pages granted, port allocated, CONNECT not yet sent.
    Prepared,
    /// Front: CONNECT is in the queue.
    ConnectSent,
    /// Front: the stamp or CONNECTED was received.
    Connected,
    /// Front: DISCONNECT is in the queue.
    DisconnectSent,
    /// Front: grants ended or quarantined, port closed.
    Released,
    /// Back: CONNECT was read.
    Got,
    /// Back: the pages are mapped; nothing is written yet.
    Mapped,
    /// Back: the header is verified.
    Verified,
    /// Back: port bound, stamp written, CONNECTED not yet sent.
    Stamped,
    /// Back: CONNECTED is in the queue.
    Serving,
    /// Back: pages unmapped, port closed, nothing sent yet.
    Unmapped,
    /// Back: DISCONNECTED is in the queue.
    DisconnectedSent,
    /// Image: half of the bytes of a connection are transferred.
    Streaming,
    /// Image: all cycles are done and all resources released.
    Finished,
}

xenbus::words! {
    Step,
    /// The name used on the command line and the console.
    fn word {
        Up => "up",
        Prepared => "prepared",
        ConnectSent => "connect-sent",
        Connected => "connected",
        DisconnectSent => "disconnect-sent",
        Released => "released",
        Got => "got",
        Mapped => "mapped",
        Verified => "verified",
        Stamped => "stamped",
        Serving => "serving",
        Unmapped => "unmapped",
        DisconnectedSent => "disconnected-sent",
        Streaming => "streaming",
        Finished => "finished",
    }
}

impl Step {
    /// Returns the step with this name.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        Self::ALL.get(position(Self::WORDS, word)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn every_step_is_found_by_its_word() {
        for step in Step::ALL {
            assert_eq!(Step::from_word(step.word().as_bytes()), Some(step));
        }
        assert_eq!(Step::from_word(b"nowhere"), None);
    }
}
