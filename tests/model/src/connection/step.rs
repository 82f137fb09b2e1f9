//! What may happen to a connection, one thing at a time. A late event, a slow peer, a pause and a
//! return are nothing but other steps coming first.

use core::fmt;

use channel::front::FrontState;
use channel::{Instant, back::BackState};

use super::super::graph::Kind;
use super::super::session::world::{SIDES, Side};
use super::glue::{Turn, may_look, may_work, turn};
use super::mutation::Mutation;
use super::world::{Bounds, Life, Usage, World};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To one side.
    Of(Side, What),
    /// A dead back's domain lets go of a page at last.
    LetGo(usize),
    /// A quarantined page is tried again.
    Sweep(usize),
    /// A free page is granted to the back's domain for another link.
    GiveAway(usize),
    /// That link is done with it.
    TakeBack(usize),
}

/// What happens to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The domain starts, and is introduced.
    Start,
    /// The machine's next action.
    Turn(Turn),
    /// The machine's next action, and it fails: no room, no port.
    Fails(Turn),
    /// All timers fire that are set.
    Time,
    /// It looks at the page.
    Look,
    /// The peer's beat in the page is seen to move.
    Beat,
    /// The peer's beat in the page is late.
    Late,
    /// Silence is taken for death, rightly.
    Verdict,
    /// A unit of work is accepted, or the fence is found closed.
    Work,
    /// A back that has answered too early unmaps.
    UnmapLate,
    /// A watch event.
    Hint,
    /// The front's user asks for a connection.
    Connect,
    /// The user asks for its end.
    Disconnect,
    /// The domain dies.
    Crash,
    /// The endpoint is restarted in place.
    Restart,
    /// Silence is taken for death, wrongly: the peer was paused, and comes back.
    FalseVerdict,
}

/// What kind of step it is, if no WRITE goes out by it.
pub fn kind(world: &World, step: Step) -> Kind {
    match step {
        Step::LetGo(_) | Step::Sweep(_) | Step::TakeBack(_) => Kind::Passing,
        Step::GiveAway(_) => Kind::Free,
        Step::Of(side, what) => match what {
            What::Turn(_) => Kind::Still,
            What::Start | What::Time | What::Look | What::Beat | What::Verdict => Kind::Passing,
            What::UnmapLate => Kind::Passing,
            What::Late if !world.is_beaten_for(side) => Kind::Passing,
            What::Hint | What::Work => Kind::Event,
            _ => Kind::Free,
        },
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(side, what) => {
                let name = match side {
                    Side::A => "front",
                    Side::B => "back",
                };
                write!(f, "{name}: {}", said(*what))
            }
            Self::LetGo(page) => write!(f, "page {page}: a dead domain unmaps it at last"),
            Self::Sweep(page) => write!(f, "page {page}: leaves quarantine"),
            Self::GiveAway(page) => write!(f, "page {page}: granted for another link"),
            Self::TakeBack(page) => write!(f, "page {page}: the other link is done"),
        }
    }
}

fn said(what: What) -> String {
    match what {
        What::Start => "domain starts".into(),
        What::Turn(turn) => format!("{turn:?}").to_lowercase(),
        What::Fails(turn) => format!("{turn:?} fails").to_lowercase(),
        What::Time => "timers fire".into(),
        What::Look => "looks at the page".into(),
        What::Beat => "the peer's page beat moves".into(),
        What::Late => "the peer's page beat is late".into(),
        What::Verdict => "true verdict".into(),
        What::Work => "a unit of work begins".into(),
        What::UnmapLate => "unmaps, having answered".into(),
        What::Hint => "watch event".into(),
        What::Connect => "user connects".into(),
        What::Disconnect => "user disconnects".into(),
        What::Crash => "domain dies".into(),
        What::Restart => "restart in place".into(),
        What::FalseVerdict => "false verdict".into(),
    }
}

/// Everything that may happen next.
pub fn possible(world: &World, bounds: &Bounds, mutation: Mutation) -> Vec<Step> {
    let mut steps = Vec::with_capacity(24);
    for side in SIDES {
        let mut add = |what| steps.push(Step::Of(side, what));
        let Some(life) = world.life(side) else {
            add(What::Start);
            continue;
        };
        if world.crashes[side as usize] > 0 {
            add(What::Crash);
        }
        match turn(world, side) {
            Some(turn) => {
                add(What::Turn(turn));
                if matches!(turn, Turn::Map | Turn::Bind) && world.faults > 0 {
                    add(What::Fails(turn));
                }
            }
            None => of_life(world, side, life, bounds, &mut add),
        }
        if mutation.is_answer_early() && side == Side::B && life.mark {
            add(What::UnmapLate);
        }
    }
    for page in 0..bounds.pages {
        let is_mapped = world.is_mapped(page);
        let Some(front) = world.life(Side::A) else { continue };
        if world.pages[page].is_mapped_by_dead {
            steps.push(Step::LetGo(page));
        }
        match world.pages[page].usage {
            Usage::Quarantined if !is_mapped => steps.push(Step::Sweep(page)),
            Usage::Another if !is_mapped => steps.push(Step::TakeBack(page)),
            // Only with a peer is there a domain to grant to.
            Usage::Free if front.endpoint.peer_epoch().is_some() => {
                steps.push(Step::GiveAway(page));
            }
            _ => {}
        }
    }
    steps
}

fn of_life(world: &World, side: Side, life: &Life, bounds: &Bounds, add: &mut impl FnMut(What)) {
    add(What::Hint);
    if life.endpoint.deadline() != Instant::NEVER {
        add(What::Time);
    }
    if may_look(life) {
        add(What::Look);
    }
    if world.is_beaten_for(side) && (!life.is_moved || life.is_late) {
        add(What::Beat);
    }
    if life.is_carried_by_page() && life.is_moved && !life.is_late {
        add(What::Late);
    }
    // By missing beats, or what Xen says of the port: both only where the page does not beat.
    if world.is_forsaken(side) && !life.endpoint.is_quiet() {
        add(What::Verdict);
    }
    if may_work(life) {
        add(What::Work);
    }
    let may_disconnect = match side {
        Side::A => {
            matches!(life.front_state(), Some(FrontState::Connecting | FrontState::Connected))
        }
        Side::B => life.back_state() == Some(BackState::Serving),
    };
    if may_disconnect {
        add(What::Disconnect);
    }
    let is_idle = life.front_state() == Some(FrontState::Idle);
    if is_idle && life.endpoint.is_up() && life.number().0 < bounds.connects {
        add(What::Connect);
    }
    if world.faults > 0 {
        add(What::Restart);
        if life.endpoint.is_up() && !world.is_forsaken(side) {
            add(What::FalseVerdict);
        }
    }
}
