//! The daemon's side of a domain's ring page (struct xenstore_domain_interface).
//!
//! Both daemons move what fits and come back for the rest, so a message may be cut at any byte; a
//! simulated daemon cuts more often still, by the `most` that the world hands in.

use super::wire::RING_BYTES;
use crate::base::page::Page;

/// req[], the requests.
pub const REQUESTS_AT: usize = 0;
/// rsp[], the replies.
pub const REPLIES_AT: usize = 1024;
/// req_cons
pub const REQUEST_CONSUMER_AT: usize = 2048;
/// req_prod
pub const REQUEST_PRODUCER_AT: usize = 2052;
/// rsp_cons
pub const REPLY_CONSUMER_AT: usize = 2056;
/// rsp_prod
pub const REPLY_PRODUCER_AT: usize = 2060;
/// server_features
pub const SERVER_FEATURES_AT: usize = 2064;
/// connection
pub const CONNECTION_AT: usize = 2068;
/// error
pub const ERROR_AT: usize = 2072;

/// XENSTORE_ERROR_RINGIDX
pub const ERROR_RING_INDEX: u32 = 2;
/// XENSTORE_ERROR_PROTO
pub const ERROR_PROTOCOL: u32 = 3;

/// The guest has written indices that are further apart than the ring is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIndices;

/// Request bytes that wait in the ring.
pub fn waiting(page: &Page) -> Result<u32, BadIndices> {
    distance(page.load(REQUEST_CONSUMER_AT), page.load(REQUEST_PRODUCER_AT))
}

/// Free bytes in the reply ring.
pub fn room(page: &Page) -> Result<u32, BadIndices> {
    let used = distance(page.load(REPLY_CONSUMER_AT), page.load(REPLY_PRODUCER_AT))?;
    Ok(RING_BYTES - used)
}

fn distance(consumer: u32, producer: u32) -> Result<u32, BadIndices> {
    let used = producer.wrapping_sub(consumer);
    if used > RING_BYTES { Err(BadIndices) } else { Ok(used) }
}

/// Reads up to `into.len()` bytes of requests, at most to the end of the ring's memory, and at
/// most `most`.
pub fn read(page: &Page, into: &mut [u8], most: usize) -> Result<usize, BadIndices> {
    let waiting = waiting(page)?;
    let consumer = page.load(REQUEST_CONSUMER_AT);
    let start = (consumer % RING_BYTES) as usize;
    let to_end = RING_BYTES as usize - start;
    let count = into.len().min(waiting as usize).min(to_end).min(most);
    page.copy_from(REQUESTS_AT + start, &mut into[..count]);
    page.store(REQUEST_CONSUMER_AT, consumer.wrapping_add(count as u32));
    Ok(count)
}

/// Writes a beginning of `from` into the reply ring, at most to the end of the ring's memory, and
/// at most `most` bytes.
pub fn write(page: &Page, from: &[u8], most: usize) -> Result<usize, BadIndices> {
    let room = room(page)?;
    let producer = page.load(REPLY_PRODUCER_AT);
    let start = (producer % RING_BYTES) as usize;
    let to_end = RING_BYTES as usize - start;
    let count = from.len().min(room as usize).min(to_end).min(most);
    page.copy_to(REPLIES_AT + start, &from[..count]);
    page.store(REPLY_PRODUCER_AT, producer.wrapping_add(count as u32));
    Ok(count)
}

/// Sets all four indices to zero, as C xenstored does when it introduces a domain.
pub fn reset(page: &Page) {
    for at in [REQUEST_CONSUMER_AT, REQUEST_PRODUCER_AT, REPLY_CONSUMER_AT, REPLY_PRODUCER_AT] {
        page.store(at, 0);
    }
}
