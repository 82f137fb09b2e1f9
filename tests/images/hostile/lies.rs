//! The lies, each one kind. What the victim is to make of them is in tests/dom0/scenarios/hostile_checks.sh.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use channel::Role;
use channel::limits::REGISTER_BYTES_MAX;
use channel::register::{Header, Register, Seq};
use grant::PAGE_BYTES;
use grant::layout::{FRONT_WORDS, HEADER_BYTES, Layout};

use super::adversary::{revoke_by_force, scribble as scribble_word};
use super::honest::{LINK, Pair, Problem};

/// Values written into the victim's mailbox.
const GARBAGE: u32 = 64;
/// Nodes made below it.
const CHILDREN: u32 = 25;
/// Events sent for nothing.
const STORM: u32 = 20_000;
/// Times that words of a page are overwritten.
const SCRIBBLES: u32 = 16;
/// Time for the victim to act on what it found.
const REACTION_NS: u64 = 300_000_000;
/// Time in which a victim would show that it acts on what it must not.
const AFTERMATH_NS: u64 = 2_500_000_000;

/// Where the rings' lines begin in the header (docs/protocol.md §9).
const RING_LINES: usize = Layout::of(1).to_back.producer_line;

/// A way of lying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes that are no register, and registers with bytes changed.
    Garbage,
    /// A register that acknowledges what was never sent.
    Ack,
    /// A register that leaves out messages.
    Gap,
    /// A message that is none.
    Message,
    /// CONNECTs with references, ports and sizes that make no sense.
    Connect,
    /// Nodes below the mailbox.
    Children,
    /// The register of a session that is over.
    Stale,
    /// Ring indices from nowhere.
    Indices,
    /// The header overwritten: token, stamp, words.
    Header,
    /// Events without end.
    Storm,
    /// The grants taken away while the victim maps them.
    Revoke,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::Garbage,
        Self::Ack,
        Self::Gap,
        Self::Message,
        Self::Connect,
        Self::Children,
        Self::Stale,
        Self::Indices,
        Self::Header,
        Self::Storm,
        Self::Revoke,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Ack => "ack",
            Self::Gap => "gap",
            Self::Message => "message",
            Self::Connect => "connect",
            Self::Children => "children",
            Self::Stale => "stale",
            Self::Indices => "indices",
            Self::Header => "header",
            Self::Storm => "storm",
            Self::Revoke => "revoke",
        }
    }

    /// Only a front grants pages and asks for connections.
    pub(crate) const fn suits(self, role: Role) -> bool {
        matches!(role, Role::Front) || !matches!(self, Self::Connect | Self::Revoke)
    }
}

/// Meets the victim and tells it one kind of lie. How many there were.
pub(crate) fn tell(pair: &mut Pair, kind: Kind) -> Result<u32, Problem> {
    pair.meet(kind != Kind::Connect)?;
    match kind {
        Kind::Garbage => garbage(pair),
        Kind::Ack => forge(pair, |header| header.ack = Seq(u32::MAX - 5), ""),
        Kind::Gap => forge(pair, |header| header.first = Seq(header.first.0 + 100), ""),
        Kind::Message => forge(pair, |_| {}, " 8:NONSENSE"),
        Kind::Connect => absurd_connects(pair),
        Kind::Children => children(pair),
        Kind::Stale => stale(pair),
        Kind::Indices => scribble(pair, RING_LINES..HEADER_BYTES),
        Kind::Header => scribble(pair, 0..RING_LINES),
        Kind::Storm => storm(pair),
        Kind::Revoke => revoke(pair),
    }
}

fn garbage(pair: &mut Pair) -> Result<u32, Problem> {
    let mut register = vec![0; PAGE_BYTES];
    let length = read(pair, &mut register)?;
    register.truncate(length);
    for number in (0..GARBAGE).rev() {
        let value: Vec<u8> = if number % 2 == 1 && length > 0 {
            let mut changed = register.clone();
            for _ in 0..=pair.chance.below(4) {
                let at = pair.chance.below(length);
                changed[at] = pair.chance.word() as u8;
            }
            changed
        } else {
            let bytes = 1 + pair.chance.below(REGISTER_BYTES_MAX);
            (0..bytes).map(|_| pair.chance.word() as u8).collect()
        };
        write(pair, &value)?;
    }
    pair.keep_still(REACTION_NS);
    Ok(GARBAGE)
}

/// Writes a register of the present session with its header changed, and `messages` after it.
fn forge(
    pair: &mut Pair,
    change: impl FnOnce(&mut Header),
    messages: &str,
) -> Result<u32, Problem> {
    pair.quieten()?;
    let mut header = header(pair)?;
    change(&mut header);
    write_register(pair, header, messages)?;
    pair.keep_still(REACTION_NS);
    Ok(1)
}

