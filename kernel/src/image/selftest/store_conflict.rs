//! A transaction that meets another write: the daemon must refuse to commit it, with EAGAIN.
//!
//! The other write is our own, outside the transaction: one domain can be its own competitor.

use xenbus::blocking::StoreError;
use xenbus::{Errno, Outcome, Reply, Request, TransactionId};

use super::failed::Failed;
use super::nodes::{self, TestClient};
use crate::image::machine::Machine;

const NODE: &str = "data/selftest/contended";

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let client = &mut machine.store.blocking();
    nodes::write(client, NODE, b"1")?;
    let result = contend(client);
    nodes::clean_up(client)?;
    match result {
        Err(error) if error.is(Errno::Eagain) => Ok(()),
        Err(error) => Err(Failed::found("refused-as-conflict", &error)),
        Ok(()) => Err(Failed::not("refused-as-conflict")),
    }
}

/// Reads in a transaction, writes outside it, writes inside it, and gives what the commit gave.
fn contend(client: &mut TestClient<'_>) -> Result<(), StoreError> {
    let none = TransactionId::NONE;
    let inside = exchange(client, none, Request::TransactionStart)?;
    exchange(client, inside, Request::Read { path: NODE })?;
    exchange(client, none, Request::Write { path: NODE, value: b"2" })?;
    exchange(client, inside, Request::Write { path: NODE, value: b"3" })?;
    exchange(client, inside, Request::TransactionEnd(Outcome::Commit)).map(drop)
}

/// One request and its answer; the transaction if that is the answer.
#[inline(never)]
fn exchange(
    client: &mut TestClient<'_>,
    transaction: TransactionId,
    request: Request<'_>,
) -> Result<TransactionId, StoreError> {
    client.ask_in(transaction, request, |reply| match reply {
        Reply::Transaction(begun) => Ok(begun),
        _ => Ok(TransactionId::NONE),
    })
}
