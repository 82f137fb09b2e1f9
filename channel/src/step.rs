//! The named steps of a link's life, told to the platform as each is reached. Images stop or pause
//! at them on request (`stop_at=`, `pause_at=`), and the simulator crashes a domain there, so that
//! every step of the protocol has been the last one of some domain.

use xenbus::words::position;

/// A step that a link has just completed. The order is that of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Either side: the channel is up.
    Up,
    /// Front: pages granted, port allocated, CONNECT not yet sent.
    Prepared,
    /// Front: CONNECT is in the queue.
    ConnectSent,
    /// Front: the stamp or CONNECTED was seen.
    Connected,
    /// Front: DISCONNECT is in the queue.
    DisconnectSent,
    /// Front: grants ended or quarantined, port closed.
    Released,
    /// Back: CONNECT was read.
    Got,
    /// Back: the pages are mapped, nothing was written to them.
    Mapped,
    /// Back: the header was found right.
    Verified,
    /// Back: port bound, stamp written, CONNECTED not yet sent.
    Stamped,
    /// Back: CONNECTED is in the queue.
    Serving,
    /// Back: unmapped, port closed, nothing said yet.
    Unmapped,
    /// Back: DISCONNECTED is in the queue.
    DisconnectedSent,
    /// Image: half of the bytes of a connection have moved.
    Streaming,
    /// Image: all cycles done, everything released.
    Finished,
}

xenbus::words! {
    Step,
    /// The word that the command line and the console use.
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
    /// The step with this word.
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
