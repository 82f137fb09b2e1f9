//! What documents and comments refer to exists: files, links with their anchors, decisions, and of
//! docs/protocol.md the sections, rules and invariants.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing to be read: what is built, and fuzz inputs.
const SKIPPED: [&str; 3] = ["target", ".git", "__fuzz__"];

/// Endings of file names that stand in comments without their folder.
const ENDINGS: [&str; 6] = [".rs", ".md", ".sh", ".cfg", ".toml", ".ld"];

/// Documentation of Xen is cited by its own paths.
const FOREIGN: [&str; 1] = ["docs/misc/"];

struct Tree {
    root: PathBuf,
    /// Files and folders, relative to the root.
    paths: BTreeSet<String>,
}

impl Tree {
    fn read() -> Self {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this test");
        let root =
            Path::new(&package).ancestors().nth(2).expect("tests/tree is in the tree").to_owned();
        let mut tree = Self { root, paths: BTreeSet::new() };
        tree.enter(String::new());
        tree
    }

    fn enter(&mut self, folder: String) {
        for entry in fs::read_dir(self.root.join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("names are UTF-8");
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            self.paths.insert(path.clone());
            if entry.file_type().expect("a type").is_dir() {
                self.enter(path);
            }
        }
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).expect("a text file")
    }

    fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths.iter().map(String::as_str).filter(move |path| path.ends_with(ending))
    }

    /// A name is right from any folder on: `actions.rs` and `link/actions.rs` both are.
    fn has(&self, name: &str) -> bool {
        let end = format!("/{name}");
        self.paths.iter().any(|path| path == name || path.ends_with(&end))
    }

    /// Whether a word refers to a file or folder of this tree.
    fn is_reference(&self, word: &str) -> bool {
        if word.starts_with('/') || FOREIGN.iter().any(|foreign| word.starts_with(foreign)) {
            return false;
        }
        let first = word.split('/').next().unwrap_or("");
        if word.contains('/') {
            let is_ours = self.paths.contains(first) && !first.ends_with(".rs");
            return is_ours || ENDINGS.iter().any(|ending| word.ends_with(ending));
        }
        ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
    }

    fn dead_paths(&self, text: &str) -> Vec<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let words = text.split(|c| !is_part(c));
        // `./` and `../` lead to some folder: any will do.
        let words = words.map(|word| word.trim_end_matches(['.', '/', '-']));
        let words = words.map(|word| word.trim_start_matches("../").trim_start_matches("./"));
        words
            .filter(|word| self.is_reference(word) && !word.starts_with("target/"))
            .filter(|word| !self.has(word) && !self.is_decision(word))
            .map(str::to_owned)
            .collect()
    }

    /// `docs/decisions/0018` is one, whatever the rest of its name.
    fn is_decision(&self, word: &str) -> bool {
        let number = word.strip_prefix("docs/decisions/").unwrap_or("");
        let start = format!("{word}-");
        number.len() == 4 && self.paths.iter().any(|path| path.starts_with(&start))
    }

    /// Targets of a document's links that are neither addresses nor there.
    fn dead_links(&self, document: &str, text: &str) -> Vec<String> {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !self.is_live(document, target)).map(str::to_owned).collect()
    }

    fn is_live(&self, document: &str, target: &str) -> bool {
        if target.contains("://") {
            return true;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let mut parts: Vec<&str> = document.split('/').collect();
        if !path.is_empty() {
            parts.pop();
            for part in path.split('/').filter(|part| !matches!(*part, "." | "")) {
                if part == ".." {
                    parts.pop();
                } else {
                    parts.push(part);
                }
            }
        }
        let path = parts.join("/");
        self.paths.contains(&path)
            && (anchor.is_empty() || anchors(&self.text(&path)).any(|it| it == anchor))
    }
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// What docs/protocol.md defines.
struct Protocol {
    sections: BTreeSet<String>,
    rules: BTreeSet<String>,
}

impl Protocol {
    fn of(text: &str) -> Self {
        let titles = text.lines().filter_map(|line| line.strip_prefix("## "));
        let sections = titles.filter_map(|title| title.split_once(". ")).map(|it| it.0.to_owned());
        let lines = text.lines().filter_map(|line| {
            line.strip_prefix("| ").or(line.strip_prefix("- ")).or(line.strip_prefix("- **"))
        });
        let names = lines.filter_map(|line| rules(line).next().filter(|it| line.starts_with(it)));
        Self { sections: sections.collect(), rules: names.map(str::to_owned).collect() }
    }

    fn undefined(&self, text: &str) -> Vec<String> {
        let sections = text.split('§').skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            &rest[..end]
        });
        let sections =
            sections.filter(|it| !self.sections.contains(*it)).map(|it| format!("§{it}"));
        let names = rules(text).filter(|it| !self.rules.contains(*it)).map(str::to_owned);
        sections.chain(names).collect()
    }
}

/// Names like S1, S1', C4, D8 and I1.
fn rules(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_'".contains(c));
    words.filter(|word| {
        let number = word.strip_prefix(['S', 'C', 'D', 'I']).unwrap_or("");
        let number = number.strip_suffix('\'').unwrap_or(number);
        (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The comment on a line of Rust.
fn comment(line: &str) -> Option<&str> {
    let at = line.find("//")?;
    // Not in an address.
    (at == 0 || line.as_bytes()[at - 1] != b':').then(|| &line[at + 2..])
}

#[test]
fn what_documents_and_comments_refer_to_exists() {
    let tree = Tree::read();
    let protocol = Protocol::of(&tree.text("docs/protocol.md"));
    let mut dead = Vec::new();
    for path in tree.with_ending(".md") {
        let text = tree.text(path);
        let missing = tree.dead_paths(&text).into_iter();
        let missing = missing.chain(tree.dead_links(path, &text)).chain(protocol.undefined(&text));
        dead.extend(missing.map(|it| format!("{path}: {it}")));
    }
    for path in tree.with_ending(".rs") {
        for (number, line) in tree.text(path).lines().enumerate() {
            let Some(text) = comment(line) else { continue };
            let missing = tree.dead_paths(text).into_iter().chain(protocol.undefined(text));
            dead.extend(missing.map(|it| format!("{path}:{}: {it}", number + 1)));
        }
    }
    assert!(dead.is_empty(), "these do not exist:\n{}", dead.join("\n"));
}

#[test]
fn a_dead_reference_is_found() {
    let tree = Tree::read();
    let text = "see actions.rs, link/actions.rs, docs/decisions/0018 and docs/misc/x.pandoc";
    assert_eq!(tree.dead_paths(text), [""; 0]);
    let text = "`kernel/src/mappings.rs`, design.md; docs/decisions/9999, tests/nowhere.";
    let dead = ["kernel/src/mappings.rs", "design.md", "docs/decisions/9999", "tests/nowhere"];
    assert_eq!(tree.dead_paths(text), dead);
    let links = "[a](docs/protocol.md#3-the-register) [b](docs/protocol.md#none) [c](none.md)";
    assert_eq!(tree.dead_links("README.md", links), ["docs/protocol.md#none", "none.md"]);
    let protocol = Protocol::of("## 1. Words\n- I1 A rule.\n| S1' | x |\n");
    assert_eq!(protocol.undefined("§1, rule S1', I1"), [""; 0]);
    assert_eq!(protocol.undefined("§13, rule S12 (I2)"), ["§13", "S12", "I2"]);
}
