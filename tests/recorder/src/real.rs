//! The real world: dom0's connection to the daemon, and the relays of other domains.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use recorder::packet::{DIRECTORY, ERROR, GET_PERMS, Packet, READ};
use recorder::play::{HomeNode, Patience, ScriptWorld};

/// Where both daemons listen (tools/libs/store/xs.c, xs_daemon_socket).
const SOCKET: &str = "/run/xenstored/socket";
/// How long an answer may take that is bound to come: the slowest, an answer that waits for the
/// write-rate limit, takes less than one.
const SURE: Duration = Duration::from_secs(30);
/// How long one is waited for that may fail to come; answers take milliseconds.
const BRIEF: Duration = Duration::from_secs(2);
/// How long a relay may take to be there.
const READY: Duration = Duration::from_secs(60);

/// What a reader thread has read.
enum Read1 {
    Bytes(Vec<u8>),
    /// The relay has said that it is there.
    Ready,
}

/// One connection to the daemon.
struct Connection {
    out: Box<dyn Write>,
    relayed: bool,
    from: Receiver<Read1>,
    stream: Vec<u8>,
}

/// dom0 and the other domains.
pub(super) struct Real {
    connections: BTreeMap<u16, Connection>,
    own: u32,
}

fn said(what: &str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}

impl Real {
    /// Connects as dom0.
    pub(super) fn connect() -> Result<Real, String> {
        let socket = UnixStream::connect(SOCKET).map_err(said(SOCKET))?;
        let mut from_socket = socket.try_clone().map_err(said(SOCKET))?;
        let (sender, from) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from_socket.read(&mut bytes) {
                if sender.send(Read1::Bytes(bytes[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        let dom0 = Connection { out: Box::new(socket), relayed: false, from, stream: Vec::new() };
        Ok(Real { connections: BTreeMap::from([(0, dom0)]), own: 0xf000_0000 })
    }

    fn connection(&mut self, who: u16) -> Result<&mut Connection, String> {
        self.connections.get_mut(&who).ok_or_else(|| format!("there is no domain {who}"))
    }

    /// One request of dom0's that is not in the script. dom0 must have nothing else in flight.
    fn ask(&mut self, kind: u32, path: &str) -> Result<Vec<u8>, String> {
        self.own += 1;
        let request = self.own;
        let payload = format!("{path}\0").into_bytes();
        let packet = Packet { kind, request, transaction: 0, payload };
        self.send(0, &packet.bytes())?;
        // Events that come meanwhile belong to the step; the next look finds them.
        let mut early = Vec::new();
        let reply = loop {
            let packet = self.receive(0, Patience::Sure)?;
            let packet = packet.ok_or_else(|| format!("dom0 has no answer about {path}"))?;
            if packet.request == request {
                break packet;
            }
            early.extend(packet.bytes());
        };
        let stream = &mut self.connection(0)?.stream;
        stream.splice(0..0, early);
        match reply.kind {
            ERROR => Err(format!("{path}: {}", String::from_utf8_lossy(&reply.payload))),
            _ => Ok(reply.payload),
        }
    }

    /// What is at and below a path, parents first.
    fn list(&mut self, home: &str, path: &str, into: &mut Vec<HomeNode>) -> Result<(), String> {
        let absolute = if path.is_empty() { home.to_string() } else { format!("{home}/{path}") };
        let permissions = self.ask(GET_PERMS, &absolute)?;
        // Of the values only what the script reads: others are not the same in another run.
        let value = if path == "domid" { self.ask(READ, &absolute)? } else { Vec::new() };
        into.push(HomeNode { path: path.to_string(), permissions, value });
        let names = self.ask(DIRECTORY, &absolute)?;
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name);
            let below = if path.is_empty() { name.into_owned() } else { format!("{path}/{name}") };
            self.list(home, &below, into)?;
        }
        Ok(())
    }

    /// Ends the relays.
    pub(super) fn end(mut self) -> Result<(), String> {
        for connection in self.connections.values_mut().filter(|connection| connection.relayed) {
            connection.out.write_all(b"q\n").map_err(said("end"))?;
        }
        wish("end")
    }
}

/// Has somebody else do something, and waits until it is done.
fn wish(line: &str) -> Result<(), String> {
    println!("{line}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(said(line))?;
    if answer.trim() == "done" { Ok(()) } else { Err(format!("{line}: {}", answer.trim())) }
}

/// Reads a relay's console.
fn read_console(console: File, to: &Sender<Read1>) {
    for line in BufReader::new(console).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let read = if let Some(digits) = line.strip_prefix("@R ") {
            let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            let bytes = (0..digits.len()).step_by(2).map(byte).collect();
            // A garbled line would be missed as an answer that does not come.
            Read1::Bytes(Option::unwrap_or_default(bytes))
        } else if line.starts_with("@T relay ready") {
            Read1::Ready
        } else {
            continue;
        };
        if to.send(read).is_err() {
            return;
        }
    }
}

impl ScriptWorld for Real {
    fn send(&mut self, who: u16, bytes: &[u8]) -> Result<(), String> {
        let connection = self.connection(who)?;
        if !connection.relayed {
            return connection.out.write_all(bytes).map_err(said("dom0's socket"));
        }
        let mut digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.push('\n');
        connection.out.write_all(digits.as_bytes()).map_err(said("a console"))
    }

    fn receive(&mut self, who: u16, patience: Patience) -> Result<Option<Packet>, String> {
        let until = Instant::now() + if patience == Patience::Sure { SURE } else { BRIEF };
        let connection = self.connection(who)?;
        loop {
            if let Some(packet) = Packet::take(&mut connection.stream) {
                return Ok(Some(packet));
            }
            let left = until.saturating_duration_since(Instant::now());
            match connection.from.recv_timeout(left) {
                Ok(Read1::Bytes(bytes)) => connection.stream.extend(bytes),
                Ok(Read1::Ready) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the connection of domain {who} is gone"));
                }
            }
        }
    }

    fn sleep(&mut self, who: u16, asleep: bool) -> Result<(), String> {
        let word: &[u8] = if asleep { b"z\n" } else { b"w\n" };
        self.connection(who)?.out.write_all(word).map_err(said("a console"))
    }

    fn create(&mut self, who: u16) -> Result<Vec<HomeNode>, String> {
        wish(&format!("create {who}"))?;
        let home = format!("/local/domain/{who}");
        let console = self.ask(READ, &format!("{home}/console/tty"))?;
        let console = String::from_utf8_lossy(&console).into_owned();
        let open = |options: &mut OpenOptions| options.open(&console).map_err(said(&console));
        let out = open(OpenOptions::new().write(true))?;
        let input = open(OpenOptions::new().read(true))?;
        let (sender, from) = channel();
        thread::spawn(move || read_console(input, &sender));
        let ready = from.recv_timeout(READY);
        if !matches!(ready, Ok(Read1::Ready)) {
            return Err(format!("the relay of domain {who} is not ready"));
        }
        let connection = Connection { out: Box::new(out), relayed: true, from, stream: Vec::new() };
        self.connections.insert(who, connection);
        let mut nodes = Vec::new();
        self.list(&home, "", &mut nodes)?;
        Ok(nodes)
    }

    fn destroy(&mut self, who: u16) -> Result<(), String> {
        self.connections.remove(&who);
        wish(&format!("destroy {who}"))
    }

    fn update(&mut self) -> Result<(), String> {
        wish("update")
    }

    fn pass(&mut self, seconds: u32) -> Result<(), String> {
        thread::sleep(Duration::from_secs(seconds.into()));
        Ok(())
    }
}
