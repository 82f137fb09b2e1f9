//! The images that are run: built by `cargo image`, copied under the names that configurations use,
//! and measured: [`Image`].

use std::path::PathBuf;
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::base::command::run;
use crate::base::layout::Layout;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, make_folder, read, rename, write};
use crate::machine::dom0::hex;
use crate::machine::packages::files_of;

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its role: "frontend".
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Of its bytes.
    pub sha256: String,
    /// How many.
    pub bytes: u64,
    /// `memory=` of its configuration, where it has one.
    pub memory_mib: Option<u64>,
}

/// Builds all images and lays them out.
pub fn build(layout: &Layout, limit: &Limit) -> BedResult<Vec<Image>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What a surrounding cargo sets for its own build is not meant for this one.
    cargo.args(["image", "--quiet"]).current_dir(&layout.workspace).env_remove("RUSTFLAGS");
    run(&mut cargo, limit, "building the images")?;
    build_programs(layout, limit)?;
    make_folder(&layout.images())?;
    let mut images = Vec::new();
    for path in files_of(&layout.built_images())? {
        // cargo leaves notes beside what it links; they have endings, images have none.
        if path.extension().is_some() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        images.push(place(layout, &name, &read(&path)?)?);
    }
    if images.is_empty() {
        return Err(Trouble::Bed { what: "`cargo image` made no image".into() });
    }
    Ok(images)
}

/// Builds what runs in dom0 itself; a job takes it from where cargo leaves it.
fn build_programs(layout: &Layout, limit: &Limit) -> BedResult<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["dom0-programs", "--quiet"]);
    cargo.current_dir(&layout.workspace).env_remove("RUSTFLAGS");
    run(&mut cargo, limit, "building dom0's programs").map(|_| ())
}

fn place(layout: &Layout, name: &str, bytes: &[u8]) -> BedResult<Image> {
    let path = layout.images().join(format!("{name}.elf"));
    // Left alone where nothing changed; replaced in one step, as another run may be reading it.
    if std::fs::read(&path).ok().as_deref() != Some(bytes) {
        let part = layout.images().join(format!(".{name}.{}", std::process::id()));
        write(&part, bytes)?;
        rename(&part, &path)?;
    }
    let memory_mib = layout.configurations().iter().find_map(|folder| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.cfg"))).ok()?;
        memory_of(&text)
    });
    Ok(Image {
        name: name.to_string(),
        path,
        sha256: hex(&Sha256::digest(bytes)),
        bytes: bytes.len() as u64,
        memory_mib,
    })
}

/// `memory = N` of a configuration.
fn memory_of(text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "memory").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_a_configuration() {
        assert_eq!(memory_of("name = \"x\"\n# memory = 9\nmemory = 2\n"), Some(2));
        assert_eq!(memory_of("name = \"x\"\n"), None);
    }
}
