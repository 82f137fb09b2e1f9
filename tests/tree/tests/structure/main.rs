//! The structure of the code: files use each other without circles, folders one way, and crates
//! depend on each other in the order that ARCHITECTURE.md draws.

mod circles;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use circles::{circle, knots, reachable};
use modules::Package;

/// Names of types that may stand in any number of packages and files.
const COMMON: [&str; 4] = ["Error", "Event", "State", "Config"];

/// How many types of one name the workspace may have, `COMMON` aside.
const SAME_NAMES_MAX: usize = 3;

const ADVICE: &str = "To cut a circle, move the item that both files need into a file of its own \
    below them, or pass a value instead of calling back. A re-export (`pub use`) of a child's item \
    is no use; an item of a parent that its children need belongs in a child.";

fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this test");
    Path::new(&package).ancestors().nth(2).expect("tests/tree is in the tree").to_owned()
}

fn manifest(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path.join("Cargo.toml")).expect("a manifest");
    text.parse().expect("a manifest in TOML")
}

/// The folders of all packages.
fn members() -> Vec<String> {
    let workspace = manifest(&root());
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    members.iter().map(|it| it.as_str().expect("a path").to_owned()).collect()
}

fn name_of(member: &str) -> String {
    manifest(&root().join(member))["package"]["name"].as_str().expect("a name").to_owned()
}

fn read(member: &str) -> Package {
    let folder = root().join(member);
    let mut package = Package::read(&folder, &name_of(member));
    for file in &mut package.files {
        *file = file.strip_prefix(&folder).expect("in its package").to_owned();
    }
    package
}

/// The part of `src/` that a file belongs to: `src/link.rs` and `src/link/` are one.
fn part(file: &Path) -> Option<String> {
    let inside = file.strip_prefix("src").ok()?;
    let first = inside.iter().next()?.to_str().expect("names are UTF-8");
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main" | "bin")).then(|| name.to_owned())
}

struct Circles {
    files: usize,
    text: String,
}

fn circles_of(package: &Package) -> Circles {
    let uses = package.uses();
    let file = |id: usize| package.files[id].display().to_string();
    let edges: BTreeSet<(usize, usize)> = uses.keys().copied().collect();
    let mut found = Circles { files: 0, text: String::new() };
    for knot in knots(&edges) {
        found.files += knot.len();
        found.text += &format!("  {} files in circles; the shortest:\n", knot.len());
        for step in circle(&edges, &knot).windows(2) {
            let (from, to) = (step[0], step[1]);
            found.text += &format!("    {} uses {}: {}\n", file(from), file(to), uses[&(from, to)]);
        }
        found.text += "    all uses between these files:\n";
        for ((from, to), path) in &uses {
            if knot.contains(from) && knot.contains(to) {
                found.text += &format!("      {} uses {}: {path}\n", file(*from), file(*to));
            }
        }
    }
    let mut parts: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for (from, to) in &edges {
        let ends = (part(&package.files[*from]), part(&package.files[*to]));
        if let (Some(above), Some(below)) = ends
            && above != below
        {
            parts.entry((above, below)).or_insert((*from, *to));
        }
    }
    let edges: BTreeSet<_> = parts.keys().cloned().collect();
    let is_file = |part: &String| {
        let name = format!("src/{part}.rs");
        package
            .files
            .iter()
            .filter(|it| self::part(it).as_ref() == Some(part))
            .all(|it| *it == Path::new(&name))
    };
    // A circle of single files was found above.
    for knot in knots(&edges).into_iter().filter(|knot| !knot.iter().all(is_file)) {
        found.files += knot.len();
        found.text += &format!("  {} parts of src/ in circles; the shortest:\n", knot.len());
        for step in circle(&edges, &knot).windows(2) {
            let (from, to) = parts[&(step[0].clone(), step[1].clone())];
            let path = &uses[&(from, to)];
            found.text += &format!(
                "    {} uses {}: {} uses {}: {path}\n",
                step[0],
                step[1],
                file(from),
                file(to)
            );
        }
        found.text += "    all uses between these parts:\n";
        for ((from, to), path) in &uses {
            let ends = (part(&package.files[*from]), part(&package.files[*to]));
            if let (Some(above), Some(below)) = ends
                && above != below
                && knot.contains(&above)
                && knot.contains(&below)
            {
                found.text += &format!("      {} uses {}: {path}\n", file(*from), file(*to));
            }
        }
    }
    found
}

