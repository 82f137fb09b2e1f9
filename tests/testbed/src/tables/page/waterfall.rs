//! One connect and one disconnect across both domains, from the marks that the images kept. The
//! clock is Xen's, one for both.

use super::svg::{Anchor, Svg, span};
use crate::evaluation::bench::pairs::is_timed;
use crate::output::guest::Guest;

/// Something that was done or happened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    ns: u64,
    what: String,
}

/// What is drawn: which mark begins it, and which ends it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scene {
    Connect,
    Disconnect,
}

impl Scene {
    fn ends(self) -> (&'static str, &'static str) {
        match self {
            Scene::Connect => ("connect-asked", "connected"),
            Scene::Disconnect => ("disconnect-asked", "released-all"),
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Scene::Connect => "One connect",
            Scene::Disconnect => "One disconnect",
        }
    }

    /// What is shown beyond the end, as a share of what leads to it.
    fn beyond(self) -> u64 {
        match self {
            // The front reads and acknowledges CONNECTED after it is connected.
            Scene::Connect => 60,
            Scene::Disconnect => 20,
        }
    }
}

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 110.0;
const BAR: f64 = 18.0;
const LABEL_ROWS: usize = 5;

/// The drawing; none where the marks of such a scene are not there.
pub(super) fn draw(guests: &[Guest], scene: Scene) -> Option<String> {
    let (begin, end) = scene.ends();
    let with_cycles = |guest: &&Guest| is_timed(guest) && guest.of("mark").next().is_some();
    let is_front = |guest: &Guest| guest.of("hist").next().is_some();
    let front = marks(guests.iter().filter(with_cycles).find(|guest| is_front(guest))?);
    let back = marks(guests.iter().filter(with_cycles).find(|guest| !is_front(guest))?);
    // The last whole one.
    let last = front.iter().rposition(|mark| mark.what == end)?;
    let first = front[..last].iter().rposition(|mark| mark.what == begin)?;
    let (from, done) = (front[first].ns, front[last].ns);
    let until = done + (done - from) * scene.beyond() / 100;

    let mut svg = Svg::new(WIDTH, 3.0 * LANE + 40.0);
    let scale = (WIDTH - LEFT - RIGHT) / (until - from) as f64;
    let x = |ns: u64| LEFT + ns.saturating_sub(from).min(until - from) as f64 * scale;
    let step = step_of((until - from) as f64);
    let mut at = 0.0;
    while at <= (until - from) as f64 {
        let place = LEFT + at * scale;
        svg.line((place, 8.0), (place, 3.0 * LANE + 14.0), "grid");
        svg.text((place, 3.0 * LANE + 30.0), Anchor::Middle, "axis", &span(at));
        at += step;
    }
    for (row, (name, marks)) in [("front", &front), ("back", &back)].into_iter().enumerate() {
        let y = 14.0 + row as f64 * 2.0 * LANE;
        svg.text((8.0, y + 14.0), Anchor::Start, "lane", name);
        for (start, stop) in awake(marks, from, until) {
            let word = format!("{name} awake for {}", span((stop - start) as f64));
            svg.bar((x(start), y), ((x(stop) - x(start)).max(0.8), BAR), name, &word);
        }
        let shown = |mark: &&Mark| (from..=until).contains(&mark.ns);
        let told = |mark: &&Mark| !matches!(mark.what.as_str(), "sleep" | "wake");
        for (index, mark) in marks.iter().filter(shown).filter(told).enumerate() {
            let label = y + BAR + 14.0 + (index % LABEL_ROWS) as f64 * 14.0;
            svg.line((x(mark.ns), y), (x(mark.ns), label - 10.0), "tick");
            svg.text((x(mark.ns), label), Anchor::Start, "mark", &mark.what);
        }
    }
    let y = 14.0 + LANE;
    svg.text((8.0, y + 14.0), Anchor::Start, "lane", "xenstored");
    for (start, stop) in asked(&front, &back, from, until) {
        let word = format!("asked, not answered yet: {}", span((stop - start) as f64));
        svg.bar((x(start), y), ((x(stop) - x(start)).max(0.8), BAR), "store", &word);
    }
    let title = format!("{}: {} from {begin} to {end}", scene.title(), span((done - from) as f64));
    Some(format!("<h4>{title}</h4>{}", svg.finish(&title)))
}

fn marks(guest: &Guest) -> Vec<Mark> {
    guest
        .of("mark")
        .filter_map(|fact| Some(Mark { ns: fact.number("t_ns")?, what: fact.text("what").into() }))
        .collect()
}

/// A round number of nanoseconds that cuts a span into eight or so.
fn step_of(span: f64) -> f64 {
    let rough = span / 8.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|s| *s >= rough)
        .unwrap_or(rough)
}

/// When a domain was awake within the window.
fn awake(marks: &[Mark], from: u64, until: u64) -> Vec<(u64, u64)> {
    let mut spans = Vec::new();
    let mut since = None;
    for mark in marks {
        match mark.what.as_str() {
            "wake" => since = Some(mark.ns),
            "sleep" => {
                if let Some(start) = since.take()
                    && mark.ns >= from
                    && start <= until
                {
                    spans.push((start.max(from), mark.ns.min(until)));
                }
            }
            _ => {}
        }
    }
    spans
}

/// From each doorbell to the next time that either domain is woken: what xenstored has to do lies in
/// there. Its own marks are not to be had.
fn asked(front: &[Mark], back: &[Mark], from: u64, until: u64) -> Vec<(u64, u64)> {
    let mut all: Vec<&Mark> = front.iter().chain(back).collect();
    all.sort_by_key(|mark| mark.ns);
    let mut spans = Vec::new();
    let mut since = None;
    for mark in all.into_iter().filter(|mark| (from..=until).contains(&mark.ns)) {
        match mark.what.as_str() {
            "doorbell" => {
                since.get_or_insert(mark.ns);
            }
            "wake" => spans.extend(since.take().map(|start| (start, mark.ns))),
            _ => {}
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks_of(list: &[(u64, &str)]) -> Vec<Mark> {
        list.iter().map(|(ns, what)| Mark { ns: *ns, what: (*what).into() }).collect()
    }

    #[test]
    fn a_domain_is_awake_from_wake_to_sleep_within_the_window() {
        let marks = marks_of(&[
            (1, "wake"),
            (5, "sleep"),
            (8, "wake"),
            (12, "sleep"),
            (30, "wake"),
            (31, "sleep"),
        ]);
        assert_eq!(awake(&marks, 3, 10), [(3, 5), (8, 10)]);
    }

    #[test]
    fn xenstored_is_asked_from_a_doorbell_to_the_next_wake_up() {
        let front = marks_of(&[(10, "doorbell"), (11, "sleep"), (40, "wake")]);
        let back = marks_of(&[(20, "wake"), (25, "doorbell"), (26, "doorbell")]);
        assert_eq!(asked(&front, &back, 0, 100), [(10, 20), (25, 40)]);
    }

    #[test]
    fn the_axis_has_round_numbers() {
        assert_eq!([step_of(836_000.0), step_of(1_204_000.0)], [200_000.0, 200_000.0]);
    }
}
