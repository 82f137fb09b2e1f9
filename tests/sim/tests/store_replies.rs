//! The simulated xenstore daemons answer as the real ones did: every reply and every event of the
//! records in tests/replies/, which `./run-xen.sh --scenario record-replies --daemon both` makes anew
//! (in target/xen/c/replies.txt and target/xen/ocaml/replies.txt).

use recorder::record::Record;
use recorder::script;
use recorder::step::ScriptStep;
use sim::store::replay::{Difference, differences};
use sim::store::{Daemon, Flavour};

/// Fewest replies and events of each daemon.
const ANSWERS_MIN: usize = 1000;
/// How many differences a failure shows.
const SHOWN_MAX: usize = 40;

fn record(flavour: Flavour) -> Record {
    let text = match flavour {
        Flavour::C => include_str!("../../replies/c.txt"),
        Flavour::Ocaml => include_str!("../../replies/ocaml.txt"),
    };
    let record = Record::parse(text).expect("a record");
    let name = if flavour == Flavour::C { "c" } else { "ocaml" };
    assert_eq!(record.value("daemon"), name, "the wrong daemon's record");
    record
}

fn told(found: &[Difference]) -> String {
    let shown: String = found.iter().take(SHOWN_MAX).map(|one| format!("{one}")).collect();
    format!("{} steps differ\n{shown}", found.len())
}

fn model_is_the_daemon(flavour: Flavour) {
    let record = record(flavour);
    let answers = record.answers();
    println!("{} steps, {answers} replies and events", record.entries.len());
    assert!(answers >= ANSWERS_MIN, "only {answers}");
    let found = differences(&record, flavour, |_, _| {});
    assert!(found.is_empty(), "{}", told(&found));
}

#[test]
fn the_model_of_c_xenstored_answers_as_the_daemon_did() {
    model_is_the_daemon(Flavour::C);
}

#[test]
fn the_model_of_oxenstored_answers_as_the_daemon_did() {
    model_is_the_daemon(Flavour::Ocaml);
}

#[test]
fn the_records_are_of_the_present_script() {
    for flavour in [Flavour::C, Flavour::Ocaml] {
        let recorded: Vec<ScriptStep> =
            record(flavour).entries.into_iter().map(|entry| entry.step).collect();
        assert!(recorded == script::steps(), "the script has changed: record anew");
    }
}

#[test]
fn one_daemon_is_not_taken_for_the_other() {
    assert!(!differences(&record(Flavour::C), Flavour::Ocaml, |_, _| {}).is_empty());
    assert!(!differences(&record(Flavour::Ocaml), Flavour::C, |_, _| {}).is_empty());
}

/// A model that loses one event, repeats one or refuses one request, anywhere, is found out.
#[test]
fn a_model_that_slips_once_is_found_out() {
    type Slip = fn(&mut Daemon) -> bool;
    let slips: [(&str, Slip); 2] = [
        ("a spurious event", |daemon| daemon.spurious_event(1)),
        ("a refusal", |daemon| daemon.fail_next(1, sim::store::wire::Errno::Enomem)),
    ];
    for flavour in [Flavour::C, Flavour::Ocaml] {
        let record = record(flavour);
        for (name, slip) in slips {
            for from in [record.entries.len() / 4, record.entries.len() / 2] {
                let mut slipped = false;
                let found = differences(&record, flavour, |at, daemon| {
                    if at >= from && !slipped {
                        slipped = slip(daemon);
                    }
                });
                assert!(slipped, "{name} was not possible");
                assert!(!found.is_empty(), "{name} from step {from} on was not found");
            }
        }
    }
}
