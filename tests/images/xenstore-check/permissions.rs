//! Permissions as one domain sees them: its own nodes', and nodes that are not its own.

use xenbus::{Access, Cause, Errno, Permission, Reply, Request};

use super::answer::{Outcome, Wrong, equal, held, name, noted, ok, refused, wrong};
use super::bench::{Bench, Daemon, NONE, WORK};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("permissions-set-and-read", set_and_read),
    Case::new("permissions-are-inherited", inherited),
    Case::new("permissions-keep-the-owner", keep_the_owner),
    Case::new("write-what-dom0-owns", not_ones_own),
    Case::new("read-below-what-is-closed", unreadable),
];

const NODE: &str = "data/check/w/a";

fn read(bench: &mut Bench, path: &str, room: &mut [Permission; 4]) -> Result<usize, Wrong> {
    let count = bench.ask(NONE, Request::GetPermissions { path }, |reply| match reply {
        Reply::Permissions(permissions) => {
            let mut count = 0;
            for (place, permission) in room.iter_mut().zip(permissions) {
                *place = permission;
                count += 1;
            }
            count
        }
        _ => 0,
    });
    ok("get-permissions", count)
}

fn set_and_read(bench: &mut Bench) -> Outcome {
    let owner = Permission { domain: bench.domid, access: Access::Read };
    let dom0 = Permission::both(xenbus::DomId(0));
    let request = Request::SetPermissions { path: WORK, permissions: &[owner, dom0] };
    ok("set-permissions", bench.order(NONE, request))?;
    let mut room = [Permission::owner(bench.domid); 4];
    equal("entries", read(bench, WORK, &mut room)?, 2)?;
    equal("same-entries", room[..2] == [owner, dom0], true)?;
    held()
}

/// A child has its parent's entries, with the domain that made it as owner.
fn inherited(bench: &mut Bench) -> Outcome {
    let dom0 = Permission::read(xenbus::DomId(0));
    ok("set-permissions", bench.permit(WORK, &[dom0]))?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    let mut room = [Permission::owner(bench.domid); 4];
    equal("entries", read(bench, NODE, &mut room)?, 2)?;
    equal("same-entries", room[..2] == [Permission::owner(bench.domid), dom0], true)?;
    held()
}

/// A guest cannot give its nodes away, or others would pay for them.
fn keep_the_owner(bench: &mut Bench) -> Outcome {
    let dom0 = Permission::owner(xenbus::DomId(0));
    let request = Request::SetPermissions { path: WORK, permissions: &[dom0] };
    match bench.order(NONE, request) {
        Err(error) if matches!(error.cause(), Cause::Permission | Cause::Privilege) => {
            noted(name(&error))
        }
        Err(error) => Err(wrong("set-permissions", "EPERM", error)),
        Ok(()) => Err(wrong("set-permissions", "EPERM", "OK")),
    }
}

fn not_ones_own(bench: &mut Bench) -> Outcome {
    // The guest's name: dom0's, and the guest may read it.
    ok("read", bench.read(NONE, "name", &mut [0; 64]).map(drop))?;
    refused("write", bench.write(NONE, "name", b"another"), Errno::Eacces)?;
    refused("remove", bench.remove("name"), Errno::Eacces)?;
    held()
}

/// C xenstored does not say of a node that it is absent to who may not read its parent; oxenstored
/// does.
pub(crate) const fn absent_but_hidden(daemon: Daemon) -> Errno {
    match daemon {
        Daemon::C => Errno::Eacces,
        Daemon::Ocaml => Errno::Enoent,
    }
}

fn unreadable(bench: &mut Bench) -> Outcome {
    let errno = absent_but_hidden(bench.daemon);
    let path = "/local/domain/0/check-nowhere/a";
    refused("read", bench.read(NONE, path, &mut [0; 1]), errno)?;
    noted(errno)
}
