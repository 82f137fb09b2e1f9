//! Slips: mistakes that an implementation of docs/protocol.md might make, each made here on purpose
//! when a test chooses it, so that the simulator can be seen to find it.
//!
//! Without the feature `slips`, which no image enables, `slip` is a constant `false` and nothing of
//! this is in the program.

/// A mistake. What finds it is in `tests/src/sim/mutants.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Slip {
    /// S8: an acknowledgement is taken for one more than it says.
    AckOffByOne = 1,
    /// S8: a message that was delivered is delivered again as long as it is in the register.
    Redelivery,
    /// S3: the first number is kept in eight bits.
    FirstWraps,
    /// S6, S9: a register is taken whomever it is addressed to.
    EchoNotRequired,
    /// S4: a new from-epoch draws a new epoch, though not up.
    RedrawsOnNews,
    /// Down: the epoch is kept.
    EpochKept,
    /// Down: what is unacknowledged is forgotten.
    UnknownForgotten,
    /// The answer to a WRITE counts for a later life too.
    OldAnswerCounts,
    /// S8: every register of the session is answered.
    AnswersAll,
    /// S1': the first introduction holds for ever.
    OnePeerForEver,
    /// S2: permissions are not set again.
    PermitOnce,
    /// S2: hello is said once.
    HelloOnce,
    /// S2': only events lead to a READ.
    EventsOnly,
    /// S2': no beat while up.
    SilentWhileUp,
    /// Any READ without a beat is a miss, however soon after the last one.
    MissWithoutPeriod,
    /// Time alone is a miss, though xenstored has not answered.
    MissWithoutAnswer,
    /// The quarantine is never tried again.
    QuarantineForgotten,
    /// C1: every connection has the number 1.
    NumberReused,
    /// C4: released once DISCONNECT is said.
    ReleasedEarly,
    /// D4: stamped before it is bound.
    StampBeforeBind,
}

/// Whether this mistake is to be made.
#[cfg(not(feature = "slips"))]
pub(crate) const fn slip(_slip: Slip) -> bool {
    false
}

#[cfg(feature = "slips")]
static CHOSEN: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// Whether this mistake is to be made.
#[cfg(feature = "slips")]
pub(crate) fn slip(slip: Slip) -> bool {
    CHOSEN.load(core::sync::atomic::Ordering::Relaxed) == slip as u8
}

/// Whether the process makes this mistake.
#[cfg(feature = "slips")]
pub fn chosen(which: Slip) -> bool {
    slip(which)
}

/// Has the whole process make a mistake, or none: a program chooses before it starts its worlds.
#[cfg(feature = "slips")]
pub fn choose(slip: Option<Slip>) {
    let number = slip.map_or(0, |slip| slip as u8);
    CHOSEN.store(number, core::sync::atomic::Ordering::Relaxed);
}
