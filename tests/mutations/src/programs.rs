//! Builds the programs that catch mutations, from the copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::catcher::Program;
use crate::list::Mutation;

/// A program that was built.
pub(crate) struct Built {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Where Cargo would start it: in its package's folder.
    pub(crate) folder: PathBuf,
}

/// What was built.
pub(crate) type Programs = BTreeMap<Program, Built>;

/// Builds what these mutations need from `place/src` into `place/build`.
///
/// # Errors
/// Cargo has failed; it has said why.
pub(crate) fn build(place: &Path, mutations: &[&Mutation]) -> Result<Programs, String> {
    let catches = mutations.iter().flat_map(|mutation| &mutation.caught_by);
    let wanted: BTreeSet<Program> = catches.map(|catch| catch.by.program()).collect();
    let mut programs = Programs::new();
    for program in wanted {
        let built = cargo(place, &program)?;
        programs.insert(program, built);
    }
    Ok(programs)
}

fn cargo(place: &Path, program: &Program) -> Result<Built, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let name = match program {
        Program::Bin(name) => {
            cargo.args(["build", "--bin", name]);
            *name
        }
        Program::Test(test) => {
            cargo.args(["test", "--no-run", "--package", &test.package]);
            match &*test.target {
                "lib" => cargo.arg("--lib"),
                name => cargo.args(["--test", name]),
            };
            &test.target
        }
    };
    println!("building {program:?}");
    let built = cargo
        .args(["--release", "--message-format=json-render-diagnostics"])
        .current_dir(place.join("src"))
        .env("CARGO_TARGET_DIR", place.join("build"))
        // A mutated place may well have a brace or a variable that nothing needs.
        .env("RUSTFLAGS", "-A warnings")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !built.status.success() {
        return Err(format!("{program:?} does not build with the mutations in it"));
    }
    let output = String::from_utf8_lossy(&built.stdout);
    // The program asked for comes last, behind what it depends on.
    let built = output.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = message["executable"].as_str()?.into();
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.into();
        Some(Built { path, folder })
    });
    built.ok_or(format!("cargo does not say where {name:?} is"))
}
