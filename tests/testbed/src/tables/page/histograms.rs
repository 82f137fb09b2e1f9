//! Histograms with a logarithmic axis of time, and streams against the size of a write.

use super::svg::{Anchor, Svg, span};
use crate::evaluation::bench::{Data, Streamed};
use crate::evaluation::figures::Stage;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 20.0;

/// One histogram; none where nothing was counted. Heights are logarithmic too, so that a single one
/// among a thousand shows.
pub(super) fn histogram(name: &str, stage: &Stage) -> Option<String> {
    let (low, _) = *stage.hist.first()?;
    let (high, _) = *stage.hist.last()?;
    // A tenth of a decade to either side.
    let left = (low.max(1) as f64).log10() - 0.1;
    let right = (high.max(2) as f64).log10() + 0.1;
    let most = stage.hist.iter().map(|(_, count)| *count).max()? as f64;
    let x = |ns: f64| LEFT + (ns.log10() - left) / (right - left) * (WIDTH - LEFT - 10.0);
    let tall = |count: f64| (1.0 + count).log10() / (1.0 + most).log10() * (HEIGHT - TOP - BOTTOM);
    let base = HEIGHT - BOTTOM;
    let mut svg = Svg::new(WIDTH, HEIGHT);
    for power in (left.floor() as i32)..=(right.ceil() as i32) {
        for factor in [1.0, 2.0, 5.0] {
            let ns = factor * 10_f64.powi(power);
            if (left..=right).contains(&ns.log10()) {
                svg.line((x(ns), TOP), (x(ns), base), "grid");
                svg.text((x(ns), base + 14.0), Anchor::Middle, "axis", &span(ns));
            }
        }
    }
    let mut count = 1.0;
    while count <= most {
        let y = base - tall(count);
        svg.text((LEFT - 6.0, y + 4.0), Anchor::End, "axis", &format!("{count}"));
        svg.line((LEFT, y), (WIDTH - 10.0, y), "grid");
        count *= 10.0;
    }
    for (at, n) in &stage.hist {
        let start = x((*at).max(1) as f64);
        let height = tall(*n as f64);
        let word = format!("{n} from {}", span(*at as f64));
        svg.bar((start, base - height), (2.6, height), "front", &word);
    }
    if let Some(ns) = stage.ns {
        for (value, word) in [(ns.p50, "p50"), (ns.p99, "p99"), (ns.p999, "p99.9")] {
            svg.line((x(value as f64), TOP), (x(value as f64), base), "tick");
            svg.text((x(value as f64), TOP - 6.0), Anchor::Middle, "mark", word);
        }
    }
    let title = format!("{name}, n = {}", stage.n);
    Some(format!("<figure><figcaption>{title}</figcaption>{}</figure>", svg.finish(&title)))
}

/// Megabytes a second against bytes a write, a line for each number of pages, and one for each of
/// `others`, with its name; none where no stream was timed.
pub(super) fn streams(data: &Data, others: &[(String, Vec<(u64, f64)>)]) -> Option<String> {
    let mut lines: Vec<(String, Vec<(u64, f64)>)> = Vec::new();
    for row in &data.streams {
        let name = format!("{} pages", row.pages);
        let rate = Streamed::megabytes_a_second(row)?;
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((row.size, rate)),
            None => lines.push((name, vec![(row.size, rate)])),
        }
    }
    lines.extend(others.iter().cloned());
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let most = points().map(|(_, rate)| rate).max_by(f64::total_cmp)?;
    let least = points().map(|(_, rate)| rate).min_by(f64::total_cmp)?;
    let (floor, ceiling) = (least.log10().floor(), most.log10().ceil());
    let (width, height) = (760.0, 300.0);
    let base = height - BOTTOM;
    let x = |size: u64| LEFT + (size.max(1) as f64).log2() / 16.0 * (width - LEFT - 130.0);
    let y = |rate: f64| base - (rate.log10() - floor) / (ceiling - floor) * (base - TOP);
    let mut svg = Svg::new(width, height);
    for size in [1, 16, 64, 256, 1024, 4096, 16_384, 65_536] {
        svg.line((x(size), TOP), (x(size), base), "grid");
        svg.text((x(size), base + 14.0), Anchor::Middle, "axis", &format!("{size}"));
    }
    for power in (floor as i32)..=(ceiling as i32) {
        let rate = 10_f64.powi(power);
        svg.line((LEFT, y(rate)), (x(65_536), y(rate)), "grid");
        svg.text((LEFT - 6.0, y(rate) + 4.0), Anchor::End, "axis", &format!("{rate}"));
    }
    let mut labels: Vec<(f64, &str)> = Vec::new();
    for (index, (name, points)) in lines.iter().enumerate() {
        let line: Vec<(f64, f64)> =
            points.iter().map(|(size, rate)| (x(*size), y(*rate))).collect();
        svg.path(&line, &format!("line l{}", index % 6));
        labels.extend(line.last().map(|(_, y)| (*y, name.as_str())));
    }
    // Labels keep a line's height apart.
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = 0.0;
    for (y, name) in labels {
        let place = y.max(free);
        svg.text((x(65_536) + 8.0, place + 4.0), Anchor::Start, "mark", name);
        free = place + 13.0;
    }
    let title = "MB/s against bytes a write, both axes logarithmic";
    Some(format!("<figure><figcaption>{title}</figcaption>{}</figure>", svg.finish(title)))
}
