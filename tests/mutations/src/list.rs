//! The mutations, as the files of `tests/mutations/list/` state them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::catcher::Catcher;

/// A deliberate mistake.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutation {
    /// What it is called.
    pub(crate) name: String,
    /// The rule of docs/protocol.md that it breaks.
    pub(crate) rule: String,
    /// The file that it changes, from the top of the workspace, where a change names no other.
    pub(crate) file: String,
    /// What it changes there.
    pub(crate) changes: Vec<Change>,
    /// What must catch it.
    pub(crate) caught_by: Vec<Catch>,
}

/// One place of a file, and what stands there instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Another file than the mutation's.
    pub(crate) file: Option<String>,
    /// Text that stands in the file exactly once and holds `text`, where `text` alone does not.
    pub(crate) within: Option<String>,
    /// What is replaced: an expression, or whole statements.
    pub(crate) text: String,
    /// What replaces it.
    pub(crate) becomes: String,
}

/// A check, and what it must find.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catch {
    /// Which check.
    pub(crate) by: Catcher,
    /// How the finding begins that counts. Another one, or a panic, does not.
    pub(crate) finds: String,
}

impl Mutation {
    /// The file of one of its changes.
    pub(crate) fn file_of<'a>(&'a self, change: &'a Change) -> &'a str {
        change.file.as_ref().unwrap_or(&self.file)
    }

    /// All files that it changes.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|change| self.file_of(change))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mutation: Vec<Mutation>,
}

/// Reads all files of a folder, in the order of their names.
///
/// # Errors
/// Which file cannot be read, or what in it is wrong.
pub(crate) fn read(folder: &Path) -> Result<Vec<Mutation>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{path:?}: {error}"))?;
        all.extend(parse(&text).map_err(|error| format!("{}: {error}", path.display()))?);
    }
    let mut names = BTreeSet::new();
    match all.iter().find(|mutation| !names.insert(&mutation.name)) {
        Some(twice) => Err(format!("two mutations are called {:?}", twice.name)),
        None => Ok(all),
    }
}

fn parse(text: &str) -> Result<Vec<Mutation>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let is_idle = |one: &&Mutation| one.caught_by.is_empty() || one.changes.is_empty();
    match file.mutation.iter().find(is_idle) {
        Some(mutation) => {
            Err(format!("{:?} changes nothing, or nothing catches it", mutation.name))
        }
        None => Ok(file.mutation),
    }
}
