//! The judge: it knows what the guarantees say and nothing of how the code keeps them.
//!
//! It hears what each side's *user* does and is told, keeps its own books by session, and panics
//! with the number of the guarantee that was broken. It shares no line with `channel/`: sessions
//! are pairs of epochs as the users were told, messages are numbers.

use std::collections::{BTreeSet, VecDeque};

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end in the frontend's domain.
    Front,
    /// The end in the backend's domain.
    Back,
}

impl Side {
    /// The other end.
    pub const fn other(self) -> Side {
        match self {
            Side::Front => Side::Back,
            Side::Back => Side::Front,
        }
    }

    const fn index(self) -> usize {
        match self {
            Side::Front => 0,
            Side::Back => 1,
        }
    }
}

/// A message, by its number on its link; never the same twice.
pub type Message = u32;

/// What one side has done in a session.
#[derive(Clone, Debug, Default)]
struct Part {
    /// It was up in this session.
    was_up: bool,
    /// It is no longer.
    ended: bool,
    sent: Vec<Message>,
    delivered: usize,
}

/// A session: a pair of epochs.
#[derive(Clone, Debug)]
struct Session {
    number: u64,
    epochs: [u128; 2],
    parts: [Part; 2],
}

/// What a snapshot of one side's domain needs.
#[derive(Clone, Debug)]
pub struct Saved {
    present: Present,
    session: Option<Session>,
}

/// What one side is in.
#[derive(Clone, Debug, Default)]
struct Present {
    /// The number of its session, while up.
    session: Option<u64>,
    /// Messages that must still be handed back as unknown.
    owed: VecDeque<Message>,
    /// Connection in use by the user.
    connection: Option<u32>,
    /// The highest connection number of this session.
    last_connection: u32,
    /// What is told until the next session stems from one with a liar, and is not judged.
    unjudged: bool,
}

#[derive(Clone, Debug, Default)]
struct Book {
    sessions: VecDeque<Session>,
    presents: [Present; 2],
    next_message: Message,
    next_session: u64,
    /// One of its ends lies: nothing that it delivers is judged.
    distrusted: bool,
    /// Connections that the front has fenced, by its epoch and number; the last few.
    fenced: VecDeque<(u128, u32)>,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sessions begun, counted at each side.
    pub ups: u64,
    /// Sessions ended while the side lived.
    pub downs: u64,
    /// Messages accepted from users.
    pub sent: u64,
    /// Messages given to users.
    pub delivered: u64,
    /// Messages handed back.
    pub unknown: u64,
    /// Connections seen by users, each side.
    pub connections: u64,
    /// Stream bytes checked.
    pub stream_bytes: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Tally) {
        self.ups += other.ups;
        self.downs += other.downs;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.unknown += other.unknown;
        self.connections += other.connections;
        self.stream_bytes += other.stream_bytes;
    }
}

/// The books of all links.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    books: Vec<Book>,
    tally: Tally,
    /// Every epoch that an honest domain has drawn.
    honest: BTreeSet<u128>,
    /// Whether there has been a liar.
    liars: bool,
    /// Nothing happens that could end a session.
    calm: bool,
    /// But that of these links.
    troubled: BTreeSet<usize>,
    /// Ends that were told that the daemon refused them something for want of quota.
    over_quota: Vec<(usize, Side)>,
}

/// Sessions kept: what a late side may still come up in. More than a side can be late for, since
/// each end has one epoch at a time.
const SESSIONS_KEPT: usize = 8;

/// Fenced connections kept: a back has one at a time, so the last one would do.
const FENCED_KEPT: usize = 4;

impl Oracle {
    /// Books for so many links.
    pub fn new(links: usize) -> Self {
        Oracle { books: vec![Book::default(); links], ..Oracle::default() }
    }

    /// An honest domain has drawn an epoch.
    pub fn drawn(&mut self, epoch: u128) {
        let new = self.honest.insert(epoch);
        assert!(new, "an epoch was drawn twice");
    }

    /// One end of a link lies from now on.
    pub fn distrust(&mut self, link: usize) {
        self.liars = true;
        self.books[link].distrusted = true;
    }

