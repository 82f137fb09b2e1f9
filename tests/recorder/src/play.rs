//! Plays steps against a daemon, real or simulated, and says line by line what came of each.
//!
//! One thing at a time: after each step every domain that is awake and has watches asks for something
//! trivial and takes all that comes until the answer. A daemon answers one client in order, so that
//! every event that the step caused is there by then, whatever the timing.

use std::collections::BTreeMap;

use crate::packet::{
    DIRECTORY_PART, ERROR, Packet, READ, RESET_WATCHES, TRANSACTION_START, WATCH, name,
};
use crate::step::{Ask, OVERSIZE_BYTES, ScriptStep, Tx};
use crate::text::escape;

/// How long something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It is bound to come; if it does not, something is broken.
    Sure,
    /// It may fail to come.
    Brief,
}

/// A node that the toolstack made for a new domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeNode {
    /// Below the domain's home; empty for the home itself.
    pub path: String,
    /// As GET_PERMS has it.
    pub permissions: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

impl HomeNode {
    /// The line in a record.
    pub fn line(&self) -> String {
        let path = if self.path.is_empty() { "." } else { &self.path };
        format!("  home {path} {} {}", escape(&self.permissions), escape(&self.value))
    }
}

/// What a script is played on: a daemon and its clients. An error says in words what went wrong, and
/// ends the play.
pub trait ScriptWorld {
    /// Sends bytes as a domain; 0 is the toolstack.
    fn send(&mut self, who: u16, bytes: &[u8]) -> Result<(), String>;
    /// Takes the next message to a domain; none if it does not come in time.
    fn receive(&mut self, who: u16, patience: Patience) -> Result<Option<Packet>, String>;
    /// Lets a domain leave what comes in its ring, or take it again.
    fn sleep(&mut self, who: u16, asleep: bool) -> Result<(), String>;
    /// Makes a domain; what its home has then, parents before children, in the daemon's order.
    fn create(&mut self, who: u16) -> Result<Vec<HomeNode>, String>;
    /// Destroys a domain, as `xl destroy` does.
    fn destroy(&mut self, who: u16) -> Result<(), String>;
    /// Asks for a live update where the daemon is C xenstored.
    fn update(&mut self) -> Result<(), String>;
    /// Lets time pass.
    fn pass(&mut self, seconds: u32) -> Result<(), String>;
}

/// Requests with such numbers are the player's own, and are not told of.
const OWN_REQUESTS: u32 = 0x8000_0000;
/// Requests of a [`ScriptStep::Fill`] that are sent together: fewer than C xenstored lets be
/// outstanding.
const BATCH: u32 = 10;
/// The transaction number that stands for one that could not be started.
const NEVER_STARTED: u32 = 0x7fff_0000;

/// A domain that can ask.
#[derive(Debug, Default)]
struct Client {
    asleep: bool,
    /// It has asked for watches: events may come.
    watches: bool,
    /// The step whose answer has failed to come, and keeps the rest from coming.
    stalled: Option<u32>,
    /// The daemon has given it up.
    dead: bool,
}

/// What has come, and for whom.
type Came = Vec<(u16, Packet)>;

/// Plays a script.
#[derive(Debug)]
pub struct Player<W> {
    /// Where.
    pub world: W,
    clients: BTreeMap<u16, Client>,
    transactions: BTreeMap<(u16, u16), u32>,
    step: u32,
    own: u32,
    came: Came,
    sent: BTreeMap<u32, u32>,
}

