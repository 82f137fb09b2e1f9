//! C xenstored as of Xen 4.17, request by request.
//!
//! The neighbours: [`view`] is the tree as one request sees it, inside or outside a transaction;
//! [`operations`] the requests on nodes; [`commit`] the end of a transaction; [`fire`] who gets an
//! event; [`limiter`] the write-rate limit. Behaviour follows tools/xenstore/xenstored_core.c,
//! _domain.c, _watch.c and _transaction.c of that release; the sentences are ours.

pub(super) mod commit;
pub(super) mod fire;
pub(super) mod limiter;
pub(super) mod operations;
pub(super) mod requests;
pub(super) mod view;
