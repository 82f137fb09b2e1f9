//! A connect where its back has many links: a table, and the medians against the number of links.

use core::fmt::Write;

use super::svg::{Anchor, Svg, not_measured, span};
use crate::evaluation::bench::Links;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 30.0;

/// What is shown, by its stage and for people.
const SHOWN: [(&str, &str); 3] =
    [("read", "READ (RT)"), ("connect", "connect"), ("disconnect", "disconnect")];

/// The part of the page for one daemon.
pub(super) fn section(page: &mut String, daemon: &str, rows: &[Links]) {
    let _ = write!(page, "<h2>Many links on one back, {daemon}</h2>");
    if rows.is_empty() {
        page.push_str(&not_measured("many links"));
        return;
    }
    page.push_str(&plot(rows).unwrap_or_default());
    page.push_str("<table><tr><th>links up</th><th>cycles</th>");
    for (_, name) in SHOWN {
        let _ = write!(page, "<th>{name}, p50</th><th>p99</th>");
    }
    page.push_str("<th>connect / RT</th><th>requests a connect</th></tr>");
    for row in rows {
        let cycles = row.stages.get("connect").map_or(0, |stage| stage.n);
        let _ = write!(page, "<tr><td>{}</td><td>{cycles}</td>", row.links);
        for (stage, _) in SHOWN {
            for ns in [row.median(stage), row.p99(stage)] {
                // The unit stays beside its number.
                let said = ns.map_or("-".into(), span).replace(' ', "&nbsp;");
                let _ = write!(page, "<td>{said}</td>");
            }
        }
        let in_reads = row.median("connect").zip(row.median("read")).map(|(all, rt)| all / rt);
        for number in [in_reads, row.requests("connect")] {
            let said = number.map_or("-".into(), |number| format!("{number:.2}"));
            let _ = write!(page, "<td>{said}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str(
        "</table><p class=\"note\">One back, and so many fronts with their sessions up, each a domain \
         of its own. One of them is timed: first its READs, then its cycles; all others are idle. The \
         back of the first row has one link, the back of the others as many as the last row says. \
         Requests are those of both ends; a beat of another link that falls due is among them.</p>",
    );
}

/// Medians, all from zero; none where nothing was timed.
fn plot(rows: &[Links]) -> Option<String> {
    let medians = |stage: &str| -> Option<Vec<(u64, f64)>> {
        rows.iter().map(|row| Some((row.links, row.median(stage)?))).collect()
    };
    let lines: Vec<(&str, Vec<(u64, f64)>)> =
        SHOWN.iter().map(|(stage, name)| Some((*name, medians(stage)?))).collect::<Option<_>>()?;
    let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let most_links = points().map(|(links, _)| links).max()?.max(2);
    let step = step_of(points().map(|(_, ns)| ns).max_by(f64::total_cmp)?);
    let (base, top) = (HEIGHT - BOTTOM, step * 5.0);
    let x = |links: u64| {
        LEFT + (links as f64).log2() / (most_links as f64).log2() * (WIDTH - LEFT - RIGHT)
    };
    let y = |ns: f64| base - ns / top * (base - TOP);
    let mut svg = Svg::new(WIDTH, HEIGHT);
    for row in rows {
        svg.line((x(row.links), TOP), (x(row.links), base), "grid");
        let links = row.links.to_string();
        svg.text((x(row.links), base + 14.0), Anchor::Middle, "axis", &links);
    }
    for count in 0..=5 {
        let ns = step * f64::from(count);
        svg.line((LEFT, y(ns)), (x(most_links), y(ns)), "grid");
        svg.text((LEFT - 6.0, y(ns) + 4.0), Anchor::End, "axis", &span(ns));
    }
    let mut labels: Vec<(f64, &str)> = Vec::new();
    for (index, (name, points)) in lines.iter().enumerate() {
        let line: Vec<(f64, f64)> = points.iter().map(|(links, ns)| (x(*links), y(*ns))).collect();
        svg.path(&line, &format!("line l{index}"));
        labels.push((line.last()?.1, *name));
    }
    // From the lowest line up, a line's height apart.
    labels.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut free = f64::INFINITY;
    for (y, name) in labels {
        let place = y.min(free);
        svg.text((x(most_links) + 8.0, place + 4.0), Anchor::Start, "mark", name);
        free = place - 13.0;
    }
    let title = "Medians against the number of links that are up on one back";
    Some(format!("<figure><figcaption>{title}</figcaption>{}</figure>", svg.finish(title)))
}

/// A round fifth of what is not below `most`.
fn step_of(most: f64) -> f64 {
    let rough = (most / 5.0).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(rough)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Links, section, step_of};
    use crate::base::stats::Spread;
    use crate::evaluation::figures::Stage;

    fn row(links: u64, [read, connect, disconnect]: [u64; 3]) -> Links {
        let stage = |ns: u64| Stage {
            n: 200,
            ns: Spread::of(&[ns]),
            hist: Vec::new(),
            xs_requests: None,
            hypercalls: None,
            sides: BTreeMap::new(),
        };
        let timed = [("read", read), ("connect", connect), ("disconnect", disconnect)];
        let stages = timed.into_iter().map(|(name, ns)| (name.to_string(), stage(ns))).collect();
        Links { links, stages }
    }

    #[test]
    fn each_number_of_links_has_its_row_and_its_place_in_the_plot() {
        let rows = [
            row(1, [132_000, 1_004_000, 889_000]),
            row(4, [146_000, 1_073_000, 950_000]),
            row(32, [281_000, 1_688_000, 1_507_000]),
        ];
        let mut page = String::new();
        section(&mut page, "C xenstored", &rows);
        assert!(page.contains("<tr><td>32</td><td>200</td><td>281&nbsp;us</td>"));
        assert!(page.contains("<td>6.01</td><td>-</td></tr>"));
        assert_eq!(page.matches("<polyline").count(), 3);
        page.clear();
        section(&mut page, "C xenstored", &[]);
        assert!(page.contains("many links: not measured"));
    }

    #[test]
    fn five_steps_reach_the_longest() {
        assert_eq!([step_of(835_600.0), step_of(1_204_000.0)], [200_000.0, 250_000.0]);
    }
}
