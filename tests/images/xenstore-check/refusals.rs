//! What a guest may ask for and will not get, and what it gets under a name of the daemon's own.

use xenbus::{Cause, DomId, Request};

use super::answer::{Outcome, Text, equal, held, name, noted, ok, refused_for, same, words, wrong};
use super::bench::{Bench, Daemon, NONE};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("domain-path", domain_path),
    Case::new("is-domain-introduced-is-refused", introduced),
    Case::new("control-is-refused", control),
    Case::new("remove-the-root-is-refused", root),
];

/// The path of any number, whether there is such a domain or not.
fn domain_path(bench: &mut Bench) -> Outcome {
    for domain in [bench.domid, DomId(0), DomId(4242)] {
        let mut room = [0; 32];
        let path = ok("path", bench.access.blocking().domain_path(domain, &mut room))?;
        same("path", path, words(format_args!("/local/domain/{domain}")).as_bytes())?;
    }
    held()
}

fn introduced(bench: &mut Bench) -> Outcome {
    let answer = bench.order(NONE, Request::IsDomainIntroduced(DomId(0)));
    noted(refused_for("is-domain-introduced", answer, Cause::Permission)?)
}

/// C xenstored refuses it. oxenstored says that it is done, and does nothing.
fn control(bench: &mut Bench) -> Outcome {
    let answer = bench.ask(NONE, Request::Control(&["help"]), |reply| match reply {
        xenbus::Reply::Control(said) => words(said.escape_ascii()),
        _ => Text::new(),
    });
    match (bench.daemon, answer) {
        (Daemon::C, answer) => noted(refused_for("control", answer, Cause::Permission)?),
        (Daemon::Ocaml, Ok(said)) => {
            equal("said", said.as_str(), "OK\\x00")?;
            noted("OK,-and-nothing-done")
        }
        (Daemon::Ocaml, Err(error)) => Err(wrong("control", "OK", error)),
    }
}

/// The root is nobody's to remove; the daemons need not agree on why.
fn root(bench: &mut Bench) -> Outcome {
    match bench.remove("/") {
        Err(error) if matches!(error.cause(), Cause::Permission | Cause::Invalid) => {
            noted(name(&error))
        }
        Err(error) => Err(wrong("remove", "EACCES-or-EINVAL", name(&error))),
        Ok(()) => Err(wrong("remove", "EACCES-or-EINVAL", "OK")),
    }
}
