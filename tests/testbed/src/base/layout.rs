//! Where things are: [`Layout`], the folders of the workspace that the bed reads and writes, and
//! [`Claim`], the lock that keeps two runs out of one folder.

use core::time::Duration;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, make_folder};

/// The folders of one run.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The top of the workspace.
    pub workspace: PathBuf,
    /// What runs share and keep: packages, dom0's file system, booted beds.
    pub store: PathBuf,
    /// Where this run's report and logs go.
    pub out: PathBuf,
}

impl Layout {
    /// The folders of the tree that the current folder belongs to, with `out` where given, else the
    /// default. The tree is not the one that this program was built in: that one may have been copied
    /// or moved since.
    pub fn new(out: Option<&Path>) -> BedResult<Layout> {
        let here = std::env::current_dir().map_err(|e| Trouble::io("find the work folder", e))?;
        let workspace = workspace_of(&here)?;
        let store = workspace.join("target/xen");
        let out = match out {
            None => store.clone(),
            Some(path) => std::path::absolute(path).map_err(|e| Trouble::io("find --out", e))?,
        };
        make_folder(&out)?;
        make_folder(&store)?;
        Ok(Layout { workspace, store, out })
    }

    /// The same, with another folder for the report and the logs.
    pub fn with_out(&self, out: PathBuf) -> BedResult<Layout> {
        make_folder(&out)?;
        Ok(Layout { out, ..self.clone() })
    }

    /// Downloaded packages and what was unpacked of them.
    pub fn cache(&self) -> PathBuf {
        self.store.join("cache")
    }

    /// Booted beds.
    pub fn beds(&self) -> PathBuf {
        self.store.join("beds")
    }

    /// The images that runs use.
    pub fn images(&self) -> PathBuf {
        self.store.join("images")
    }

    /// Where `cargo image` leaves what it links (.cargo/config.toml).
    pub fn built_images(&self) -> PathBuf {
        self.workspace.join("target/image/x86_64-unknown-linux-gnu/image")
    }

    /// The program that records a daemon's answers, where `cargo dom0-programs` leaves it.
    pub fn recorder(&self) -> PathBuf {
        self.workspace.join("target/dom0/x86_64-unknown-linux-gnu/release/store-recorder")
    }

    /// The scripts that run in dom0.
    pub fn dom0_scripts(&self) -> PathBuf {
        self.workspace.join("tests/dom0")
    }

    /// The folders of the configurations for `xl create`: those that an operator uses, with
    /// `introduce`, and those of the test images.
    pub fn configurations(&self) -> [PathBuf; 2] {
        ["toolstack", "tests/images/xl"].map(|folder| self.workspace.join(folder))
    }
}

/// What only the top of the workspace has.
const LANDMARKS: [&str; 3] = ["run-xen.sh", "tests/dom0/job.sh", ".cargo/image.toml"];

/// The innermost workspace that `folder` is in.
fn workspace_of(folder: &Path) -> BedResult<PathBuf> {
    let is_top = |top: &Path| LANDMARKS.iter().all(|file| top.join(file).is_file());
    let top = folder.ancestors().find(|top| is_top(top)).map(Path::to_path_buf);
    top.ok_or_else(|| Trouble::Missing {
        what: format!("a Tether tree at or above {}", folder.display()),
        remedy: "call run-xen.sh of the tree that is meant".into(),
    })
}

/// A folder held by this process until dropped; the operating system lets go of it when the process
/// ends, however it ends.
#[derive(Debug)]
pub struct Claim {
    _file: File,
}

impl Claim {
    /// Takes `folder`, or says who has it.
    pub fn take(folder: &Path) -> BedResult<Claim> {
        let mut file = open(folder)?;
        match file.try_lock() {
            Ok(()) => sign(&mut file, folder),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Err(Trouble::Busy { holder: holder.trim().to_string() })
            }
            Err(TryLockError::Error(e)) => {
                Err(Trouble::io(format!("lock {}", folder.display()), e))
            }
        }
    }

    /// Takes `folder`, waiting for whoever has it: for short work on what runs share.
    pub fn wait(folder: &Path, limit: &Limit) -> BedResult<Claim> {
        loop {
            match Claim::take(folder) {
                Err(Trouble::Busy { holder }) => limit.check(&format!("{holder} was at work"))?,
                other => return other,
            }
            std::thread::sleep(POLL);
        }
    }
}

/// How often a lock that another run has is asked for.
const POLL: Duration = Duration::from_millis(50);

fn open(folder: &Path) -> BedResult<File> {
    make_folder(folder)?;
    let path = folder.join("lock");
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| Trouble::io(format!("open {}", path.display()), e))
}

/// Writes down who holds the lock, for the one that finds it taken.
fn sign(file: &mut File, folder: &Path) -> BedResult<Claim> {
    let line: Vec<String> = std::env::args().skip(1).collect();
    let text = format!("process {} (run-xen.sh {})\n", std::process::id(), line.join(" "));
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(|e| Trouble::io(format!("write {}/lock", folder.display()), e))?;
    let file = file.try_clone().map_err(|e| Trouble::io("keep the lock", e))?;
    Ok(Claim { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_told_who_holds_the_first() {
        let folder = std::env::temp_dir().join(format!("tether-claim-{}", std::process::id()));
        let first = Claim::take(&folder).expect("a free folder");
        match Claim::take(&folder) {
            Err(Trouble::Busy { holder }) => {
                assert!(holder.contains(&std::process::id().to_string()), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(Claim::take(&folder).is_ok());
        let _ = std::fs::remove_dir_all(folder);
    }
}
