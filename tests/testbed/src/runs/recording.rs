//! The record that the scenario record-replies leaves, with a head that says where it is from: which
//! daemon of which Xen. Of which commit, its steps say: a test compares them with the script, whose
//! record is committed with it.

use recorder::record::Record;

use crate::base::roles;
use crate::evaluation::report::Report;
use crate::output::played::Played;

/// The record's file, in the run's folder.
pub const FILE: &str = "replies.txt";

/// The record with its head; none where the run left none.
pub fn text(report: &Report, played: &Played) -> Option<String> {
    let body = played.results.text("replies")?;
    let answers = Record::parse(&body).map_or(0, |record| record.answers());
    let bed = report.bed.as_ref()?;
    let (daemon, xen) = (&bed.daemon, bed.xen.as_deref().unwrap_or("the host's"));
    Some(format!(
        "# What the real daemon answered: tests/recorder/ says how to read it.\n\
         # daemon: {daemon}\n\
         # xen: {xen}\n\
         # command: ./run-xen.sh --scenario {} --daemon {daemon}\n\
         # answers: {answers}\n\n{body}",
        roles::RECORDING
    ))
}
