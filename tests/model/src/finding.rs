//! What a search can find wrong, in one world by itself or in the graph of all.

/// Why a world must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Guarantee 1 or 2: a message that is not the next one of this very session.
    Delivered(String),
    /// Guarantee 3: two ups or two downs in a row.
    Alternation,
    /// What was handed back is not what was unacknowledged.
    HandedBack,
    /// Acknowledged before it was delivered.
    Acknowledged,
    /// A new session began in an epoch that has had one.
    EpochUsedTwice,
    /// Two ends that both keep to the rules accuse each other of breaking them.
    Breach(String),
    /// A side took its session for over because of its port, its page or Xen, and the other side is
    /// still in that very session.
    EndedWithoutCause(String),
    /// Invariant I1: a page was freed, or given to somebody else, while a domain maps it.
    FreedWhileMapped,
    /// The back wrote into a page that is not its connection's.
    WroteElsewhere,
    /// Invariant I2: the back touched a page that it does not map, or has answered for.
    TouchedUnmapped,
    /// Invariant I2: more units of work after the fence than the one that was accepted before.
    WorkedAfterFence,
    /// The front prepared a connection, and its domain still held the pages of an earlier one.
    GrantsForgotten,
    /// The back mapped a page, and its domain still held the mapping of an earlier connection.
    MappingForgotten,
    /// A connection's terminal answer came, and its back still maps the page.
    AnsweredWhileMapped,
    /// A connection word found no room among the unacknowledged ones: three must do.
    WindowFull,
}

/// What the search has found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A step led to what must not be.
    Unsafe(Wrong),
    /// An assertion of the machine failed.
    Panicked,
    /// From here no faultless way leads to a good end.
    Stuck,
    /// Without time passing there is a way back here, and it writes.
    WritesForEver,
}