fn absurd_connects(pair: &mut Pair) -> Result<u32, Problem> {
    pair.quieten()?;
    let rings = grant::ring_bytes(1);
    let mut header = header(pair)?;
    // Port, ring bytes and references: beyond any table; the toolstack's grant to xenstored; another
    // size than the pages give; a reference again and again.
    let offers = [
        (1, rings, "4294967295"),
        (1, rings, "1"),
        (1, 4096, "8"),
        (u32::MAX, grant::ring_bytes(8), "8,8,8,8,8,8,8,8"),
    ];
    for (index, (port, bytes, refs)) in offers.into_iter().enumerate() {
        let mut text = heapless::String::<128>::new();
        let number = index + 1;
        let mut message = heapless::String::<112>::new();
        // Both fit.
        let _ = write!(message, "CONNECT {number} {port} {bytes} 0 {refs}");
        let _ = write!(text, " {}:{message}", message.len());
        write_register(pair, header, &text)?;
        pair.keep_still(REACTION_NS);
        header.first = header.first.next();
    }
    Ok(offers.len() as u32)
}

fn children(pair: &mut Pair) -> Result<u32, Problem> {
    pair.quieten()?;
    let place = place(pair)?;
    for number in 0..CHILDREN {
        let mut path = heapless::String::<128>::new();
        // It fits.
        let _ = write!(path, "{place}/x{number}/y");
        pair.ask("no node below the mailbox", |store| store.write(&path, b"z"))?;
    }
    pair.keep_still(REACTION_NS);
    Ok(CHILDREN)
}

fn stale(pair: &mut Pair) -> Result<u32, Problem> {
    let mut old = vec![0; PAGE_BYTES];
    let length = read(pair, &mut old)?;
    pair.begin_anew();
    pair.meet(true)?;
    pair.quieten()?;
    write(pair, &old[..length])?;
    pair.keep_still(REACTION_NS);
    Ok(1)
}

fn scribble(pair: &mut Pair, range: core::ops::Range<usize>) -> Result<u32, Problem> {
    let mut words = 0;
    for _ in 0..SCRIBBLES {
        for at in range.clone().step_by(size_of::<u32>()) {
            let value = pair.chance.word();
            words += u32::from(scribble_word(&mut pair.xen, LINK, at, value));
        }
        pair.xen.notify(LINK);
        pair.keep_still(REACTION_NS / u64::from(SCRIBBLES));
    }
    Ok(words)
}

fn storm(pair: &mut Pair) -> Result<u32, Problem> {
    for _ in 0..STORM {
        pair.xen.notify(LINK);
    }
    pair.behave(AFTERMATH_NS)?;
    Ok(STORM)
}

fn revoke(pair: &mut Pair) -> Result<u32, Problem> {
    let revoked = revoke_by_force(&mut pair.xen, LINK);
    // The pages are used as if nobody had them: what the victim sees there is nobody's business.
    for at in (FRONT_WORDS..PAGE_BYTES).step_by(size_of::<u32>()) {
        scribble_word(&mut pair.xen, LINK, at, 0xdead_beef);
    }
    pair.xen.notify(LINK);
    pair.keep_still(REACTION_NS);
    Ok(revoked)
}

/// The header that an honest register would have now.
fn header(pair: &Pair) -> Result<Header, Problem> {
    let endpoint = pair.driver.link(LINK).endpoint();
    Ok(Header {
        from: endpoint.epoch(),
        to: endpoint.peer_epoch(),
        ack: endpoint.delivered(),
        beat: pair.driver.link(LINK).liveness().beat().wrapping_add(1),
        // After what has been written: more may wait for the next honest WRITE.
        first: endpoint.stored().next(),
    })
}

fn write_register(pair: &mut Pair, header: Header, messages: &str) -> Result<(), Problem> {
    let count = u8::from(!messages.is_empty());
    let register = Register { header, count, messages: messages.as_bytes() };
    let mut room = [0; REGISTER_BYTES_MAX];
    let length = register.emit(&mut room);
    write(pair, &room[..length])
}

/// The victim's mailbox.
fn place(pair: &Pair) -> Result<heapless::String<96>, Problem> {
    let peer = pair.peer().ok_or("not introduced")?;
    let mut place = heapless::String::new();
    place.push_str(pair.name.mailbox_of(peer).as_str()).map_err(|_| "a path too long")?;
    Ok(place)
}

fn write(pair: &mut Pair, value: &[u8]) -> Result<(), Problem> {
    pair.quieten()?;
    let place = place(pair)?;
    pair.ask("the mailbox was not written", |store| store.write(&place, value))
}

/// What stands in the victim's mailbox: the last register of ours.
fn read(pair: &mut Pair, into: &mut [u8]) -> Result<usize, Problem> {
    pair.quieten()?;
    let place = place(pair)?;
    pair.ask("the mailbox was not read", |store| Ok(store.read(&place, into)?.len()))
}