impl<W: ScriptWorld> Player<W> {
    /// Before the first step: there is only the toolstack.
    pub fn new(world: W) -> Self {
        Player {
            world,
            clients: BTreeMap::from([(0, Client::default())]),
            transactions: BTreeMap::new(),
            step: 0,
            own: OWN_REQUESTS,
            came: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Does one step; the lines that tell what came of it.
    ///
    /// # Errors
    /// What went wrong with the world, in words.
    pub fn step(&mut self, step: &ScriptStep) -> Result<Vec<String>, String> {
        self.step += 1;
        let mut lines = Vec::new();
        match step {
            ScriptStep::Ask { who, ask, sure } => self.ask(*who, ask, *sure, &mut lines)?,
            ScriptStep::Fill { who, ask, count } => lines.push(self.fill(*who, ask, *count)?),
            ScriptStep::Sleep { who, asleep } => {
                self.world.sleep(*who, *asleep)?;
                self.client(*who).asleep = *asleep;
                if !asleep {
                    self.unstall()?;
                    // Answers wait for it, if no events.
                    self.settle_one(*who)?;
                }
            }
            ScriptStep::Create(who) => {
                lines.extend(self.world.create(*who)?.iter().map(HomeNode::line));
                self.clients.insert(*who, Client::default());
            }
            ScriptStep::Destroy(who) => {
                self.clients.remove(who);
                self.world.destroy(*who)?;
            }
            ScriptStep::Oversize(who) => {
                let packet =
                    Packet { kind: READ, request: self.step, transaction: 0, payload: Vec::new() };
                self.world.send(*who, &packet.announcing(OVERSIZE_BYTES))?;
                self.client(*who).dead = true;
            }
            ScriptStep::Update => self.world.update()?,
            ScriptStep::Pass(seconds) => {
                self.world.pass(*seconds)?;
                self.unstall()?;
            }
        }
        self.settle()?;
        let mut came = core::mem::take(&mut self.came);
        came.sort_by_key(|(who, _)| *who);
        lines.extend(came.iter().map(|(who, packet)| self.line(*who, packet)));
        Ok(lines)
    }

    fn client(&mut self, who: u16) -> &mut Client {
        self.clients.entry(who).or_default()
    }

    fn ask(
        &mut self,
        who: u16,
        ask: &Ask,
        sure: bool,
        lines: &mut Vec<String>,
    ) -> Result<(), String> {
        if self.client(who).stalled.is_some() {
            lines.push("  not asked: stalled".into());
            return Ok(());
        }
        let number = self.step;
        self.send(who, ask, number)?;
        if self.client(who).asleep {
            // Nobody sees it answered; the daemon is to be done with it before the next step.
            return self.world.pass(1);
        }
        let patience = if sure { Patience::Sure } else { Patience::Brief };
        match self.await_reply(who, number, patience)? {
            Some(reply) => {
                if reply.kind == RESET_WATCHES {
                    // What was queued before still comes before the answer.
                    self.client(who).watches = false;
                }
                if let (Tx::Starts(label), TRANSACTION_START) = (ask.tx, reply.kind) {
                    let digits = String::from_utf8_lossy(&reply.payload);
                    let id = digits.trim_end_matches('\0').parse();
                    let id = id.map_err(|_| format!("a transaction called {digits}"))?;
                    self.transactions.insert((who, label), id);
                }
            }
            None => {
                lines.push("  no answer".into());
                if !self.client(who).dead {
                    self.client(who).stalled = Some(number);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, who: u16, ask: &Ask, request: u32) -> Result<(), String> {
        let transaction = match ask.tx {
            Tx::None | Tx::Starts(_) => 0,
            Tx::Number(number) => number,
            Tx::In(label) => self
                .transactions
                .get(&(who, label))
                .copied()
                .unwrap_or(NEVER_STARTED + u32::from(label)),
        };
        self.sent.insert(request, transaction);
        self.client(who).watches |= ask.kind == WATCH;
        let payload = ask.payload.clone();
        let packet = Packet { kind: ask.kind, request, transaction, payload };
        self.world.send(who, &packet.bytes())
    }

    /// Takes what comes for a domain until a reply does, and keeps all of it to be told.
    fn await_reply(
        &mut self,
        who: u16,
        request: u32,
        patience: Patience,
    ) -> Result<Option<Packet>, String> {
        loop {
            let Some(packet) = self.world.receive(who, patience)? else {
                if patience == Patience::Brief {
                    return Ok(None);
                }
                return Err(format!("domain {who} has no answer at step {}", self.step));
            };
            // An event's number is 0, and so is no request's.
            let done = packet.request == request;
            if packet.request < OWN_REQUESTS {
                self.came.push((who, packet.clone()));
            }
            if done {
                return Ok(Some(packet));
            }
        }
    }

    /// As often as `count`, a batch at a time, until in one of them something is refused; the line.
    fn fill(&mut self, who: u16, ask: &Ask, count: u32) -> Result<String, String> {
        let mut did = 0;
        while did < count {
            let batch = BATCH.min(count - did);
            let first = self.own + 1;
            for i in 0..batch {
                self.own += 1;
                self.send(who, &ask.numbered(did + i), self.own)?;
                self.sent.remove(&self.own);
            }
            let mut refused = None;
            for i in 0..batch {
                let reply = self.await_reply(who, first + i, Patience::Sure)?;
                let reply = reply.filter(|reply| reply.kind == ERROR && refused.is_none());
                refused = reply.map(|reply| (i, reply.payload)).or(refused);
            }
            if let Some((i, word)) = refused {
                return Ok(format!("  {who} did {}, then {}", did + i, escape(&word)));
            }
            did += batch;
        }
        Ok(format!("  {who} did all"))
    }

    /// Gives answers that have failed to come another chance.
    fn unstall(&mut self) -> Result<(), String> {
        let stalled: Vec<(u16, u32)> = self
            .clients
            .iter()
            .filter(|(_, client)| !client.asleep)
            .filter_map(|(who, client)| Some((*who, client.stalled?)))
            .collect();
        for (who, request) in stalled {
            if self.await_reply(who, request, Patience::Brief)?.is_some() {
                self.client(who).stalled = None;
            }
        }
        Ok(())
    }

    /// Takes everything that the step has caused.
    fn settle(&mut self) -> Result<(), String> {
        let heard = |client: &Client| client.watches && !client.asleep && !client.dead;
        let who: Vec<u16> = self
            .clients
            .iter()
            .filter(|(_, client)| heard(client) && client.stalled.is_none())
            .map(|(who, _)| *who)
            .collect();
        who.into_iter().try_for_each(|who| self.settle_one(who))
    }

    fn settle_one(&mut self, who: u16) -> Result<(), String> {
        if self.client(who).stalled.is_some() {
            return Ok(());
        }
        self.own += 1;
        let payload = b"/\0".to_vec();
        let packet = Packet { kind: READ, request: self.own, transaction: 0, payload };
        self.world.send(who, &packet.bytes())?;
        self.await_reply(who, self.own, Patience::Sure).map(|_| ())
    }

    /// What is told of a message: for whom, its type and payload, without what is not the same in
    /// another run; `@N` where it answers an earlier step, `~` where it has another transaction.
    fn line(&self, who: u16, packet: &Packet) -> String {
        let is_reply = packet.request != 0;
        let late = if is_reply && packet.request != self.step {
            format!("@{}", packet.request)
        } else {
            String::new()
        };
        let asked = if is_reply { self.sent.get(&packet.request) } else { None };
        let other = asked.is_some_and(|asked| *asked != packet.transaction);
        let mark = if other { "~" } else { "" };
        let payload = match packet.kind {
            TRANSACTION_START => "ID\\0".to_string(),
            DIRECTORY_PART => {
                let end = packet.payload.iter().position(|byte| *byte == 0).unwrap_or(0);
                format!("GENERATION{}", escape(&packet.payload[end..]))
            }
            _ => escape(&packet.payload),
        };
        format!("  {who} {}{late}{mark} {payload}", name(packet.kind))
    }
}
