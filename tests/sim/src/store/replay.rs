//! Plays a record of a real daemon's answers against the model of it and tells where they differ.
//! Where they do, the model is wrong.

use std::collections::BTreeMap;

use recorder::packet::{DIRECTORY, GET_PERMS, HEADER_BYTES, MKDIR, Packet, READ, RM};
use recorder::play::{HomeNode, Patience, Player, ScriptWorld};
use recorder::record::Record;
use recorder::step::ScriptStep;

use super::ring::{
    REPLIES_AT, REPLY_CONSUMER_AT, REPLY_PRODUCER_AT, REQUEST_CONSUMER_AT, REQUEST_PRODUCER_AT,
    REQUESTS_AT,
};
use super::wire::{Header, Kind, RING_BYTES};
use super::{Daemon, Flavour};
use crate::base::page::Page;

const NS_PER_S: u64 = 1_000_000_000;
/// How long an answer may fail to come: as the recorder waits for one.
const BRIEF_NS: u64 = 2 * NS_PER_S;
/// How long one may take that must come.
const SURE_NS: u64 = 30 * NS_PER_S;
/// How long a live update of C xenstored takes, about, from when it can begin.
const UPDATE_NS: u64 = NS_PER_S / 4;

/// A step of the record and what the model makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The step's line in the record's file.
    pub line: usize,
    /// The step.
    pub step: String,
    /// What came of it in reality.
    pub real: Vec<String>,
    /// What the model makes of it.
    pub model: Vec<String>,
}

impl core::fmt::Display for Difference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "line {}: {}", self.line, self.step)?;
        // Nodes of a home are the record's own on both sides.
        let told = |line: &&String| !line.starts_with("  home ");
        for line in self.real.iter().filter(told) {
            writeln!(f, "    real {line}")?;
        }
        for line in self.model.iter().filter(told) {
            writeln!(f, "   model {line}")?;
        }
        Ok(())
    }
}

/// Messages on their way to a reader, in oxenstored, behind which events wait in a queue of their own
/// (quota-maxoutstanding).
const OUT_MAX: usize = 1024;

impl Difference {
    /// Whether all that differs here and in the next step is when events came that were late.
    ///
    /// In oxenstored a reply does not wait for the events of that second queue; in the model it does.
    /// How many it overtakes is a matter of timing. That all come, in this step or the next, is not.
    fn is_late(&self, next: &Difference) -> bool {
        let together = |one: &[String], other: &[String]| {
            let mut all = [one, other].concat();
            all.sort();
            all
        };
        self.real.len() > OUT_MAX
            && together(&self.real, &next.real) == together(&self.model, &next.model)
    }
}

/// Every step of the record in which the model differs. `meddle` is called before each step, with
/// the number of the step from 0: for whoever wants to see that a wrong model is found.
pub fn differences(
    record: &Record,
    flavour: Flavour,
    mut meddle: impl FnMut(usize, &mut Daemon),
) -> Vec<Difference> {
    let mut player = Player::new(Simulated::new(flavour));
    let mut found: Vec<Difference> = Vec::new();
    let mut last_at = None;
    for (at, entry) in record.entries.iter().enumerate() {
        player.world.home = entry.home();
        meddle(at, &mut player.world.daemon);
        let outcome = player.step(&entry.step);
        let broken = outcome.is_err();
        let model = outcome.unwrap_or_else(|what| vec![format!("  {what}")]);
        if !agree(flavour, &entry.step, &entry.came, &model) {
            let (line, step) = (entry.line, entry.step.line());
            let difference = Difference { line, step, real: entry.came.clone(), model };
            let before = found.last().filter(|_| last_at == at.checked_sub(1));
            if flavour == Flavour::Ocaml && before.is_some_and(|one| one.is_late(&difference)) {
                found.pop();
            } else {
                found.push(difference);
            }
            last_at = Some(at);
        }
        if broken {
            break;
        }
    }
    found
}

/// Whether both tell the same.
///
/// C xenstored of 4.17 takes its word for a request on one path, if its only argument does not end
/// with the payload's only nul, from whatever has failed before it: in get_node_canonicalized
/// nobody sets errno then. There is nothing to be modelled but that it refuses.
fn agree(flavour: Flavour, step: &ScriptStep, real: &[String], model: &[String]) -> bool {
    let leftover = match step {
        ScriptStep::Ask { ask, .. } => {
            let one_path = [READ, DIRECTORY, GET_PERMS, MKDIR, RM].contains(&ask.kind);
            let ends = ask.payload.iter().position(|byte| *byte == 0);
            one_path && ends.is_none_or(|end| end + 1 != ask.payload.len())
        }
        _ => false,
    };
    let refused = |lines: &[String]| matches!(lines, [line] if line.contains(" ERROR E"));
    real == model || flavour == Flavour::C && leftover && refused(real) && refused(model)
}

/// One domain's end of its ring.
struct Client {
    page: Page,
    asleep: bool,
    /// Bytes for which the ring has had no room yet.
    unsent: Vec<u8>,
    /// Bytes that came.
    stream: Vec<u8>,
}

/// A model and its clients.
struct Simulated {
    daemon: Daemon,
    clients: BTreeMap<u16, Client>,
    /// What came for dom0.
    tool: Vec<u8>,
    now_ns: u64,
    /// What the toolstack makes for the next domain.
    home: Vec<HomeNode>,
}

impl Simulated {
    fn new(flavour: Flavour) -> Simulated {
        let (daemon, home) = (Daemon::new(flavour), Vec::new());
        let mut world =
            Simulated { daemon, clients: BTreeMap::new(), tool: Vec::new(), now_ns: 0, home };
        world.order(Kind::MakeDirectory, b"/local/domain/0\0").expect("dom0 makes its own home");
        world
    }

