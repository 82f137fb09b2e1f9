//! What may happen to a connection, one thing at a time. A late event, a slow peer, a pause and a
//! return are nothing but other steps coming first.

use core::fmt;

use channel::Instant;
use channel::back::BackState;
use channel::front::FrontState;
use channel::link::{Action, Machine};

use super::perform::refusal;
use super::world::{Bounds, Domain, Request, Requests, Usage, World};
use crate::graph::Kind;
use crate::side::{SIDES, Side};

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
    /// The link's next action is done.
    Act(ActionName),
    /// The link's next action fails: no room, no port.
    Refuse(ActionName),
    /// A beat passes: all timers fire that are set.
    Beat,
    /// It looks at the page.
    Look,
    /// So much time passes that a beat of the peer's in the page is late, or the last that may be.
    Late,
    /// The oldest request is answered, a READ done just before.
    Answer,
    /// Likewise, and a watch event comes just before.
    AnswerAfterHint,
    /// The daemon does the WRITE, and a READ of this side before it.
    Land,
    /// Likewise, and before that a READ of the mailbox that the WRITE goes to.
    LandAfterRead,
    /// A READ is the last of as many as mean death, rightly.
    Silence,
    /// Likewise, wrongly: the peer was paused, and comes back.
    FalseSilence,
    /// A unit of work is accepted.
    Work,
    /// It is finished.
    Finish,
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
}

/// An action without what it carries, for those who read a counterexample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionName(&'static str);

impl ActionName {
    const fn of(action: &Action) -> Self {
        Self(match action {
            Action::Prepare { .. } => "prepare",
            Action::Fence => "fence",
            Action::Release => "release",
            Action::Map { .. } => "map",
            Action::Verify(_) => "verify",
            Action::Bind { .. } => "bind",
            Action::Stamp(_) => "stamp",
            Action::Unmap => "unmap",
            Action::Publish(_) => "publish",
            Action::SetClosing => "set closing",
            Action::Notify => "notify",
            Action::Observe => "observe",
            Action::AskPort => "ask for the port",
            Action::AskDomain(_) => "ask for the domain",
            _ => "another",
        })
    }
}

/// What kind of step it is, if no WRITE goes out by it.
pub fn kind(world: &World, step: Step) -> Kind {
    match step {
        Step::LetGo(_) | Step::Sweep(_) | Step::TakeBack(_) => Kind::Passing,
        Step::GiveAway(_) => Kind::Free,
        Step::Of(side, what) => match what {
            What::Act(_) | What::Finish | What::Answer | What::Land | What::LandAfterRead => {
                Kind::Still
            }
            What::Start | What::Beat | What::Look | What::Silence => Kind::Passing,
            What::Late if !world.is_beaten_for(side) => Kind::Passing,
            What::Hint | What::AnswerAfterHint | What::Work => Kind::Event,
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
                write!(f, "{name}: {what}")
            }
            Self::LetGo(page) => write!(f, "page {page}: a dead domain unmaps it at last"),
            Self::Sweep(page) => write!(f, "page {page}: leaves quarantine"),
            Self::GiveAway(page) => write!(f, "page {page}: granted for another link"),
            Self::TakeBack(page) => write!(f, "page {page}: the other link is done"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "domain starts",
            Self::Act(action) => action.0,
            Self::Refuse(action) => return write!(f, "{} fails", action.0),
            Self::Beat => "a beat passes",
            Self::Look => "looks at the page",
            Self::Late => "the peer's page beat is late",
            Self::Answer => "a request is answered",
            Self::AnswerAfterHint => "watch event, then a request is answered",
            Self::Land => "daemon does the WRITE",
            Self::LandAfterRead => "daemon does the peer's READ, then the WRITE",
            Self::Silence => "silent for long, and truly gone",
            Self::FalseSilence => "silent for long, but not gone",
            Self::Work => "accepts a unit of work",
            Self::Finish => "finishes the unit of work",
            Self::Hint => "watch event",
            Self::Connect => "user connects",
            Self::Disconnect => "user disconnects",
            Self::Crash => "domain dies",
            Self::Restart => "restart in place",
        })
    }
}

