//! oxenstored as of Xen 4.17, request by request.
//!
//! The neighbours: [`operations`] the requests on nodes; [`requests`] how a request is taken apart;
//! [`commit`] the end of a transaction; [`fire`] who gets an event. Behaviour follows
//! tools/ocaml/xenstored/{process,store,transaction,connection,connections,quota}.ml of that
//! release; the sentences are ours. Left out: the conflict credit. A domain that makes others'
//! transactions fail waits, once it has none, for a twentieth of a second or so; no answer of the
//! record differs for it.

pub(super) mod commit;
pub(super) mod fire;
pub(super) mod operations;
pub(super) mod requests;
