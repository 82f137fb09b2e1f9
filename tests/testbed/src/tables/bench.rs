//! What `bench` measured, as tables on stdout.

use core::fmt::Write;

use crate::base::roles;
use crate::evaluation::bench::{Data, Limit, exits, goals, links};
use crate::evaluation::findings::Findings;

/// The goals and what was reached, for people; empty where `bench` did not run.
pub(crate) fn table(findings: &Findings) -> String {
    let mut text = String::new();
    if !findings.guests.iter().any(|guest| guest.role == roles::BENCH) {
        return text;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "\nGoals: what was reached, of target and stretch");
    for goal in goals(&findings.stages, &findings.data) {
        let value = goal.value.map_or("not measured".to_string(), |value| format!("{value:.3}"));
        let limit = |limit: Option<Limit>| limit.map_or("-".to_string(), |limit| limit.to_string());
        let _ = writeln!(
            text,
            "  {:<58} {value:>12} {:>10} {:>10}  {}",
            goal.name,
            limit(goal.target),
            limit(goal.stretch),
            goal.unit
        );
    }
    show_data(&mut text, &findings.data);
    links::show(&mut text, &findings.data.links);
    exits::show(&mut text, &findings.data.exits);
    text
}

fn show_data(text: &mut String, data: &Data) {
    if !data.streams.is_empty() {
        let _ = writeln!(text, "\nStreams over a connection, both domains at work");
        let _ = writeln!(text, "  pages  bytes a write       MB/s  events a MB, FE + BE");
    }
    for row in &data.streams {
        let rate = row.megabytes_a_second().map_or("-".to_string(), |rate| format!("{rate:.2}"));
        let (fe, be) = (row.notified_fe as f64, row.notified_be as f64);
        let megabytes = row.bytes as f64 / 1e6;
        let _ = writeln!(
            text,
            "  {:>5} {:>14} {rate:>10}  {:.1} + {:.1}",
            row.pages,
            row.size,
            fe / megabytes,
            be / megabytes
        );
    }
    if !data.alone.is_empty() {
        let _ = writeln!(text, "\nIn one domain, all others asleep");
    }
    for row in &data.alone {
        let ns = row.ns as f64 / row.n as f64;
        let rate = row.bytes as f64 * 1e3 / ns;
        let _ = writeln!(
            text,
            "  {:<18} {:>6} bytes {ns:>10.1} ns each {rate:>10.1} MB/s",
            row.name, row.bytes
        );
    }
}