#[test]
fn no_files_or_folders_use_each_other_in_a_circle() {
    let mut wrong = String::new();
    for member in members() {
        let found = circles_of(&read(&member));
        if found.files > 0 {
            wrong += &format!("{member}: {} files\n{}", found.files, found.text);
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{ADVICE}");
}

/// Pairs `above --> below` of a diagram; a name may have a label in brackets.
fn arrows(diagram: &str) -> BTreeSet<(String, String)> {
    let name = |end: &str| end.trim().split('[').next().expect("a part").to_owned();
    let pairs = diagram.lines().filter_map(|line| line.split_once("-->"));
    pairs.map(|(above, below)| (name(above), name(below))).collect()
}

/// The packages of this workspace that a package depends on, for its tests too.
fn dependencies(member: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
    let own = name_of(member);
    let manifest = manifest(&root().join(member));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = kinds.iter().filter_map(|kind| manifest.get(*kind)?.as_table());
    let all = tables.flat_map(|table| table.keys()).filter(|it| names.contains(*it));
    all.filter(|it| **it != own).cloned().collect()
}

#[test]
fn packages_depend_on_each_other_as_the_architecture_draws() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the document");
    let diagrams = text.split("```mermaid").skip(1).filter_map(|it| it.split("```").next());
    let order = diagrams.take(2).flat_map(arrows).collect::<BTreeSet<_>>();
    let names: BTreeSet<String> = members().iter().map(|it| name_of(it)).collect();
    let is_test =
        |name: &str| members().iter().any(|it| it.starts_with("tests/") && name_of(it) == name);
    let mut wrong = Vec::new();
    for (above, below) in &order {
        for name in [above, below].into_iter().filter(|it| !names.contains(*it)) {
            wrong.push(format!("ARCHITECTURE.md draws {name}, which is no package"));
        }
    }
    if let Some(knot) = knots(&order).first() {
        wrong.push(format!(
            "ARCHITECTURE.md draws a circle: {}",
            circle(&order, knot).join(" --> ")
        ));
    }
    for member in members() {
        let name = name_of(&member);
        let allowed = reachable(&order, &name);
        for below in dependencies(&member, &names) {
            let is_below = allowed.contains(&below) || (is_test(&name) && !is_test(&below));
            if !is_below {
                wrong.push(format!(
                    "{name} depends on {below}, which ARCHITECTURE.md does not draw"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn few_types_share_a_name() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in members() {
        let package = read(&member);
        for (name, module) in &package.types {
            let file = &package.files[package.modules[*module].file];
            if file.starts_with("src") {
                let place = format!("{member}/{}", file.display());
                places.entry(name.clone()).or_default().insert(place);
            }
        }
    }
    let mut wrong = String::new();
    for (name, files) in &places {
        if files.len() > SAME_NAMES_MAX && !COMMON.contains(&name.as_str()) {
            wrong += &format!(
                "{} types are named {name}: give each the name of its matter\n",
                files.len()
            );
            files.iter().for_each(|file| wrong += &format!("  {file}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A package whose files have these texts.
fn sample(files: &[(&str, &str)]) -> Circles {
    circles_of(&Package::of_texts(files))
}

#[test]
fn a_circle_is_found_by_whatever_words_it_is_written() {
    let uses = [
        "use crate::b::B;",
        "use super::b::B;",
        "use crate::{b::{self, B}};",
        "use crate::B;",
        "use crate::b::*; pub fn f(_: B) {}",
        "pub fn f(_: crate::b::B) {}",
        "pub fn f() { println!(\"{}\", crate::b::B::new()) }",
        "use super::*; pub fn f() { b::g() }",
        "pub use super::b::B;",
    ];
    for a in uses {
        let a = format!("pub struct A; {a}");
        let found = sample(&[
            ("src/lib.rs", "mod a; mod b; pub use b::B;"),
            ("src/a.rs", &a),
            ("src/b.rs", "pub struct B; pub fn g() {} impl B { fn f(_: super::a::A) {} }"),
        ]);
        assert_eq!(found.files, 2, "{a}");
        assert!(found.text.contains("src/b.rs uses src/a.rs: super::a::A"), "{}", found.text);
    }
}

#[test]
fn a_child_and_its_parent_make_a_circle_when_both_use_the_other() {
    let child = ("src/a/c.rs", "pub struct C; pub fn f(_: super::A) {}");
    let reexports = "mod c; pub use c::C; pub struct A;";
    assert_eq!(sample(&[("src/lib.rs", "mod a;"), ("src/a/mod.rs", reexports), child]).files, 0);
    let uses = "mod c; pub struct A(c::C);";
    assert_eq!(sample(&[("src/lib.rs", "mod a;"), ("src/a/mod.rs", uses), child]).files, 2);
}

#[test]
fn unit_tests_may_use_what_stands_above() {
    let a = "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }";
    let b = "pub struct B(crate::a::A);";
    let found = sample(&[("src/lib.rs", "mod a; mod b;"), ("src/a.rs", a), ("src/b.rs", b)]);
    assert_eq!(found.files, 0, "{}", found.text);
}

#[test]
fn folders_that_use_each_other_by_different_files_are_found() {
    let found = sample(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a/mod.rs", "mod x; pub mod y;"),
        ("src/a/x.rs", "use crate::b::x::X;"),
        ("src/a/y.rs", "pub struct Y;"),
        ("src/b/mod.rs", "pub mod x; mod y;"),
        ("src/b/x.rs", "pub struct X;"),
        ("src/b/y.rs", "use crate::a::y::Y;"),
    ]);
    assert_eq!(found.files, 2, "{}", found.text);
    assert!(found.text.contains("a uses b: src/a/x.rs uses src/b/x.rs"), "{}", found.text);
}