/// Everything that may happen next.
pub fn possible(world: &World, bounds: &Bounds) -> Vec<Step> {
    let mut steps = Vec::with_capacity(24);
    for side in SIDES {
        let mut add = |what| steps.push(Step::Of(side, what));
        let Some(domain) = world.domain(side) else {
            add(What::Start);
            continue;
        };
        if world.crashes[side as usize] > 0 {
            add(What::Crash);
        }
        if bounds.requests == Requests::UnderWay {
            of_daemon(world, side, domain, &mut add);
        }
        match &domain.action {
            // Between two actions of a unit of work nothing else is done.
            _ if domain.is_working => add(What::Finish),
            Some(action) => {
                add(What::Act(ActionName::of(action)));
                if refusal(action).is_some() && world.faults > 0 {
                    add(What::Refuse(ActionName::of(action)));
                }
            }
            None => of_drained(world, side, domain, bounds, &mut add),
        }
    }
    for page in 0..bounds.pages {
        let is_mapped = world.is_mapped(page);
        let Some(front) = world.domain(Side::A) else { continue };
        if world.pages[page].is_mapped_by_dead {
            steps.push(Step::LetGo(page));
        }
        match world.pages[page].usage {
            Usage::Quarantined if !is_mapped => steps.push(Step::Sweep(page)),
            Usage::Another if !is_mapped => steps.push(Step::TakeBack(page)),
            // Only with a peer is there a domain to grant to.
            Usage::Free if front.link.endpoint().peer_epoch().is_some() => {
                steps.push(Step::GiveAway(page));
            }
            _ => {}
        }
    }
    steps
}

/// The daemon does a READ only just before somebody changes its mailbox, or as its answer arrives:
/// until then nothing depends on it.
fn of_daemon(world: &World, side: Side, domain: &Domain, add: &mut impl FnMut(What)) {
    if domain.requests.iter().any(|request| matches!(request, Request::Write(_))) {
        add(What::Land);
        let peer = world.domain(side.other());
        let is_read_next = peer.is_some_and(|peer| {
            let mut asked =
                peer.requests.iter().filter(|r| matches!(r, Request::Read | Request::Write(_)));
            matches!(asked.next(), Some(Request::Read))
        });
        if is_read_next {
            add(What::LandAfterRead);
        }
    }
}

/// Inputs of a link that has nothing to do.
fn of_drained(
    world: &World,
    side: Side,
    domain: &Domain,
    bounds: &Bounds,
    add: &mut impl FnMut(What),
) {
    let endpoint = domain.link.endpoint();
    let is_answered = bounds.requests == Requests::AtOnce
        || matches!(domain.requests.front(), Some(Request::Read | Request::ReadDone(_)));
    if bounds.requests == Requests::UnderWay && is_answered {
        add(What::Answer);
        add(What::AnswerAfterHint);
    }
    // A watch event that meets a READ under way comes with its answer.
    if !domain.is_reading() {
        add(What::Hint);
    }
    if domain.link.deadline() != Instant::NEVER {
        add(What::Beat);
    }
    if domain.link.is_page_watched() {
        add(What::Look);
    }
    if domain.link.late_at() != Instant::NEVER {
        add(What::Late);
    }
    // By missing beats: only where the page does not beat.
    if is_answered && world.is_forsaken(side) && !endpoint.is_quiet() {
        add(What::Silence);
    }
    let may_work = domain.back_state() == Some(BackState::Serving)
        && world.header(side).is_some_and(|header| header.is_open && world.is_backs_own(header));
    if may_work {
        add(What::Work);
    }
    // Machines are small: whether they take a wish is tried on a copy.
    let (takes_end, takes_connect) = match *domain.link.machine() {
        Machine::Front(mut front) => {
            let is_idle = front.state() == FrontState::Idle;
            (front.disconnect().is_ok(), is_idle && front.connect(1).is_ok())
        }
        Machine::Back(mut back) => (back.disconnect().is_ok(), false),
    };
    if takes_end {
        add(What::Disconnect);
    }
    if takes_connect && endpoint.is_up() && domain.number().0 < bounds.connects {
        add(What::Connect);
    }
    if world.faults > 0 {
        add(What::Restart);
        if is_answered && endpoint.is_up() && !world.is_forsaken(side) {
            add(What::FalseSilence);
        }
    }
}
