//! The cause of an error and the party at fault, independent of the daemon and of the operation.

use core::fmt;

/// The cause of an error, independent of the daemon's name for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request is invalid.
    Invalid,
    /// There is no such node, watch or transaction.
    Absent,
    /// It exists already.
    Exists,
    /// The node's owner has not granted the permission. With C xenstored, a missing node below an
    /// unreadable parent looks the same.
    Permission,
    /// The operation is restricted to privileged domains.
    Privilege,
    /// The hypervisor isolates unprivileged domains (XSM in SILO mode). Only hypercalls report
    /// this, see [`Cause::of_hypercall`]; the store never does.
    Isolation,
    /// A quota of the own domain is used up, or the value is too large for one node.
    Quota,
    /// A transaction conflicts with another one.
    Conflict,
    /// The operation conflicts with the current state; retry later.
    Busy,
    /// The daemon does not know the operation.
    Unsupported,
    /// The daemon failed, through no fault of the client.
    DaemonFailed,
    /// The daemon violated the protocol.
    DaemonBrokeProtocol,
    /// The daemon does not answer, see [`crate::stall`].
    Stalled,
    /// The daemon returned an error name that this crate does not know.
    Unknown,
}

crate::words! {
    Cause,
    /// One word for logs.
    fn word {
        Invalid => "invalid",
        Absent => "absent",
        Exists => "exists",
        Permission => "permission",
        Privilege => "privilege",
        Isolation => "isolation",
        Quota => "quota",
        Conflict => "conflict",
        Busy => "busy",
        Unsupported => "unsupported",
        DaemonFailed => "daemon-failed",
        DaemonBrokeProtocol => "daemon-broke-protocol",
        Stalled => "stalled",
        Unknown => "unknown",
    }
}

impl Cause {
    /// The cause of a failed event-channel or grant hypercall towards another unprivileged domain
    /// (xen/include/public/errno.h; xen/xsm/silo.c returns EPERM). `errno` is positive.
    pub const fn of_hypercall(errno: u32) -> Cause {
        match errno {
            1 => Cause::Isolation,
            3 => Cause::Absent,
            12 | 28 => Cause::Quota,
            13 => Cause::Permission,
            16 => Cause::Busy,
            17 => Cause::Exists,
            22 => Cause::Invalid,
            38 => Cause::Unsupported,
            _ => Cause::Unknown,
        }
    }

    /// The party at fault.
    pub const fn fault(self) -> Fault {
        match self {
            Cause::Invalid => Fault::Caller,
            Cause::Absent | Cause::Exists | Cause::Conflict | Cause::Busy => Fault::Circumstance,
            Cause::Permission => Fault::Owner,
            Cause::Privilege | Cause::Isolation | Cause::Quota | Cause::Unsupported => {
                Fault::Configuration
            }
            Cause::DaemonFailed | Cause::DaemonBrokeProtocol | Cause::Stalled | Cause::Unknown => {
                Fault::Daemon
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The party that must change something before the request can succeed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The program that submitted the request.
    Caller,
    /// No party: the state of the store at that moment.
    Circumstance,
    /// The owner of the node, who did not grant the permission.
    Owner,
    /// The administrator of the host or of this domain: privilege, quota, isolation, version.
    Configuration,
    /// The xenstore daemon.
    Daemon,
}
