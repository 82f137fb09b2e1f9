//! The other domain: the same image with `role=second`, which does what the first one asks for.
//!
//! An order is a node in the second's home that only the first may write: `NUMBER VERB PATH VALUE`.
//! The answer is a node beside it that the first may read: `NUMBER WORDS`. dom0's script says who
//! the other one is, in the node `data/check/other` of each.

use alloc::string::String;
use core::time::Duration;

use xenbus::blocking::StoreError;
use xenbus::{DomId, Permission};

use super::answer::{Text, Wrong, name, ok, some, text, words, wrong};
use super::bench::{BASE, Bench, NONE, Second};
use kernel::ExitStatus;

/// Where dom0's script says who the other domain is.
const OTHER: &str = "data/check/other";
/// Where the first domain leaves orders, in the second's home.
const ORDER: &str = "data/check/order";
/// Where the second leaves answers.
const ANSWER: &str = "data/check/answer";

/// How long one domain waits for the other: dom0 takes seconds to create a domain.
const PATIENCE: Duration = Duration::from_secs(120);
/// A node is read again this often even if no event came.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The token of the watch that the first domain orders.
const ORDERED: &str = "ordered";

/// Waits until `path` holds something that `take` accepts.
pub(crate) fn await_node<T>(
    bench: &mut Bench,
    path: &str,
    span: Duration,
    mut take: impl FnMut(&str) -> Option<T>,
) -> Result<T, Wrong> {
    const TOKEN: &str = "await";
    let until = bench.now().saturating_add(span.as_nanos() as u64);
    ok("watch", bench.watch(path, TOKEN))?;
    let found = loop {
        let mut room = [0; 128];
        if let Ok(value) = bench.read(NONE, path, &mut room)
            && let Some(found) = core::str::from_utf8(value).ok().and_then(&mut take)
        {
            break Some(found);
        }
        if bench.now() >= until {
            break None;
        }
        // What it says is in the node.
        let _ = bench.event_of(TOKEN, LOOK_AGAIN);
    };
    ok("unwatch", bench.unwatch(path, TOKEN))?;
    bench.forget_events_of(TOKEN);
    some("other-domain", "an-answer", found)
}

/// The first domain: waits until the second is there and answers.
pub(crate) fn find(bench: &mut Bench) -> Result<Second, Wrong> {
    let number = |text: &str| text.parse().ok().map(DomId);
    let domid = await_node(bench, OTHER, PATIENCE, number)?;
    let mut second = Second { domid, orders: 0 };
    second.answer(bench)?;
    Ok(second)
}

impl Second {
    /// Has it do something, and returns what it says to that.
    pub(crate) fn order(
        &mut self,
        bench: &mut Bench,
        verb: &str,
        path: &str,
        value: &str,
    ) -> Result<Text, Wrong> {
        self.give(bench, verb, path, value)?;
        self.answer(bench)
    }

    /// Has it do something, without waiting.
    pub(crate) fn give(
        &mut self,
        bench: &mut Bench,
        verb: &str,
        path: &str,
        value: &str,
    ) -> Result<(), Wrong> {
        self.orders += 1;
        let order = text(format_args!("{} {verb} {path} {value}", self.orders));
        ok("order", bench.write(NONE, &self.path(ORDER), order.as_bytes()))
    }

    /// What it says to the last order.
    pub(crate) fn answer(&mut self, bench: &mut Bench) -> Result<Text, Wrong> {
        let wanted = self.orders;
        await_node(bench, &self.path(ANSWER), PATIENCE, |answer| {
            let (number, said) = answer.split_once(' ')?;
            (number.parse() == Ok(wanted)).then(|| words(said))
        })
    }

    /// An absolute path in its home.
    pub(crate) fn path(&self, below: &str) -> Text {
        words(format_args!("/local/domain/{}/{below}", self.domid))
    }
}

/// The second domain: obeys until it is told to finish.
pub(crate) fn serve(bench: &mut Bench) -> ExitStatus {
    match obey(bench) {
        Ok(orders) => ExitStatus::success(format_args!("{orders} orders obeyed")),
        Err(Wrong { step, expected, got }) => {
            ExitStatus::failure(format_args!("{step} expected {expected} got {got}"))
        }
    }
}

fn obey(bench: &mut Bench) -> Result<u32, Wrong> {
    let number = |text: &str| text.parse().ok().map(DomId);
    let first = await_node(bench, OTHER, PATIENCE, number)?;
    ok("write", bench.write(NONE, ORDER, b""))?;
    ok("permit", bench.permit(ORDER, &[Permission::both(first)]))?;
    ok("write", bench.write(NONE, ANSWER, b"0 ready"))?;
    ok("permit", bench.permit(ANSWER, &[Permission::read(first)]))?;
    let mut done = 0;
    loop {
        let (number, order) = await_node(bench, ORDER, Duration::from_secs(3600), |text| {
            let (number, rest) = text.split_once(' ')?;
            let number: u32 = number.parse().ok()?;
            (number > done).then(|| (number, String::from(rest)))
        })?;
        done = number;
        let (said, finish) = perform(bench, &order)?;
        let answer = text(format_args!("{done} {said}"));
        ok("answer", bench.write(NONE, ANSWER, answer.as_bytes()))?;
        if finish {
            return Ok(done);
        }
    }
}

/// Does what one order says; true if it was the last.
fn perform(bench: &mut Bench, order: &str) -> Result<(Text, bool), Wrong> {
    let mut parts = order.splitn(3, ' ');
    let (verb, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let value = parts.next().unwrap_or("");
    let said = match verb {
        "read" => {
            let mut room = [0; 32];
            match bench.read(NONE, path, &mut room) {
                Ok(value) => words(format_args!("OK:{}", value.escape_ascii())),
                Err(error) => name(&error),
            }
        }
        "write" => said(bench.write(NONE, path, value.as_bytes())),
        "remove" => said(bench.remove(path)),
        "watch" => said(bench.watch(path, ORDERED)),
        "unwatch" => {
            let result = bench.unwatch(path, ORDERED);
            bench.forget_events_of(ORDERED);
            said(result)
        }
        // Waits for one event of the ordered watch.
        "event" => match bench.event_of(ORDERED, LOOK_AGAIN) {
            Some(seen) => words(seen.path),
            None => words("none"),
        },
        // Lets its ring fill up: for so many milliseconds it does not look.
        "sleep" => {
            bench.pause(Duration::from_millis(value.parse().unwrap_or(0)));
            words("OK")
        }
        "finish" => return Ok((words("OK"), true)),
        _ => return Err(wrong("order", "a-verb", verb)),
    };
    Ok((said, false))
}

fn said(result: Result<(), StoreError>) -> Text {
    result.map_or_else(|error| name(&error), |()| words("OK"))
}

/// Makes the cases' directory in this domain's home.
pub(crate) fn prepare(bench: &mut Bench) -> Result<(), Wrong> {
    ok("write", bench.write(NONE, BASE, b""))
}
