//! The copy of the workspace that holds all mutations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::list::Mutation;
use crate::weave::weave;

/// The crate that the copy has and the workspace has not: the switch.
const SWITCH: &str = "mutation-switch";

/// Makes the copy, or brings it up to date. A file that is as it should be is left alone, so that
/// only what has changed is built again.
///
/// # Errors
/// What could not be read or written, or what [`weave`] refuses.
pub(crate) fn make(root: &Path, copy: &Path, mutations: &[Mutation]) -> Result<(), String> {
    let mut files = sources(root)?;
    for (path, text) in woven(root, mutations)? {
        files.insert(path, text.into_bytes());
    }
    let manifests: BTreeSet<PathBuf> = mutations
        .iter()
        .flat_map(Mutation::files)
        .filter_map(|file| manifest(root, file))
        .collect();
    for path in manifests {
        let text = files.get_mut(&path).ok_or(format!("{}: not in git", path.display()))?;
        let switch = copy.join(SWITCH);
        let dependency = format!("\n[dependencies.{SWITCH}]\npath = {switch:?}\n");
        text.extend(dependency.bytes());
    }
    files.insert(Path::new(SWITCH).join("Cargo.toml"), SWITCH_MANIFEST.into());
    files.insert(Path::new(SWITCH).join("src/lib.rs"), switch(mutations).into_bytes());
    remove_others(copy, copy, &files)?;
    for (path, bytes) in &files {
        write(&copy.join(path), bytes)?;
    }
    Ok(())
}

/// The text of every file that mutations change.
///
/// # Errors
/// Which file cannot be read, or what [`weave`] refuses.
pub(crate) fn woven(root: &Path, all: &[Mutation]) -> Result<Vec<(PathBuf, String)>, String> {
    let mut by_file: BTreeMap<&str, Vec<(usize, &Mutation)>> = BTreeMap::new();
    for (at, mutation) in all.iter().enumerate() {
        for file in mutation.files().collect::<BTreeSet<_>>() {
            by_file.entry(file).or_default().push((at + 1, mutation));
        }
    }
    let mut files = Vec::new();
    for (file, mutations) in by_file {
        let names =
            || mutations.iter().map(|(_, one)| &one.name[..]).collect::<Vec<_>>().join(", ");
        let source = fs::read_to_string(root.join(file))
            .map_err(|error| format!("{file}, which is to change by {}: {error}", names()))?;
        files.push((file.into(), weave(file, &source, &mutations)?));
    }
    Ok(files)
}

/// What git knows of, and new files that it does not ignore.
fn sources(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = names.split('\0').filter(|name| !name.is_empty());
    // One that was deleted and is still in git's index cannot be read.
    Ok(names.filter_map(|name| Some((name.into(), fs::read(root.join(name)).ok()?))).collect())
}

/// The manifest of the package that a file belongs to.
fn manifest(root: &Path, file: &str) -> Option<PathBuf> {
    let folders = Path::new(file).ancestors().skip(1);
    let mut manifests = folders.map(|folder| folder.join("Cargo.toml"));
    manifests.find(|manifest| root.join(manifest).exists())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Removes what an earlier copy had and this one has not.
fn remove_others(
    folder: &Path,
    copy: &Path,
    files: &BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            remove_others(&path, copy, files)?;
        } else if path.strip_prefix(copy).is_ok_and(|path| !files.contains_key(path)) {
            fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

const SWITCH_MANIFEST: &str = r#"[package]
name = "mutation-switch"
version = "0.0.0"
edition = "2024"
"#;

/// The switch's code. An unknown name is an error: otherwise a spelling mistake would look like a
/// mutation that nothing catches.
fn switch(mutations: &[Mutation]) -> String {
    let names: Vec<&str> = mutations.iter().map(|mutation| &mutation.name[..]).collect();
    format!(
        r#"use std::sync::LazyLock;

const NAMES: &[&str] = &{names:?};

static CHOSEN: LazyLock<usize> = LazyLock::new(|| match std::env::var("TETHER_MUTATION") {{
    Ok(chosen) => match NAMES.iter().position(|name| *name == chosen) {{
        Some(at) => at + 1,
        None => {{
            eprintln!("no mutation is called {{chosen:?}}");
            std::process::exit(2);
        }}
    }},
    Err(_) => 0,
}});

#[inline]
pub fn on(number: usize) -> bool {{
    *CHOSEN == number
}}
"#
    )
}

#[cfg(test)]
mod tests {
    /// Without a build: what moves in the code must move in the list.
    #[test]
    fn every_mutation_finds_its_place() {
        let all = crate::list::read(&crate::root().join("tests/mutations/list")).expect("a list");
        let woven = super::woven(&crate::root(), &all).expect("a place for each");
        assert!(!woven.is_empty());
    }
}
