//! Limits of both daemons, at their defaults, each with where it is set.
//!
//! The comparisons are as in the sources: several quotas let one more through than they say.

/// quota_nb_entry_per_domain (C, core.c) and quota-maxentity (oxenstored.conf).
pub const NODES_MAX: i64 = 1000;

/// The quotas that an administrator may have raised: `xenstore-control quota set`, or the daemon's
/// options and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Nodes of a domain, instead of [`NODES_MAX`].
    pub nodes: i64,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas { nodes: NODES_MAX }
    }
}

/// quota_nb_watch_per_domain (C); the check is `>`, so one more is let through.
pub const WATCHES_MAX_C: usize = 128;
/// quota-maxwatch (oxenstored.conf); likewise.
pub const WATCHES_MAX_OCAML: usize = 100;
/// quota_max_transaction (C) and quota-transaction (oxenstored.conf); likewise.
pub const TRANSACTIONS_MAX: usize = 10;
/// quota_max_entry_size (C): a whole node record must be smaller; quota-maxsize: a value at most.
pub const NODE_BYTES_MAX: usize = 2048;
/// quota_nb_perms_per_node (C).
pub const PERMISSIONS_MAX_C: usize = 5;
/// quota_trans_nodes (C).
pub const TRANSACTION_NODES_MAX_C: usize = 1024;
/// quota-maxrequests (oxenstored.conf).
pub const TRANSACTION_REQUESTS_MAX_OCAML: usize = 1024;
/// quota_max_path_len (C): XENSTORE_REL_PATH_MAX.
pub const PATH_BYTES_MAX_C: usize = 2048;
/// quota-path-max (oxenstored.conf).
pub const PATH_BYTES_MAX_OCAML: usize = 1024;
/// quota_req_outstanding (C): from here on the ring is not read.
pub const OUTSTANDING_MAX_C: u32 = 20;
/// quota-maxwatchevents (oxenstored.conf), twice: a queue per connection and one per watch; and
/// the one on its way into the ring. As seen: behaviour.rs has the figure.
pub const EVENTS_WAITING_MAX_OCAML: usize = 2049;
/// timeout_watch_event_msec (C), in nanoseconds.
pub const EVENT_TIMEOUT_NS_C: u64 = 20_000_000_000;
/// sizeof(struct xs_tdb_record_hdr) (C, utils.h).
pub const RECORD_HEADER_BYTES_C: usize = 24;
/// sizeof(struct xs_permissions) (C).
pub const RECORD_PERMISSION_BYTES_C: usize = 8;