    /// Both ends of a link are honest from now on, and judged from their next session on.
    pub fn trust(&mut self, link: usize) {
        let book = &mut self.books[link];
        if core::mem::take(&mut book.distrusted) {
            book.sessions.clear();
            for present in &mut book.presents {
                *present = Present { unjudged: true, ..Present::default() };
            }
        }
    }

    /// Whether what a side is told is judged.
    pub fn is_judged(&self, link: usize, side: Side) -> bool {
        let book = &self.books[link];
        !book.distrusted && !book.presents[side.index()].unjudged
    }

    /// A side was told that it is up.
    pub fn up(&mut self, link: usize, side: Side, own: u128, peer: u128) {
        self.tally.ups += 1;
        let book = &mut self.books[link];
        if book.distrusted {
            return;
        }
        if !self.honest.contains(&peer) {
            // What a liar has left in a mailbox may be read long after it is gone.
            assert!(self.liars, "G2: up with an epoch that nobody drew");
            book.presents[side.index()] = Present { unjudged: true, ..Present::default() };
            return;
        }
        let present = &mut book.presents[side.index()];
        assert!(present.session.is_none(), "G3: up twice without a down");
        assert!(present.owed.is_empty(), "G3: up before every unknown message was handed back");
        let mut epochs = [own; 2];
        epochs[side.other().index()] = peer;
        let known = book.sessions.iter().position(|session| session.epochs == epochs);
        let at = known.unwrap_or_else(|| {
            let number = book.next_session;
            book.next_session += 1;
            let session = Session { number, epochs, parts: Default::default() };
            book.sessions.push_back(session);
            book.sessions.len() - 1
        });
        for other in &book.sessions {
            let part = &other.parts[side.index()];
            let same = other.epochs[side.index()] == own && part.was_up;
            assert!(!same, "G2: an epoch was up in two sessions, or in one twice");
        }
        let session = &mut book.sessions[at];
        session.parts[side.index()].was_up = true;
        let present = &mut book.presents[side.index()];
        *present = Present { session: Some(session.number), ..Present::default() };
        book.forget_old();
    }

    /// From now on nothing happens that could end a session, or it may again.
    pub fn set_calm(&mut self, calm: bool) {
        self.calm = calm;
    }

    /// From now on sessions of this link may end even while all is calm.
    pub fn expect_trouble(&mut self, link: usize) {
        self.troubled.insert(link);
    }

    /// The daemon refused an end something for want of quota.
    pub fn over_quota(&mut self, link: usize, side: Side) {
        self.over_quota.push((link, side));
    }

    /// Takes the ends that were told so.
    pub fn take_over_quota(&mut self) -> Vec<(usize, Side)> {
        core::mem::take(&mut self.over_quota)
    }

    /// A side was told that its session ended, and that so many messages are unknown. `breach` if
    /// the reason given is the peer's breach of the protocol.
    pub fn down(&mut self, link: usize, side: Side, unknown: usize, breach: bool) {
        if !self.is_judged(link, side) {
            return;
        }
        assert!(
            !self.calm || self.troubled.contains(&link),
            "G5: a session ended, and nobody has died, hung or been introduced anew"
        );
        assert!(!breach, "an honest peer was found to break the protocol");
        self.tally.downs += 1;
        let book = &mut self.books[link];
        let session = book.presents[side.index()].session.take();
        let session = book.session(session.expect("G3: down without an up"));
        let part = &mut session.parts[side.index()];
        part.ended = true;
        let sent = part.sent.len();
        assert!(unknown <= sent, "G3: more messages unknown than were sent");
        let acknowledged = sent - unknown;
        let owed: VecDeque<Message> = part.sent[acknowledged..].iter().copied().collect();
        let delivered = session.parts[side.other().index()].delivered;
        assert!(
            acknowledged <= delivered,
            "G3: {acknowledged} messages count as delivered, the peer was given {delivered}"
        );
        book.presents[side.index()] = Present { owed, ..Present::default() };
    }

    /// A side was handed a message back.
    pub fn unknown(&mut self, link: usize, side: Side, message: Message) {
        if !self.is_judged(link, side) {
            return;
        }
        self.tally.unknown += 1;
        let owed = self.books[link].presents[side.index()].owed.pop_front();
        assert!(owed == Some(message), "G3: {message} handed back, {owed:?} was due");
    }

