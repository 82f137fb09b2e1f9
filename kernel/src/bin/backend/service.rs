//! The backend's service: whatever comes is checked, transformed and sent back, on every link.

use alloc::vec;
use alloc::vec::Vec;

use channel::event::{End, Event};
use channel::{Driver, Epoch, Instant, LinkId, LinkName, Step};
use grant::{BackConnection, Readiness, SharedPages, TransferError, WakeWhen};
use kernel::links::Links;
use kernel::pattern::{Pattern, UNIT_BYTES};
use kernel::platform::XenPlatform;
use kernel::stages::{Stage, Stages};
use kernel::{ExitStatus, Options, trace};

/// Units that one link may move before the others and the driver have their turn.
const UNITS_PER_TURN: usize = 16;

/// One link's service.
#[derive(Clone, Copy)]
struct LinkState {
    epochs: (Epoch, Epoch),
    serving: bool,
    /// The front was asked to end the connection.
    closing: bool,
    /// The front broke the ring: the endpoint starts over, which unmaps its pages.
    broken: bool,
    number: u32,
    pattern: Pattern,
    served: u64,
    wrong: bool,
}

impl LinkState {
    const NEW: Self = Self {
        epochs: (Epoch::from_bits(0), Epoch::from_bits(0)),
        serving: false,
        closing: false,
        broken: false,
        number: 0,
        pattern: Pattern::NONE,
        served: 0,
        wrong: false,
    };

    /// Serves one unit: no more than the answer has room for. Gives the bytes served.
    fn serve_unit<P: SharedPages>(
        &mut self,
        end: &mut BackConnection<P>,
        unit: &mut [u8; UNIT_BYTES],
    ) -> Result<usize, TransferError> {
        let room = end.room()?.min(UNIT_BYTES);
        let read = end.read(&mut unit[..room])?;
        let bytes = &mut unit[..read];
        self.wrong |= !self.pattern.is_request(self.served, bytes);
        self.pattern.transform(self.served, bytes);
        let written = end.write(bytes)?;
        // Only we take room away, and it was there before.
        assert!(written == read, "the answer fits into the room found");
        self.served += read as u64;
        Ok(read)
    }
}

/// What the backend does on its links.
pub(crate) struct Service {
    bytes: u64,
    names: Vec<LinkName>,
    wrong: bool,
    links: Vec<LinkState>,
    stages: Stages,
    unit: [u8; UNIT_BYTES],
}

impl Service {
    /// Serves the links of the options. `bytes` is what a connection is expected to carry; only the
    /// step named `streaming` depends on it.
    pub(crate) fn new(options: Options, driver: &Driver) -> Self {
        Self {
            bytes: options.bytes,
            wrong: false,
            links: vec![LinkState::NEW; options.links.len()],
            names: options.links,
            stages: Stages::new(driver),
            unit: [0; UNIT_BYTES],
        }
    }

    fn note_end(&mut self, link: LinkId, end: End) {
        let link_state = &mut self.links[link.index()];
        if !link_state.serving {
            return;
        }
        link_state.serving = false;
        self.wrong |= link_state.wrong;
        if link_state.closing {
            // What it costs to be asked for the end is no part of the usual course.
            self.stages.will_begin();
        } else if end == End::InOrder {
            trace!(
                "served link={} k={} bytes={} ok={}",
                self.names[link.index()].as_str(),
                link_state.number,
                link_state.served,
                u32::from(!link_state.wrong)
            );
            self.stages.will_end(Stage::Disconnect);
        }
    }

    /// Takes note of what happened on a link.
    pub(crate) fn handle_event(&mut self, link: LinkId, event: &Event<'_>) {
        let link_state = &mut self.links[link.index()];
        match *event {
            Event::Up { epoch, peer_epoch } => {
                link_state.epochs = (peer_epoch, epoch);
                self.stages.will_end(Stage::Up);
            }
            Event::Connected { number } => {
                (link_state.serving, link_state.closing) = (true, false);
                link_state.number = number.0;
                link_state.pattern =
                    Pattern::new(link_state.epochs.0.bits(), link_state.epochs.1.bits(), number.0);
                (link_state.served, link_state.wrong) = (0, false);
                self.stages.will_end(Stage::Connect);
            }
            Event::Disconnected { end, .. } => self.note_end(link, end),
            Event::Down { .. } => {
                link_state.serving = false;
                self.stages.will_begin();
            }
            _ => {}
        }
    }

    /// Asks for what each link wants next: to start over, or the end of its connection.
    pub(crate) fn ask(&mut self, links: &mut Links) {
        self.stages.take(links.driver());
        for (index, link_state) in self.links.iter_mut().enumerate() {
            let link = LinkId::from_index(index);
            if core::mem::take(&mut link_state.broken) {
                links.restart(link);
            } else if links.is_leaving() && link_state.serving && !link_state.closing {
                link_state.closing = links.disconnect(link).is_ok();
            }
        }
    }

    /// Serves every connected link, as much as goes in one turn. When the next turn is wanted.
    pub(crate) fn pump(&mut self, xen: &mut XenPlatform) -> Instant {
        let mut until = Instant::NEVER;
        for index in 0..self.links.len() {
            let link = LinkId::from_index(index);
            let link_state = &mut self.links[index];
            if !link_state.serving {
                continue;
            }
            let before = link_state.served;
            match pump_one(link_state, self.bytes, link, xen, &mut self.unit) {
                Ok(false) => {}
                Ok(true) => until = Instant::START,
                Err(TransferError::Fenced) => link_state.serving = false,
                Err(TransferError::Ring(error)) => {
                    kernel::say!(Error, "link {}: {error}", xen.link_name(link));
                    (link_state.serving, link_state.broken) = (false, true);
                    until = Instant::START;
                }
            }
            if before < self.bytes && link_state.served >= self.bytes {
                self.stages.will_end(Stage::Data);
            }
        }
        until
    }

    /// Prints what was counted.
    pub(crate) fn print_counts(&self, driver: &Driver) {
        self.stages.print(driver);
    }

    /// The status to end with, once the frontend sent wrong bytes or the toolstack wants the end.
    pub(crate) fn status(&self, ordered: bool) -> Option<ExitStatus> {
        if self.wrong {
            return Some(ExitStatus::failure("wrong bytes from the frontend"));
        }
        ordered.then(|| ExitStatus::success("ended by the toolstack"))
    }
}

/// Serves one link. Whether there is more to do at once.
fn pump_one(
    link_state: &mut LinkState,
    total: u64,
    link: LinkId,
    xen: &mut XenPlatform,
    unit: &mut [u8; UNIT_BYTES],
) -> Result<bool, TransferError> {
    let Some(end) = xen.back(link) else { return Ok(false) };
    let half = total / 2;
    let before = link_state.served;
    for _ in 0..UNITS_PER_TURN {
        if link_state.serve_unit(end, unit)? == 0 {
            break;
        }
    }
    // The first byte of a burst wakes: how many come is the front's to know. Where the answers find
    // no room, an empty ring does.
    let blocked = end.room()? == 0;
    let wish = if blocked {
        WakeWhen { readable: 0, writable: u32::MAX }
    } else {
        WakeWhen { readable: 1, writable: 0 }
    };
    let sleep = end.before_sleep(wish)?;
    xen.notify_if(link, sleep.notify);
    if before < half && link_state.served >= half {
        xen.reached(link, Step::Streaming);
    }
    Ok(sleep.readiness == Readiness::Ready)
}
