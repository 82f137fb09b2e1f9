//! The named steps of a link's life, told to the platform as each is reached. Images stop or pause
//! at them on request (`stop_at=`, `pause_at=`), and the simulator crashes a domain there, so that
//! every step of the protocol has been the last one of some domain.

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

impl Step {
    /// The word that the command line and the console use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Prepared => "prepared",
            Self::ConnectSent => "connect-sent",
            Self::Connected => "connected",
            Self::DisconnectSent => "disconnect-sent",
            Self::Released => "released",
            Self::Got => "got",
            Self::Mapped => "mapped",
            Self::Verified => "verified",
            Self::Stamped => "stamped",
            Self::Serving => "serving",
            Self::Unmapped => "unmapped",
            Self::DisconnectedSent => "disconnected-sent",
            Self::Streaming => "streaming",
            Self::Finished => "finished",
        }
    }

    /// The step with this word.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.word().as_bytes() == word)
    }

    /// All steps.
    pub const ALL: [Self; 15] = [
        Self::Up,
        Self::Prepared,
        Self::ConnectSent,
        Self::Connected,
        Self::DisconnectSent,
        Self::Released,
        Self::Got,
        Self::Mapped,
        Self::Verified,
        Self::Stamped,
        Self::Serving,
        Self::Unmapped,
        Self::DisconnectedSent,
        Self::Streaming,
        Self::Finished,
    ];
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
