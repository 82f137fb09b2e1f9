//! The record that the scenario record-replies leaves, with a head that says where it is from.

use recorder::record::Record;

use super::play::Played;
use super::report::Report;

/// The scenario.
pub const SCENARIO: &str = "record-replies";
/// The record's file, in the run's folder.
pub const FILE: &str = "replies.txt";

/// The record with its head; none where the run left none.
pub fn text(report: &Report, played: &Played) -> Option<String> {
    let body = played.results.text("replies")?;
    let answers = Record::parse(&body).map_or(0, |record| record.answers());
    let commit = report.commit.as_deref().unwrap_or("unknown");
    let dirty = if report.dirty == Some(true) { " and what was not committed" } else { "" };
    let bed = report.bed.as_ref()?;
    let (daemon, xen) = (&bed.daemon, bed.xen.as_deref().unwrap_or("the host's"));
    Some(format!(
        "# What the real daemon answered: tests/recorder/ says how to read it.\n\
         # daemon: {daemon}\n\
         # xen: {xen}\n\
         # commit: {commit}{dirty}\n\
         # command: ./run-xen.sh --scenario {SCENARIO} --daemon {daemon}\n\
         # answers: {answers}\n\n{body}"
    ))
}
