//! Routes incoming xenstore packets to their links, and submits the links' requests in turn. A
//! reply is matched to its request by id. A watch event is only a hint.

use xenbus::{Ended, Incoming, Refusal, Reply, Request, TransactionId, WatchEvent};

use super::shutdown_control::ShutdownControl;
use super::{Driver, Pending, Purpose, StoreEvent, Watching};
use crate::ids::LinkId;
use crate::instant::Instant;
use crate::limits::{BEAT, INTRODUCTION_BEATS, REQUESTS_MAX};
use crate::link::{Link, StoreOp};
use crate::names::{Place, ROOT, WATCH_TOKEN, place};
use crate::platform::Platform;

impl Driver {
    /// Submits the first requests. RESET_WATCHES makes the daemon forget the watches of earlier
    /// software in this domain.
    pub(super) fn begin(&mut self, now: Instant, platform: &mut impl Platform) {
        // A random first id, so that replies to requests of earlier software are unlikely to match.
        let first = platform.fresh_epoch().bits() as u32;
        self.client.start(first);
        self.watching = Watching::Reset;
        self.shutdown.begin(now.after(BEAT));
        let reset = Request::ResetWatches;
        self.submit_own(reset, Purpose::Reset, now);
        let watch = Request::Watch { path: ROOT, token: WATCH_TOKEN };
        if self.submit_own(watch, Purpose::Watch, now) {
            self.watching = Watching::Asked;
            self.first_fire_due = true;
        }
    }

    pub(super) fn submit_own(&mut self, request: Request<'_>, what: Purpose, now: Instant) -> bool {
        let Some(place) = self.pending.iter_mut().find(|place| place.is_none()) else {
            return false;
        };
        let kind = request.kind();
        let Ok(id) = self.client.submit(TransactionId::NONE, request) else { return false };
        if what != Purpose::Watch {
            self.overhead_requests[kind as usize] += 1;
        }
        *place = Some(Pending { id, what, issued: now });
        true
    }

    /// Exchanges bytes with the ring and processes every complete packet.
    pub(super) fn take_in(&mut self, now: Instant, platform: &mut impl Platform) {
        let mut watch = None;
        while let Some(incoming) = self.client.advance(platform.store_ring()) {
            match incoming {
                Incoming::Event(event) if ShutdownControl::is_shutdown_path(event.path) => {
                    self.shutdown.handle_hint();
                }
                Incoming::Event(event) => {
                    route_event(&mut self.links, &mut self.first_fire_due, &event);
                }
                Incoming::Reply { id, result, .. } => {
                    let place = self.pending.iter_mut().find(|p| p.is_some_and(|p| p.id == id));
                    let Some(pending) = place.and_then(Option::take) else { continue };
                    self.silent = false;
                    if core::mem::take(&mut self.silence_reported) {
                        self.store_events.push(StoreEvent::Answering);
                    }
                    match pending.what {
                        Purpose::Reset => {}
                        Purpose::Watch => watch = result.err(),
                        Purpose::Control(op) => {
                            let refused = self.shutdown.handle_answer(op, &result, now);
                            if let Some(refusal) = refused {
                                self.store_events.push(StoreEvent::ShutdownWatchRefused(refusal));
                            }
                        }
                        Purpose::Link(id, op) => {
                            if answer(&mut self.links, id, op, result, now, platform) {
                                self.link_requests_at_up = self.link_requests();
                            }
                        }
                    }
                }
            }
        }
        if let Some(refusal) = watch {
            self.handle_watch_refused(refusal, now);
        }
        match self.client.ended() {
            // The daemon reset the ring: submit everything again.
            Some(Ended::RingReset) => self.start_over(now),
            Some(ended) if !core::mem::replace(&mut self.is_end_reported, true) => {
                self.store_events.push(StoreEvent::Ended(ended));
            }
            Some(_) | None => {}
        }
    }