    /// A side's user wants to send; the message's number. Nothing happens unless it is
    /// [`Oracle::sent`].
    pub fn next_message(&self, link: usize) -> Message {
        self.books[link].next_message
    }

    /// The channel has taken the message.
    pub fn sent(&mut self, link: usize, side: Side) {
        let judged = self.is_judged(link, side);
        let book = &mut self.books[link];
        let message = book.next_message;
        book.next_message += 1;
        if !judged {
            return;
        }
        self.tally.sent += 1;
        let session = book.presents[side.index()].session;
        let session = book.session(session.expect("G3: a message was taken while not up"));
        session.parts[side.index()].sent.push(message);
    }

    /// A side's user was given a message.
    pub fn delivered(&mut self, link: usize, side: Side, message: Message) {
        if !self.is_judged(link, side) {
            return;
        }
        self.tally.delivered += 1;
        let book = &mut self.books[link];
        let session = book.presents[side.index()].session;
        let session = book.session(session.expect("G2: a message was delivered while not up"));
        let at = session.parts[side.index()].delivered;
        let due = session.parts[side.other().index()].sent.get(at).copied();
        assert!(
            due == Some(message),
            "G1/G2: message {message} was delivered, number {at} of the session is {due:?}"
        );
        session.parts[side.index()].delivered += 1;
    }

    /// A side's user was told that a connection is there.
    pub fn connected(&mut self, link: usize, side: Side, number: u32) {
        if !self.is_judged(link, side) {
            return;
        }
        self.tally.connections += 1;
        let present = &mut self.books[link].presents[side.index()];
        assert!(present.session.is_some(), "a connection without a session");
        assert!(present.connection.is_none(), "a connection while another is there");
        assert!(number > present.last_connection, "connection numbers go up");
        present.connection = Some(number);
        present.last_connection = number;
    }

    /// A side's user was told that a connection is gone.
    pub fn disconnected(&mut self, link: usize, side: Side, number: u32) {
        if !self.is_judged(link, side) {
            return;
        }
        let present = &mut self.books[link].presents[side.index()];
        // A connection may be given up before it was there.
        assert!(
            present.connection.is_none() || present.connection == Some(number),
            "connection {number} ended, {:?} was there",
            present.connection
        );
        present.connection = None;
    }

    /// Stream bytes were read and found right.
    pub fn stream_bytes(&mut self, count: usize) {
        self.tally.stream_bytes += count as u64;
    }

    /// A front has fenced a connection.
    pub fn fenced(&mut self, link: usize, terms: (u128, u32)) {
        let fenced = &mut self.books[link].fenced;
        fenced.push_back(terms);
        if fenced.len() > FENCED_KEPT {
            fenced.pop_front();
        }
    }

    /// A back has begun and ended a unit of work on a connection, by the front's epoch and number.
    /// Nothing happens between a look at the fence and the unit here, so not one is allowed
    /// (invariant I2).
    pub fn served(&self, link: usize, terms: (u128, u32)) {
        let fenced = self.books[link].fenced.contains(&terms);
        assert!(!fenced, "I2: a unit of work was done behind the fence");
    }

    /// A side's domain died: nobody is told anything there any more.
    pub fn died(&mut self, link: usize, side: Side) {
        let book = &mut self.books[link];
        if let Some(session) = book.presents[side.index()].session.take() {
            book.session(session).parts[side.index()].ended = true;
        }
        book.presents[side.index()] = Present::default();
    }

    /// What a side is in, for a snapshot of its domain.
    pub fn save(&self, link: usize, side: Side) -> Saved {
        let book = &self.books[link];
        let present = book.presents[side.index()].clone();
        let same = |session: &&Session| Some(session.number) == present.session;
        Saved { session: book.sessions.iter().find(same).cloned(), present }
    }

    /// A side's domain goes on from a snapshot: its user is where it was then.
    pub fn restore(&mut self, link: usize, side: Side, saved: Saved) {
        let book = &mut self.books[link];
        book.presents[side.index()] = saved.present;
        if let Some(session) = saved.session
            && book.sessions.iter().all(|kept| kept.number != session.number)
        {
            book.sessions.push_front(session);
        }
    }

