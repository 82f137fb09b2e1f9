//! What a run brings into dom0: [`Job`], an archive of the images, the configurations for `xl`, the
//! scripts of tests/dom0/ and this run's settings.
//!
//! A run on a host that is a dom0 gets the same files as a folder.

use std::path::{Path, PathBuf};

use super::cpio::{Archive, Entry, Mode};
use super::dom0::gzip;
use super::layout::Layout;
use super::packages::files_of;
use super::qemu::JOB_FILES_MAX;
use super::trouble::{Outcome, Trouble, make_folder, read, write};

/// Bytes of one fw_cfg file: dom0 reads a page at a time, and to find its place within a file the
/// driver reads it again from the start, one trapped byte after the other.
const PIECE_BYTES: usize = 4096;

/// What is to be done in dom0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// A file of tests/dom0/scenarios/, without its ending.
    pub scenario: String,
    /// Cycles in each part of it.
    pub cycles: u32,
    /// More shell assignments, as name and value.
    pub settings: Vec<(String, String)>,
}

impl Job {
    /// Everything that the job needs, as it lies in dom0.
    pub fn archive(&self, layout: &Layout) -> Outcome<Archive> {
        let scenario = layout.dom0_scripts().join(format!("scenarios/{}.sh", self.scenario));
        if !scenario.is_file() {
            return Err(Trouble::Missing {
                what: format!("scenario {}", self.scenario),
                remedy: "tests/dom0/scenarios/ has those that there are".into(),
            });
        }
        let mut archive = Archive::new();
        for name in ["job.sh", "steps.sh"] {
            archive.file(name, Mode::Program, read(&layout.dom0_scripts().join(name))?);
        }
        for path in files_of(&layout.dom0_scripts().join("scenarios"))? {
            add(&mut archive, "scenarios", &path, Mode::Data)?;
        }
        for path in files_of(&layout.configurations())? {
            add(&mut archive, "xl", &path, Mode::Program)?;
        }
        let images = files_of(&layout.images())?;
        // Not what another run is just putting there.
        for path in images.iter().filter(|path| path.extension().is_some_and(|e| e == "elf")) {
            add(&mut archive, "images", path, Mode::Data)?;
        }
        let mut settings = format!("SCENARIO={}\nCYCLES={}\n", self.scenario, self.cycles);
        for (name, value) in &self.settings {
            settings.push_str(&format!("{name}='{}'\n", value.replace('\'', r"'\''")));
        }
        archive.file("settings", Mode::Data, settings.into_bytes());
        Ok(archive)
    }

    /// Writes the archive as pieces into `folder`; their names, sorted, give the order.
    pub fn pieces(&self, layout: &Layout, folder: &Path) -> Outcome<Vec<PathBuf>> {
        let bytes = gzip(&self.archive(layout)?.to_bytes());
        let _ = std::fs::remove_dir_all(folder);
        make_folder(folder)?;
        let mut files = Vec::new();
        for (number, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            let path = folder.join(format!("job.{number:03}"));
            write(&path, piece)?;
            files.push(path);
        }
        if files.len() > JOB_FILES_MAX {
            let what = format!("the job has {} bytes, too many for fw_cfg", bytes.len());
            return Err(Trouble::Bed { what });
        }
        Ok(files)
    }

    /// Lays the archive out as a folder.
    pub fn unpack(&self, layout: &Layout, folder: &Path) -> Outcome<()> {
        let _ = std::fs::remove_dir_all(folder);
        make_folder(folder)?;
        for (path, entry) in self.archive(layout)?.iter() {
            match entry {
                Entry::Folder => make_folder(&folder.join(path))?,
                Entry::File { bytes, .. } => write(&folder.join(path), bytes)?,
                Entry::Link(_) => unreachable!("a job has no links: see `archive`"),
            }
        }
        Ok(())
    }
}

fn add(archive: &mut Archive, folder: &str, path: &Path, mode: Mode) -> Outcome<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    archive.file(&format!("{folder}/{name}"), mode, read(path)?);
    Ok(())
}