    fn client(&mut self, who: u16) -> Result<&mut Client, String> {
        self.clients.get_mut(&who).ok_or_else(|| format!("there is no domain {who}"))
    }

    /// Lets everybody work until nothing moves; when something may, without anybody's doing.
    fn pump(&mut self) -> Option<u64> {
        loop {
            let sent = self.clients.values_mut().fold(false, |moved, it| it.send() | moved);
            let served = self.daemon.serve(self.now_ns, RING_BYTES as usize);
            let took = self.clients.values_mut().fold(false, |moved, it| it.take() | moved);
            self.tool.extend(self.daemon.take_tool_messages());
            if !sent && !served.busy && !took {
                return served.wake_ns;
            }
        }
    }

    /// A request of the toolstack's that is not in the script.
    fn order(&mut self, kind: Kind, payload: &[u8]) -> Result<(), String> {
        let done = self.daemon.request(kind, 0, payload, self.now_ns);
        done.map(|_| ()).map_err(|error| format!("dom0's {kind:?}: {}", error.word()))
    }
}

impl ScriptWorld for Simulated {
    fn send(&mut self, who: u16, bytes: &[u8]) -> Result<(), String> {
        if who == 0 {
            let header = bytes.first_chunk::<HEADER_BYTES>().ok_or("no header")?;
            let header = Header::parse(header);
            self.daemon.process_tool(header, &bytes[HEADER_BYTES..], self.now_ns);
        } else {
            self.client(who)?.unsent.extend_from_slice(bytes);
        }
        self.pump();
        Ok(())
    }

    fn receive(&mut self, who: u16, patience: Patience) -> Result<Option<Packet>, String> {
        let until = self.now_ns + if patience == Patience::Sure { SURE_NS } else { BRIEF_NS };
        loop {
            let wake_ns = self.pump();
            let stream = if who == 0 { &mut self.tool } else { &mut self.client(who)?.stream };
            if let Some(packet) = Packet::take(stream) {
                return Ok(Some(packet));
            }
            match wake_ns.filter(|wake_ns| *wake_ns < until) {
                Some(wake_ns) => self.now_ns = wake_ns.max(self.now_ns + 1),
                None => {
                    self.now_ns = until;
                    return Ok(None);
                }
            }
        }
    }

    fn sleep(&mut self, who: u16, asleep: bool) -> Result<(), String> {
        self.client(who)?.asleep = asleep;
        self.pump();
        Ok(())
    }

    fn create(&mut self, who: u16) -> Result<Vec<HomeNode>, String> {
        self.daemon.domain_created(who);
        let nodes = core::mem::take(&mut self.home);
        for HomeNode { path, permissions, value } in &nodes {
            let path = format!("/local/domain/{who}/{path}");
            let path = path.trim_end_matches('/');
            self.order(Kind::Write, &[path.as_bytes(), &[0], value].concat())?;
            self.order(Kind::SetPermissions, &[path.as_bytes(), &[0], permissions].concat())?;
        }
        let page = Page::new();
        self.daemon.introduce(who, page.clone(), self.now_ns);
        let client = Client { page, asleep: false, unsent: Vec::new(), stream: Vec::new() };
        self.clients.insert(who, client);
        self.pump();
        Ok(nodes)
    }

    fn destroy(&mut self, who: u16) -> Result<(), String> {
        self.clients.remove(&who);
        // libxl removes the home first, then the domain; the daemon hears of it then.
        self.order(Kind::Remove, format!("/local/domain/{who}\0").as_bytes())?;
        self.daemon.domain_destroyed(who, self.now_ns);
        self.pump();
        Ok(())
    }

    fn update(&mut self) -> Result<(), String> {
        if self.daemon.flavour() == Flavour::C {
            self.daemon.live_update(UPDATE_NS, self.now_ns);
        }
        Ok(())
    }

    fn pass(&mut self, seconds: u32) -> Result<(), String> {
        let until = self.now_ns + u64::from(seconds) * NS_PER_S;
        while let Some(wake_ns) = self.pump().filter(|wake_ns| *wake_ns < until) {
            self.now_ns = wake_ns.max(self.now_ns + 1);
        }
        self.now_ns = until;
        self.pump();
        Ok(())
    }
}

impl Client {
    /// Puts what fits into the ring; whether anything did.
    fn send(&mut self) -> bool {
        let producer = self.page.load(REQUEST_PRODUCER_AT);
        let used = producer.wrapping_sub(self.page.load(REQUEST_CONSUMER_AT));
        let count = self.unsent.len().min((RING_BYTES - used) as usize);
        for (at, byte) in self.unsent.drain(..count).enumerate() {
            let place = producer.wrapping_add(at as u32) % RING_BYTES;
            self.page.copy_to(REQUESTS_AT + place as usize, &[byte]);
        }
        self.page.store(REQUEST_PRODUCER_AT, producer.wrapping_add(count as u32));
        count > 0
    }

    /// Takes what is there, unless asleep; whether anything was.
    fn take(&mut self) -> bool {
        let (consumer, producer) =
            (self.page.load(REPLY_CONSUMER_AT), self.page.load(REPLY_PRODUCER_AT));
        if self.asleep || consumer == producer {
            return false;
        }
        for at in 0..producer.wrapping_sub(consumer) {
            let mut byte = [0];
            let place = consumer.wrapping_add(at) % RING_BYTES;
            self.page.copy_from(REPLIES_AT + place as usize, &mut byte);
            self.stream.push(byte[0]);
        }
        self.page.store(REPLY_CONSUMER_AT, producer);
        true
    }
}