    /// Whether a side is up.
    pub fn is_up(&self, link: usize, side: Side) -> bool {
        self.books[link].presents[side.index()].session.is_some()
    }

    /// Whether both sides of a link are up, and in the same session.
    pub fn is_joined(&self, link: usize) -> bool {
        let presents = &self.books[link].presents;
        presents[0].session.is_some() && presents[0].session == presents[1].session
    }

    /// Whether both users have the connection.
    pub fn is_connected(&self, link: usize, side: Side) -> bool {
        self.books[link].presents[side.index()].connection.is_some()
    }

    /// Whether everything that either side has sent in the present session was delivered.
    pub fn is_all_delivered(&self, link: usize) -> bool {
        let book = &self.books[link];
        let present = |session: &&Session| {
            book.presents.iter().any(|present| present.session == Some(session.number))
        };
        book.sessions.iter().filter(present).all(|session| {
            let [front, back] = &session.parts;
            front.sent.len() == back.delivered && back.sent.len() == front.delivered
        })
    }

    /// What happened so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Book {
    fn session(&mut self, number: u64) -> &mut Session {
        let mut sessions = self.sessions.iter_mut().rev();
        sessions.find(|session| session.number == number).expect("a present session is kept")
    }

    fn forget_old(&mut self) {
        while self.sessions.len() > SESSIONS_KEPT {
            let present = |session: &Session| {
                self.presents.iter().any(|present| present.session == Some(session.number))
            };
            let Some(old) = self.sessions.iter().position(|session| !present(session)) else {
                return;
            };
            self.sessions.remove(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined() -> Oracle {
        let mut oracle = Oracle::new(1);
        (1..=9).for_each(|epoch| oracle.drawn(epoch));
        oracle.up(0, Side::Front, 1, 2);
        oracle.up(0, Side::Back, 2, 1);
        oracle
    }

    fn send(oracle: &mut Oracle, side: Side) -> Message {
        let message = oracle.next_message(0);
        oracle.sent(0, side);
        message
    }

    #[test]
    fn messages_in_order_and_an_honest_down_are_fine() {
        let mut oracle = joined();
        let one = send(&mut oracle, Side::Front);
        let two = send(&mut oracle, Side::Front);
        oracle.delivered(0, Side::Back, one);
        assert!(!oracle.is_all_delivered(0));
        oracle.down(0, Side::Front, 1, false);
        oracle.unknown(0, Side::Front, two);
        assert_eq!(oracle.tally().unknown, 1);
    }

    #[test]
    #[should_panic(expected = "G1")]
    fn a_message_delivered_twice_is_noticed() {
        let mut oracle = joined();
        let one = send(&mut oracle, Side::Front);
        oracle.delivered(0, Side::Back, one);
        oracle.delivered(0, Side::Back, one);
    }

    #[test]
    #[should_panic(expected = "G2")]
    fn a_message_of_another_session_is_noticed() {
        let mut oracle = joined();
        let one = send(&mut oracle, Side::Front);
        oracle.down(0, Side::Back, 0, false);
        oracle.up(0, Side::Back, 3, 1);
        oracle.delivered(0, Side::Back, one);
    }

    #[test]
    #[should_panic(expected = "G2")]
    fn an_epoch_that_comes_up_again_is_noticed() {
        let mut oracle = joined();
        oracle.down(0, Side::Back, 0, false);
        oracle.up(0, Side::Back, 2, 5);
    }

    #[test]
    #[should_panic(expected = "G3")]
    fn a_message_that_counts_as_delivered_but_was_not_is_noticed() {
        let mut oracle = joined();
        send(&mut oracle, Side::Front);
        oracle.down(0, Side::Front, 0, false);
    }

    #[test]
    #[should_panic(expected = "G3")]
    fn an_unknown_message_that_is_kept_back_is_noticed() {
        let mut oracle = joined();
        send(&mut oracle, Side::Front);
        oracle.down(0, Side::Front, 1, false);
        oracle.up(0, Side::Front, 7, 2);
    }
}
