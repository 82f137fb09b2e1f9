//! What a run brings into dom0: [`Job`], an archive of the images, the configurations for `xl`, the
//! scripts of tests/dom0/ and this run's settings.
//!
//! A run on a host that is a dom0 gets the same files as a folder.

use std::path::{Path, PathBuf};

use crate::base::cpio::{Archive, CpioEntry, Mode};
use crate::base::layout::Layout;
use crate::base::roles;
use crate::base::trouble::{BedResult, Trouble, make_folder, read, write};
use crate::machine::packages::files_of;
use crate::machine::qemu::MODULE_BYTES;

/// Where the archive starts in the memory module: behind a page with one line about it.
const ARCHIVE_AT: usize = 4096;

/// What is to be done in dom0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// A file of tests/dom0/scenarios/, without its ending.
    pub scenario: String,
    /// Cycles in each part of it.
    pub cycles: u32,
    /// More shell assignments, as name and value.
    pub settings: Vec<(String, String)>,
    /// More files: where in the archive, and where on this machine.
    pub files: Vec<(String, PathBuf)>,
}

impl Job {
    /// Everything that the job needs, as it lies in dom0.
    pub fn archive(&self, layout: &Layout) -> BedResult<Archive> {
        let scenario = layout.dom0_scripts().join(format!("scenarios/{}.sh", self.scenario));
        if !scenario.is_file() {
            return Err(Trouble::Missing {
                what: format!("scenario {}", self.scenario),
                remedy: "tests/dom0/scenarios/ has those that there are".into(),
            });
        }
        let mut archive = Archive::new();
        for name in ["job.sh", "steps.sh", "faults.sh"] {
            archive.file(name, Mode::Program, read(&layout.dom0_scripts().join(name))?);
        }
        for path in files_of(&layout.dom0_scripts().join("scenarios"))? {
            add(&mut archive, "scenarios", &path, Mode::Data)?;
        }
        let mut configurations = Vec::new();
        for folder in layout.configurations() {
            configurations.extend(files_of(&folder)?);
        }
        for path in configurations {
            add(&mut archive, "xl", &path, Mode::Program)?;
        }
        let images = files_of(&layout.images())?;
        // Not what another run is just putting there.
        for path in images.iter().filter(|path| path.extension().is_some_and(|e| e == "elf")) {
            add(&mut archive, "images", path, Mode::Data)?;
        }
        if self.scenario == roles::RECORDING {
            add(&mut archive, "programs", &layout.recorder(), Mode::Program)?;
        }
        for (place, path) in &self.files {
            archive.file(place, Mode::Program, read(path)?);
        }
        let mut settings = format!("SCENARIO={}\nCYCLES={}\n", self.scenario, self.cycles);
        for (name, value) in &self.settings {
            settings.push_str(&format!("{name}='{}'\n", value.replace('\'', r"'\''")));
        }
        archive.file("settings", Mode::Data, settings.into_bytes());
        Ok(archive)
    }

    /// Writes the archive into the file behind the machine's memory module, as init expects it.
    pub fn place(&self, layout: &Layout, module: &Path) -> BedResult<()> {
        let archive = self.archive(layout)?.to_bytes();
        let mut bytes = format!("TETHER-JOB {}\n", archive.len()).into_bytes();
        bytes.resize(ARCHIVE_AT, 0);
        bytes.extend_from_slice(&archive);
        if bytes.len() > MODULE_BYTES {
            let what = format!("the job has {} bytes, too many for its module", archive.len());
            return Err(Trouble::Bed { what });
        }
        fill(module, &bytes)
    }

    /// Lays the archive out as a folder.
    pub fn unpack(&self, layout: &Layout, folder: &Path) -> BedResult<()> {
        let _ = std::fs::remove_dir_all(folder);
        make_folder(folder)?;
        for (path, entry) in self.archive(layout)?.iter() {
            match entry {
                CpioEntry::Folder => make_folder(&folder.join(path))?,
                CpioEntry::File { bytes, .. } => write(&folder.join(path), bytes)?,
                CpioEntry::Link(_) => unreachable!("a job has no links: see `archive`"),
            }
        }
        Ok(())
    }
}

/// Makes the file behind an empty memory module.
pub(crate) fn place_nothing(module: &Path) -> BedResult<()> {
    fill(module, &[])
}

/// A new file: the old one may still belong to another machine.
fn fill(module: &Path, bytes: &[u8]) -> BedResult<()> {
    let _ = std::fs::remove_file(module);
    write(module, bytes)?;
    let size = |e| Trouble::io(format!("size {}", module.display()), e);
    let file = std::fs::OpenOptions::new().write(true).open(module).map_err(size)?;
    file.set_len(MODULE_BYTES as u64).map_err(size)
}

/// The results that dom0 put where the job had been; nothing where that is not what they are.
pub(crate) fn results(module: &Path, length: usize) -> BedResult<Option<Archive>> {
    let bytes = read(module)?;
    let end = ARCHIVE_AT.saturating_add(length);
    Ok(bytes.get(ARCHIVE_AT..end).and_then(Archive::from_bytes))
}

fn add(archive: &mut Archive, folder: &str, path: &Path, mode: Mode) -> BedResult<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    archive.file(&format!("{folder}/{name}"), mode, read(path)?);
    Ok(())
}
