//! report.html: everything that `bench` measured on one page that needs nothing else, and the raw
//! figures beside it.

mod exits;
mod histograms;
mod links;
mod svg;
mod waterfall;

use core::fmt::Write;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::options::Daemon;
use crate::base::trouble::{BedResult, make_folder, write};
use crate::evaluation::bench::{Limit, goals};
use crate::evaluation::counts::hypercalls_but_waits;
use crate::evaluation::figures::Stage;
use crate::evaluation::findings::Findings;
use crate::evaluation::report::Report;
use svg::{escape, not_measured, span};
use waterfall::Scene;

/// One run, as the page wants it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// dom0's daemon.
    pub daemon: Daemon,
    /// What it found.
    pub findings: &'a Findings,
    /// Its report.
    pub report: &'a Report,
}

/// Writes report.html and report.json into `folder`; returns where the page is.
///
/// # Errors
/// The files cannot be written.
pub fn save(folder: &Path, runs: &[Run<'_>]) -> BedResult<PathBuf> {
    make_folder(folder)?;
    let raw: BTreeMap<&str, &Report> =
        runs.iter().map(|run| (run.daemon.name(), run.report)).collect();
    let raw = serde_json::to_string_pretty(&raw).expect("a report is plain data");
    write(&folder.join("report.json"), raw.as_bytes())?;
    let page = folder.join("report.html");
    write(&page, render(runs).as_bytes())?;
    Ok(page)
}

const STYLE: &str = "
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2430; background: #fff; margin: 2rem auto; max-width: 1120px; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.2rem; border-bottom: 1px solid #cfd6df } h4 { margin: 1rem 0 .2rem }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #e3e8ee; text-align: right } th:first-child, td:first-child { text-align: left }
th { font-weight: 600; background: #f4f6f9 } .ok { color: #14713d } .over { color: #a32020 } .none { color: #77808c }
svg { width: 100%; height: auto; display: block } figure { margin: 0 } figcaption { font-weight: 600 }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem 2rem } p.note { color: #4d5866; max-width: 75ch }
.front { fill: #2f6db5 } .back { fill: #c06a1d } .store { fill: #9aa4b1 }
.grid { stroke: #e3e8ee; stroke-width: 1 } .tick { stroke: #6b7683; stroke-width: .8 }
.axis { font-size: 10px; fill: #5c6673 } .mark { font-size: 10.5px; fill: #1c2430 } .lane { font-size: 13px; font-weight: 600; fill: #1c2430 }
.line { fill: none; stroke-width: 2 } .l0 { stroke: #2f6db5 } .l1 { stroke: #c06a1d } .l2 { stroke: #14713d } .l3 { stroke: #8a3fa0 } .l4 { stroke: #a32020 } .l5 { stroke: #5c6673 }
";

/// The page.
fn render(runs: &[Run<'_>]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tether, measured</title>\
         <style>{STYLE}</style><h1>Tether, measured</h1>"
    );
    how(&mut page, runs);
    goals_table(&mut page, runs);
    comparison(&mut page, runs);
    for run in runs {
        let _ = write!(page, "<h2>Waterfall, {}</h2>", xenstored(run.daemon));
        for scene in [Scene::Connect, Scene::Disconnect] {
            let drawn = waterfall::draw(&run.findings.guests, scene);
            page.push_str(&drawn.unwrap_or_else(|| not_measured(scene.title())));
        }
        page.push_str(
            "<p class=\"note\">Coloured: the domain is awake. Grey: from a doorbell to the next \
             wake-up of either side, where xenstored does its part; it keeps no marks of its own. \
             The cycle is the one in the middle of the run.</p>",
        );
    }
    for run in runs {
        let _ = write!(page, "<h2>Histograms, {}</h2><div class=\"plots\">", xenstored(run.daemon));
        for name in ["read", "event", "connect", "first-byte", "disconnect", "rt-1-p1"] {
            let stage = run.findings.stages.get(name);
            let drawn = stage.and_then(|stage| histograms::histogram(name, stage));
            page.push_str(&drawn.unwrap_or_else(|| not_measured(name)));
        }
        page.push_str("</div>");
    }
    for run in runs {
        counts_table(&mut page, run);
        let (daemon, data) = (xenstored(run.daemon), &run.findings.data);
        exits::section(&mut page, daemon, &data.exits);
        links::section(&mut page, daemon, &data.links);
        data_section(&mut page, run);
        times_table(&mut page, run);
    }
    page.push_str(
        "<p class=\"note\">The raw figures are in report.json beside this page.</p></html>\n",
    );
    page
}

fn xenstored(daemon: Daemon) -> &'static str {
    match daemon {
        Daemon::C => "C xenstored",
        Daemon::Ocaml => "oxenstored",
    }
}

fn how(page: &mut String, runs: &[Run<'_>]) {
    let _ = write!(page, "<h2>How it was run</h2><table>");
    let mut row = |name: &str, pick: &dyn Fn(&Report) -> String| {
        let _ = write!(page, "<tr><td>{name}</td>");
        for run in runs {
            let _ = write!(page, "<td>{}</td>", escape(&pick(run.report)));
        }
        page.push_str("</tr>");
    };
    let unknown = || "unknown".to_string();
    row("xenstore daemon", &|report| {
        report.bed.as_ref().map_or_else(unknown, |bed| bed.daemon.clone())
    });
    row("command", &|report| {
        let words = report.command.iter().skip(1).map(String::as_str);
        core::iter::once("./run-xen.sh").chain(words).collect::<Vec<_>>().join(" ")
    });
    row("commit", &|report| {
        let dirty = if report.dirty == Some(true) { ", with changes" } else { "" };
        report.commit.as_ref().map_or_else(unknown, |commit| format!("{commit:.12}{dirty}"))
    });
    row("started", &|report| report.started_utc.clone());
    row("Xen, dom0's Linux", &|report| {
        let bed = report.bed.as_ref();
        let part = |text: Option<&String>| text.cloned().unwrap_or_else(unknown);
        let (xen, linux) =
            (bed.and_then(|bed| bed.xen.as_ref()), bed.and_then(|bed| bed.dom0.as_ref()));
        format!("{}, {}", part(xen), part(linux))
    });
    row("machine", &|report| {
        report.bed.as_ref().and_then(|bed| bed.qemu.clone()).unwrap_or_else(unknown)
    });
    row("clock, seed", &|report| {
        report.bed.as_ref().map_or_else(unknown, |bed| {
            let shift = bed.icount_shift.map_or(String::new(), |shift| format!(", shift {shift}"));
            let seed = bed.seed.map_or("none".into(), |seed| seed.to_string());
            format!("{}{shift}, seed {seed}", bed.clock)
        })
    });
    row("verdict", &|report| format!("{} {}", report.verdict.word(), report.reason));
    page.push_str(
        "</table><p class=\"note\">Counted time is the number of instructions, of both processors \
         together, two nanoseconds each; idle time passes but costs nothing. So a row in which two \
         domains or dom0 work counts what all of them do. While something is measured dom0's script \
         sleeps; xenstored and Xen work whenever they are asked to. &ldquo;In one domain&rdquo; means \
         that everything else was idle. Two runs of one build agree to the byte; other seeds and \
         builds move a median by some per cent.</p>",
    );
}

fn goals_table(page: &mut String, runs: &[Run<'_>]) {
    page.push_str("<h2>Goals</h2><table><tr><th>figure</th>");
    for run in runs {
        let _ = write!(page, "<th>{}</th>", xenstored(run.daemon));
    }
    page.push_str("<th>target</th><th>stretch</th><th>unit</th></tr>");
    let columns: Vec<_> =
        runs.iter().map(|run| goals(&run.findings.stages, &run.findings.data)).collect();
    let Some(rows) = columns.first() else { return };
    for (index, row) in rows.iter().enumerate() {
        let _ = write!(page, "<tr><td>{}</td>", escape(row.name));
        for goal in columns.iter().filter_map(|column| column.get(index)) {
            let class = match (goal.value, goal.target) {
                (None, _) => "none",
                (Some(value), Some(target)) if !target.allows(value) => "over",
                (Some(_), Some(_)) => "ok",
                (Some(_), None) => "",
            };
            let value = goal.value.map_or("not measured".into(), |value| format!("{value:.2}"));
            let _ = write!(page, "<td class=\"{class}\">{value}</td>");
        }
        let limit =
            |limit: Option<Limit>| limit.map_or("-".into(), |limit| escape(&limit.to_string()));
        let (target, stretch) = (limit(row.target), limit(row.stretch));
        let _ = write!(page, "<td>{target}</td><td>{stretch}</td><td>{}</td></tr>", row.unit);
    }
    page.push_str("</table>");
}

/// The parts of what Tether does and of what it is compared with that belong side by side; each a
/// sum of medians.
const SIDE_BY_SIDE: [(&str, [&[&str]; 3]); 6] = [
    (
        "set up, both ends",
        [&["connect"], &["vchan-server-init", "vchan-client-init"], &["blk-attach"]],
    ),
    ("first byte there and back", [&["first-byte"], &["vchan-first-byte"], &[]]),
    ("tear down", [&["disconnect"], &["vchan-close"], &["blk-detach"]]),
    ("1 byte there and back", [&["rt-1-p1"], &["vchan-rt-1-1024"], &[]]),
    (
        "4 KiB there and back, 1 page / ring of 1 KiB",
        [&["rt-4096-p1"], &["vchan-rt-4096-1024"], &[]],
    ),
    (
        "64 KiB there and back, 8 pages / ring of 16 KiB",
        [&["rt-65536-p8"], &["vchan-rt-65536-16384"], &[]],
    ),
];

fn comparison(page: &mut String, runs: &[Run<'_>]) {
    page.push_str("<h2>Beside what people use today</h2>");
    for run in runs {
        let stages = &run.findings.stages;
        let _ = write!(
            page,
            "<table><tr><th>{}, medians</th><th>Tether</th><th>libxenvchan</th>\
             <th>blkfront and blkback</th></tr>",
            xenstored(run.daemon)
        );
        for (name, columns) in SIDE_BY_SIDE {
            let _ = write!(page, "<tr><td>{name}</td>");
            for parts in columns {
                let _ = match (parts.is_empty(), sum_of_medians(stages, parts)) {
                    (true, _) => write!(page, "<td class=\"none\">-</td>"),
                    (_, Some(ns)) => write!(page, "<td>{}</td>", span(ns)),
                    (_, None) => write!(page, "<td class=\"none\">not measured</td>"),
                };
            }
            page.push_str("</tr>");
        }
        let requests = goals(stages, &run.findings.data)
            .into_iter()
            .find(|goal| goal.name.starts_with("requests, connect, both"))
            .and_then(|goal| goal.value);
        let asked = &run.findings.data.asked;
        let number =
            |value: Option<f64>| value.map_or("not measured".into(), |n| format!("{n:.1}"));
        let _ = write!(
            page,
            "<tr><td>xenstore requests, set up</td><td>{}</td><td>{}</td><td>{}</td></tr></table>",
            number(requests),
            number(asked.get("vchan").copied()),
            number(asked.get("blk").copied())
        );
    }
    page.push_str(
        "<p class=\"note\">libxenvchan: set up is the server's init and the client's, which must \
         follow one another; tear down is the client's close alone, which neither waits for the \
         server nor knows what became of the pages. blkfront: from the toolstack's nodes to both \
         ends connected and from closing to both closed, without libxl and hotplug scripts. Their \
         requests are counted by C xenstored's own log, over whole cycles (set up and tear down).</p>",
    );
}

fn sum_of_medians(stages: &BTreeMap<String, Stage>, names: &[&str]) -> Option<f64> {
    names.iter().try_fold(0.0, |sum, name| Some(sum + stages.get(*name)?.ns?.p50 as f64))
}

fn counts_table(page: &mut String, run: &Run<'_>) {
    let _ = write!(
        page,
        "<h2>Counts of one cycle, {}</h2><table><tr><th>stage, side</th><th>READ</th><th>WRITE</th>\
         <th>events</th><th>doorbells</th><th>wake-ups</th><th>with nothing to do</th>\
         <th>hypercalls, no waits</th><th>waits</th></tr>",
        xenstored(run.daemon)
    );
    for (name, stage) in &run.findings.stages {
        for (side, counted) in &stage.sides {
            let counts = &counted.counts;
            let each = |sum: u64| format!("{:.2}", sum as f64 / counted.n.max(1) as f64);
            let of = |kind: &str| each(counts.xs_requests.get(kind).copied().unwrap_or(0));
            let (useful, empty) = counts.wakeups.map_or((0, 0), |wake| (wake.useful, wake.empty));
            let side = if *side == "fe" { "front" } else { "back" };
            let _ = write!(
                page,
                "<tr><td>{name}, {side} (n = {})</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                counted.n,
                of("READ"),
                of("WRITE"),
                each(counts.xs_events_all.unwrap_or(0)),
                each(counts.doorbells.unwrap_or(0)),
                each(useful),
                each(empty),
                each(hypercalls_but_waits(counts)),
                each(counts.hypercalls.get("sched.poll").copied().unwrap_or(0)),
            );
        }
    }
    page.push_str(
        "</table><p class=\"note\">A wake-up with nothing to do is a deadline: the front's rests \
         between two stages are among them. Events that told nothing new are not counted.</p>",
    );
}

fn data_section(page: &mut String, run: &Run<'_>) {
    let data = &run.findings.data;
    let _ = write!(page, "<h2>Data, {}</h2>", xenstored(run.daemon));
    let mut others: Vec<(String, Vec<(u64, f64)>)> = Vec::new();
    for row in &data.vchan {
        let name = format!("vchan, {} B", row.ring);
        let point = (row.size, row.bytes as f64 * 1e3 / row.ns.max(1) as f64);
        match others.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => others.push((name, vec![point])),
        }
    }
    let drawn = histograms::streams(data, &others);
    page.push_str(&drawn.unwrap_or_else(|| not_measured("streams")));
    page.push_str(
        "<table><tr><th>pages</th><th>bytes a write</th><th>MB/s</th><th>events a MB</th></tr>",
    );
    for row in &data.streams {
        let rate = row.megabytes_a_second().map_or("-".into(), |rate| format!("{rate:.2}"));
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{rate}</td><td>{:.1}</td></tr>",
            row.pages,
            row.size,
            row.notified_a_megabyte()
        );
    }
    page.push_str("</table><table><tr><th>in one domain, all others asleep</th><th>bytes</th><th>each</th><th>MB/s</th></tr>");
    for row in &data.alone {
        let ns = row.ns as f64 / row.n.max(1) as f64;
        let rate = row.bytes as f64 * 1e3 / ns;
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{rate:.0}</td></tr>",
            escape(&row.name),
            row.bytes,
            span(ns)
        );
    }
    page.push_str("</table>");
}

fn times_table(page: &mut String, run: &Run<'_>) {
    let _ = write!(
        page,
        "<h2>All times, {}</h2><table><tr><th>what</th><th>n</th><th>min</th><th>p50</th><th>p90</th>\
         <th>p99</th><th>p99.9</th><th>max</th></tr>",
        xenstored(run.daemon)
    );
    for (name, stage) in &run.findings.stages {
        let Some(ns) = stage.ns else { continue };
        let _ = write!(page, "<tr><td>{}</td><td>{}</td>", escape(name), stage.n);
        for value in [ns.min, ns.p50, ns.p90, ns.p99, ns.p999, ns.max] {
            let _ = write!(page, "<td>{}</td>", span(value as f64));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::Clock;
    use crate::evaluation::assemble::assemble;
    use crate::evaluation::bench::tests::played;
    use crate::evaluation::findings::Origin;
    use crate::runs::session::empty_report;

    #[test]
    fn the_page_says_what_was_reached_and_what_was_not_measured() {
        let origin = Origin {
            scenario: "bench".into(),
            daemon: Daemon::C,
            clock: Clock::Counted,
            replay: String::new(),
        };
        let findings = assemble(&played(), &origin, &[]);
        let report = empty_report(&findings.judgement, "2026-01-01T00:00:00Z");
        let page = render(&[Run { daemon: Daemon::C, findings: &findings, report: &report }]);
        // Four requests a connect: the target.
        assert!(page.contains("requests, connect, both ends</td><td class=\"ok\">4.00</td>"));
        assert!(page.contains("One connect: 400 ns from connect-asked to connected"));
        assert!(page.contains("event: not measured"));
        // It needs nothing from anywhere.
        assert!(!page.contains("http") && !page.contains("src=") && !page.contains("<script"));
    }
}
