//! The image `hostile`: up to a point an honest frontend or backend, by the shipped driver and
//! platform; then it lies, in one way after the other (`kind=`), and begins anew after each.
//!
//! What its victim makes of it is in the victim's console. This one says what it did, and fails
//! only where it could not: where the victim does not come up with it again, for one.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod adversary;
mod chance;
mod honest;
mod lies;

use channel::Role;

use kernel::Options;
use kernel::{ExitStatus, Machine, events, selftest, trace};

use honest::Pair;
use lies::Kind;

kernel::entry!(main, ["role", "kind", "seed"]);

fn main(mut machine: Machine) -> ExitStatus {
    if let Some(verdict) = selftest::run(&mut machine) {
        return verdict;
    }
    match machine.options.own("role") {
        Some("first") => play(machine, Role::Front),
        Some("second") => play(machine, Role::Back),
        _ => ExitStatus::error("hostile takes a part: role=first (front) or role=second"),
    }
}

fn play(machine: Machine, role: Role) -> ExitStatus {
    let kinds = match chosen(&machine.options, role) {
        Ok(kinds) => kinds,
        Err(word) => return ExitStatus::error(format_args!("no kind {word} for this role")),
    };
    if let Err(errno) = events::advertise_shutdown() {
        kernel::say!(Warn, "xl shutdown will not work: {errno}");
    }
    let mut pair = match Pair::new(machine, role) {
        Ok(pair) => pair,
        Err(problem) => return ExitStatus::error(problem),
    };
    for kind in kinds {
        match lies::tell(&mut pair, kind) {
            Ok(count) => trace!("lied kind={} n={count}", kind.word()),
            Err(problem) => return ExitStatus::failure(format_args!("{}: {problem}", kind.word())),
        }
        pair.begin_anew();
    }
    match pair.meet(true) {
        Ok(()) => ExitStatus::success("all lies told, and the victim still serves"),
        Err(problem) => ExitStatus::failure(problem),
    }
}

/// The kinds that the command line names, or all of this role; or a word that is none of them.
fn chosen(options: &Options, role: Role) -> Result<heapless::Vec<Kind, { Kind::ALL.len() }>, &str> {
    let wanted = options.own("kind").unwrap_or("");
    let mut kinds = heapless::Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.suits(role)) {
        if wanted.is_empty() || wanted.split(',').any(|word| word == kind.word()) {
            // As many as there are at most.
            let _ = kinds.push(kind);
        }
    }
    let known = |word: &str| kinds.iter().any(|kind: &Kind| kind.word() == word);
    match wanted.split(',').find(|word| !word.is_empty() && !known(word)) {
        Some(word) => Err(word),
        None => Ok(kinds),
    }
}
