//! Booted beds that are kept: [`Bed::ready`] boots Xen and dom0 once per daemon, clock, QEMU,
//! file system and flags, saves the machine while dom0 waits for a job, and finds it again later.
//!
//! To resume one takes a second or two, to boot one twenty. The images are not in it: they come in
//! with the job, so a kept bed survives their rebuilding.

use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use crate::base::layout::Claim;
use crate::base::options::{Clock, Daemon};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, rename, write};
use crate::machine::dom0::{Dom0, hex};
use crate::machine::follow::{Follower, POLL};
use crate::machine::job::place_nothing;
use crate::machine::qemu::{Line, Qemu, Start, State, VirtualMachine};
use crate::output::played::Kept;

/// A machine that can be resumed.
#[derive(Debug, Clone)]
pub struct Bed {
    /// Its saved state.
    pub state: PathBuf,
    /// Whether it was there already.
    pub kept: Kept,
}

/// Seed of the boot itself, the same for all: runs bring seeds of their own.
const BOOT_SEED: u64 = 1;

impl Bed {
    /// The bed for this daemon and clock, booted now if there is none that fits.
    pub fn ready(
        beds: &Path,
        qemu: &Qemu,
        dom0: &Dom0,
        (daemon, clock): (Daemon, Clock),
        progress: &Progress,
        limit: &Limit,
    ) -> BedResult<Bed> {
        let identity = qemu.identity(dom0, daemon, clock)?;
        let key: String = hex(&Sha256::digest(identity.as_bytes())).chars().take(16).collect();
        let prefix = format!("{}-{}-", daemon.name(), clock.name());
        let folder = beds.join(format!("{prefix}{key}"));
        // Whoever comes second waits, and then finds it.
        let _claim = Claim::wait(&folder, limit)?;
        let state = folder.join("state.gz");
        if state.is_file() {
            return Ok(Bed { state, kept: Kept::Found });
        }
        progress.step(&format!("booting Xen and dom0 with xenstored {}, once", daemon.name()));
        forget_others(beds, &prefix, &folder);
        let module = folder.join("module");
        place_nothing(&module)?;
        let start = Start {
            state: State::Boot,
            module: &module,
            seed: Some(BOOT_SEED),
            out: &folder,
            line: Line::Log,
        };
        let mut machine = VirtualMachine::start(qemu, dom0, daemon, clock, &start, limit)?;
        await_dom0(&mut machine, &folder, progress, limit)?;
        progress.step("saving the booted bed");
        let part = folder.join("state.part");
        machine.save(&part, limit)?;
        write(&folder.join("identity"), identity.as_bytes())?;
        let _ = std::fs::remove_file(module);
        rename(&part, &state)?;
        Ok(Bed { state, kept: Kept::Booted })
    }
}

/// Waits until dom0 says that it waits for a job.
fn await_dom0(
    machine: &mut VirtualMachine,
    folder: &Path,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<()> {
    let mut dom0 = Follower::new(folder.join("dom0.log"));
    loop {
        for line in dom0.lines() {
            match line.as_str() {
                "@bed waiting" => return Ok(()),
                "@bed failed" => {
                    return Err(machine.trouble("dom0 did not start; see its dom0.log"));
                }
                other => progress.detail(&format!("dom0: {other}")),
            }
        }
        if machine.ended() {
            return Err(machine.trouble("the machine ended while it was booting"));
        }
        limit.check("booting Xen and dom0")?;
        thread::sleep(POLL);
    }
}

/// Removes beds of the same daemon and clock that no longer fit.
fn forget_others(beds: &Path, prefix: &str, keep: &Path) {
    let Ok(listing) = std::fs::read_dir(beds) else { return };
    for entry in listing.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && path != keep {
            // One that cannot be removed only takes up room.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}