    /// Schedules the retry of a refused watch. Without the watch an introduction is found by its
    /// timer only, so the delay grows by one beat per attempt, up to the period of that timer.
    fn handle_watch_refused(&mut self, refusal: Refusal, now: Instant) {
        if self.watches_refused == 0 {
            self.store_events.push(StoreEvent::WatchRefused(refusal));
        }
        self.watches_refused = self.watches_refused.saturating_add(1);
        let beats = self.watches_refused.min(INTRODUCTION_BEATS);
        self.watch_at = Some(now.after(self.longest_beat().times(beats)));
    }

    /// Retries the watch when it is due. Its first event then makes every link read its nodes.
    pub(super) fn retry_watch(&mut self, now: Instant) {
        if self.watch_at.is_some_and(|at| at <= now) {
            let watch = Request::Watch { path: ROOT, token: WATCH_TOKEN };
            let is_asked = self.submit_own(watch, Purpose::Watch, now);
            self.watch_at = (!is_asked).then(|| now.after(self.longest_beat()));
            self.first_fire_due = false;
        }
    }

    /// Forgets outstanding requests, which will not be answered. The next step starts from the
    /// beginning.
    fn start_over(&mut self, now: Instant) {
        self.forget_store();
        for link in &mut self.links {
            link.handle_store_lost(now);
        }
    }

    /// Submits the links' requests, one per link in turn, while there is room.
    pub(super) fn submit_all(&mut self, now: Instant, platform: &mut impl Platform) {
        self.blocked = false;
        if self.links.is_empty() || self.client.ended().is_some() || self.shutdown.blocks_requests()
        {
            return;
        }
        let own = platform.domid();
        let mut idle = 0;
        while idle < self.links.len() && self.client.in_flight() < REQUESTS_MAX {
            let index = self.turn % self.links.len();
            self.turn = (index + 1) % self.links.len();
            let link = &mut self.links[index];
            let Some(op) = link.next_op(now) else {
                idle += 1;
                continue;
            };
            let Some(place) = self.pending.iter_mut().find(|place| place.is_none()) else {
                return;
            };
            let Some(id) = link.submit(op, now, own, &mut self.client) else {
                self.blocked = true;
                return;
            };
            *place = Some(Pending { id, what: Purpose::Link(link.id, op), issued: now });
            idle = 0;
        }
    }
}

/// Passes a reply to its link. Returns whether the link came up.
fn answer(
    links: &mut [Link],
    link: LinkId,
    op: StoreOp,
    result: Result<Reply<'_>, Refusal>,
    now: Instant,
    platform: &mut impl Platform,
) -> bool {
    let Some(link) = links.get_mut(link.index()) else { return false };
    let was_up = link.endpoint.is_up();
    link.handle_answer(op, result, now, platform);
    super::run_actions(link, now, platform);
    !was_up && link.endpoint.is_up()
}

/// Passes a watch event to its link. An event is only a hint: the link reads the node.
fn route_event(links: &mut [Link], first_fire_due: &mut bool, event: &WatchEvent<'_>) {
    let place = place(event.path.as_bytes());
    let (name, is_about) = match place {
        Place::Elsewhere => return,
        Place::Above => {
            if core::mem::take(first_fire_due) {
                return;
            }
            for link in links {
                link.store.reread_introduction();
                link.endpoint.handle_hint();
            }
            return;
        }
        Place::Introduction(name) => (name, About::Introduction),
        Place::Mailbox(name) => (name, About::Mailbox),
        Place::Stray(name) => (name, About::Stray),
    };
    let Some(link) = links.iter_mut().find(|link| link.name.as_bytes() == name) else { return };
    match is_about {
        About::Introduction => link.store.reread_introduction(),
        About::Mailbox => link.endpoint.handle_hint(),
        About::Stray => link.store.handle_stray(event.path),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Introduction,
    Mailbox,
    Stray,
}
