//! A transaction that meets another write: the daemon must refuse to commit it, with EAGAIN.
//!
//! The other write is our own, outside the transaction: one domain can be its own competitor, so
//! the client is used without its synchronous wrapper, which has no such notion.

use xenbus::blocking::{Port, StoreError, Waited};
use xenbus::stall::Stalled;
use xenbus::{Errno, Incoming, Outcome, Refusal, Reply, Request, TransactionId};

use super::failed::Failed;
use super::nodes;
use crate::machine::Machine;
use crate::store::StoreAccess;

const NODE: &str = "data/selftest/contended";
/// Longest wait for one answer.
const PATIENCE_NS: u64 = 30_000_000_000;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let access = &mut machine.store;
    nodes::write(&mut access.blocking(), NODE, b"1")?;
    let result = contend(access);
    nodes::clean_up(&mut access.blocking())?;
    match result {
        Err(error) if error.is(Errno::Eagain) => Ok(()),
        Err(error) => Err(Failed::found("refused-as-conflict", &error)),
        Ok(()) => Err(Failed::not("refused-as-conflict")),
    }
}

/// Reads in a transaction, writes outside it, writes inside it, and gives what the commit gave.
fn contend(access: &mut StoreAccess) -> Result<(), StoreError> {
    let none = TransactionId::NONE;
    let inside = exchange(access, none, Request::TransactionStart)?.unwrap_or(none);
    exchange(access, inside, Request::Read { path: NODE })?;
    exchange(access, none, Request::Write { path: NODE, value: b"2" })?;
    exchange(access, inside, Request::Write { path: NODE, value: b"3" })?;
    exchange(access, inside, Request::TransactionEnd(Outcome::Commit)).map(drop)
}

/// One request and its answer; the transaction's number if that is the answer.
#[inline(never)]
fn exchange(
    access: &mut StoreAccess,
    transaction: TransactionId,
    request: Request<'_>,
) -> Result<Option<TransactionId>, StoreError> {
    let StoreAccess { ring, client } = access;
    let wanted = client.submit(transaction, request).map_err(StoreError::Submit)?;
    let start = ring.now();
    loop {
        let mut answer: Option<Result<Option<TransactionId>, Refusal>> = None;
        while let Some(incoming) = client.advance(ring) {
            match incoming {
                Incoming::Reply { id, result, .. } if id == wanted => {
                    answer = Some(result.map(|reply| match reply {
                        Reply::Transaction(number) => Some(number),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
        if client.doorbell_due() {
            ring.ring_doorbell();
        }
        if let Some(answer) = answer {
            return answer.map_err(StoreError::Refused);
        }
        if let Some(ended) = client.ended() {
            return Err(StoreError::Ended(ended));
        }
        let waited_ns = ring.now() - start;
        if waited_ns >= PATIENCE_NS {
            return Err(StoreError::Stalled(Stalled { waited_ns, in_flight: client.in_flight() }));
        }
        if ring.wait(start + PATIENCE_NS) == Waited::Slept {
            client.woke();
        }
    }
}
