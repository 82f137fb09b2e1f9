//! Debian's packages: fetched once, unpacked below target/, never installed: [`Packages`].
//!
//! Names are found by pattern, so that Debian 12 (Xen 4.17) and Debian 13 (Xen 4.20) both serve, and
//! libraries by following dependencies. apt gets state of its own, so neither root nor the machine's
//! package lists are needed, and once the cache is complete nothing is asked of the network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::base::command::run;
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, make_folder, read, rename, write};

/// What was fetched, as it is kept beside it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the recipe that made it: see [`RECIPE`].
    recipe: u32,
    /// Xen's version, as in package names: "4.17".
    pub xen: String,
    /// The kernel's version, as in package names: "6.1.0-56-amd64".
    pub linux: String,
    /// name=version of each package, sorted.
    pub packages: Vec<String>,
}

/// Unpacked packages.
#[derive(Debug, Clone)]
pub struct Packages {
    /// What they are.
    pub manifest: Manifest,
    /// Where they were unpacked.
    pub tree: PathBuf,
}

/// Raised when another set of packages or files is needed, so that old caches are made anew.
const RECIPE: u32 = 2;
/// Packages with fixed names that dom0 needs besides Xen, its tools and a kernel: xl's files, the
/// xenstore tools, a shell, and `cksum`, which the shell's own applets lack.
const FIXED: [&str; 4] = ["xen-utils-common", "xenstore-utils", "busybox-static", "coreutils"];
/// What is unpacked of the kernel's package, which is large: the kernel and modules of dom0.
const KERNEL_FILES: [&str; 4] =
    ["./boot/vmlinuz-*", "*/drivers/xen/*", "*/drivers/mtd/mtd.ko*", "*/phram.ko*"];

impl Packages {
    /// The packages in `cache`, fetched now if they are not there.
    pub fn ready(cache: &Path, progress: &Progress, limit: &Limit) -> BedResult<Packages> {
        let stamp = cache.join("packages.json");
        let tree = cache.join("tree");
        if let Ok(bytes) = std::fs::read(&stamp)
            && let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes)
            && manifest.recipe == RECIPE
        {
            return Ok(Packages { manifest, tree });
        }
        let apt = Apt::new(cache, progress, limit)?;
        let (manifest, kernel) = apt.choose()?;
        let debs = cache.join("debs");
        apt.download(&manifest.packages, &debs)?;
        unpack_all(&debs, &tree, &kernel, progress, limit)?;
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        // Last, and by renaming: a cache without this file is made again.
        let part = stamp.with_extension("part");
        write(&part, &text)?;
        rename(&part, &stamp)?;
        Ok(Packages { manifest, tree })
    }
}

/// Where Xen's public headers are. What to give a C compiler as `-I`.
pub fn headers(cache: &Path, progress: &Progress, limit: &Limit) -> BedResult<PathBuf> {
    Ok(development(cache, progress, limit)?.join("usr/include"))
}

/// Below which folder the files of libxen-dev are: the machine's root if it has it, else one in
/// `cache`, fetched now if it is not there.
pub fn development(cache: &Path, progress: &Progress, limit: &Limit) -> BedResult<PathBuf> {
    let tree = cache.join("headers");
    for root in [Path::new("/"), &tree] {
        if root.join("usr/include/xen/xen.h").exists() {
            return Ok(root.to_path_buf());
        }
    }
    let apt = Apt::new(cache, progress, limit)?;
    let package = apt.versions(&["libxen-dev".to_string()], |_| true)?;
    let debs = cache.join("header-debs");
    apt.download(&package, &debs)?;
    for deb in files_of(&debs)? {
        make_folder(&tree)?;
        unpack(&deb, &tree, limit)?;
    }
    Ok(tree)
}

/// Unpacks those files of the kernel's package that match a pattern into `tree`.
pub(crate) fn unpack_of_kernel(
    cache: &Path,
    tree: &Path,
    pattern: &str,
    limit: &Limit,
) -> BedResult<()> {
    make_folder(tree)?;
    let is_kernel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("linux-image-"))
    };
    let deb = files_of(&cache.join("debs"))?.into_iter().find(is_kernel).ok_or_else(|| {
        Trouble::Missing {
            what: "the kernel's package".into(),
            remedy: "remove target/xen/cache to fetch it anew".into(),
        }
    })?;
    let script = r#"dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(&deb).arg(tree).arg(pattern);
    run(&mut command, limit, "unpacking a module").map(drop)
}

/// apt with its own lists below the cache.
pub(crate) struct Apt<'a> {
    state: PathBuf,
    progress: &'a Progress,
    limit: &'a Limit,
}

impl<'a> Apt<'a> {
    /// Reads the machine's sources into lists of its own.
    pub(crate) fn new(
        cache: &Path,
        progress: &'a Progress,
        limit: &'a Limit,
    ) -> BedResult<Apt<'a>> {
        let apt = Apt { state: cache.join("apt"), progress, limit };
        for folder in ["lists/partial", "archives/partial"] {
            make_folder(&apt.state.join(folder))?;
        }
        progress.step("reading the package lists");
        apt.call("apt-get", &["-qq".into(), "update".into()], None)?;
        Ok(apt)
    }

    fn call(&self, program: &str, words: &[String], within: Option<&Path>) -> BedResult<String> {
        let missing = || Trouble::Missing {
            what: program.to_string(),
            remedy: "the bed takes Xen and Linux from Debian's packages, so it needs Debian".into(),
        };
        crate::base::command::find(program).ok_or_else(missing)?;
        let mut command = Command::new(program);
        command
            .arg(format!("-oDir::State={}", self.state.display()))
            .arg(format!("-oDir::State::Lists={}", self.state.join("lists").display()))
            .arg(format!("-oDir::Cache={}", self.state.display()))
            .arg("-oDir::State::status=/var/lib/dpkg/status")
            // The files are below target/, which apt's own user may not be allowed to read.
            .arg("-oAPT::Sandbox::User=root")
            .args(words)
            .env("LC_ALL", "C");
        if let Some(folder) = within {
            command.current_dir(folder);
        }
        run(&mut command, self.limit, "apt works")
    }

    fn cache_call(&self, words: &[&str]) -> BedResult<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_string()).collect();
        self.call("apt-cache", &words, None)
    }

    /// Which packages: the manifest and the name of the kernel's package.
    fn choose(&self) -> BedResult<(Manifest, String)> {
        let names = self.cache_call(&["pkgnames", "xen-hypervisor-"])?;
        let xen = newest_xen(&names).ok_or_else(|| Trouble::Missing {
            what: "a package xen-hypervisor-*-amd64".into(),
            remedy: "apt's sources must be those of Debian 12 or later, main".into(),
        })?;
        let meta = self.cache_call(&["depends", "linux-image-amd64"])?;
        let kernel = meta
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"))
            .ok_or_else(|| Trouble::Missing {
                what: "the kernel of linux-image-amd64".into(),
                remedy: "apt's sources must be those of Debian 12 or later, main".into(),
            })?
            .to_string();
        let mut roots = vec![format!("xen-hypervisor-{xen}-amd64"), format!("xen-utils-{xen}")];
        roots.extend(FIXED.iter().map(|name| (*name).to_string()));
        let mut packages = self.with_libraries(&roots)?;
        packages.extend(self.versions(core::slice::from_ref(&kernel), |_| true)?);
        packages.sort();
        let linux = kernel.trim_start_matches("linux-image-").to_string();
        Ok((Manifest { recipe: RECIPE, xen, linux, packages }, kernel))
    }

    /// The packages and every library that they depend on, as name=version.
    pub(crate) fn with_libraries(&self, roots: &[String]) -> BedResult<Vec<String>> {
        let mut words = vec!["depends", "--recurse", "--no-recommends", "--no-suggests"];
        words.extend(["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]);
        words.extend(roots.iter().map(String::as_str));
        let closure: BTreeSet<String> = self
            .cache_call(&words)?
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()))
            .filter(|line| !line.contains(':'))
            .map(str::to_string)
            .collect();
        let closure: Vec<String> = closure.into_iter().collect();
        self.versions(&closure, |package| {
            package.section.ends_with("libs") || roots.contains(&package.name)
        })
    }

    fn versions(
        &self,
        names: &[String],
        wanted: impl Fn(&Package) -> bool,
    ) -> BedResult<Vec<String>> {
        let mut words = vec!["show", "--no-all-versions"];
        words.extend(names.iter().map(String::as_str));
        let text = self.cache_call(&words)?;
        Ok(packages_of(&text)
            .into_iter()
            .filter(wanted)
            .map(|package| format!("{}={}", package.name, package.version))
            .collect())
    }

    /// Brings the packages (name=version) into a folder.
    pub(crate) fn download(&self, packages: &[String], folder: &Path) -> BedResult<()> {
        let _ = std::fs::remove_dir_all(folder);
        make_folder(folder)?;
        self.progress.step(&format!("downloading {} packages", packages.len()));
        let mut words = vec!["-qq".to_string(), "download".to_string()];
        words.extend(packages.iter().cloned());
        self.call("apt-get", &words, Some(folder)).map(drop)
    }
}

struct Package {
    name: String,
    section: String,
    version: String,
}

/// The stanzas of `apt-cache show`.
fn packages_of(text: &str) -> Vec<Package> {
    let field = |stanza: &str, name: &str| {
        let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_default().to_string()
    };
    text.split("\n\n")
        .filter(|stanza| stanza.contains("Package: "))
        .map(|stanza| Package {
            name: field(stanza, "Package"),
            section: field(stanza, "Section"),
            version: field(stanza, "Version"),
        })
        .collect()
}

/// The highest version among names like xen-hypervisor-4.17-amd64.
fn newest_xen(names: &str) -> Option<String> {
    let version = |name: &str| -> Option<(u32, u32)> {
        let middle = name.strip_prefix("xen-hypervisor-")?.strip_suffix("-amd64")?;
        let (major, minor) = middle.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let (major, minor) = names.lines().filter_map(version).max()?;
    Some(format!("{major}.{minor}"))
}

/// Unpacks every package of `debs` into a new `tree`; of `kernel` only what dom0 needs.
fn unpack_all(
    debs: &Path,
    tree: &Path,
    kernel: &str,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<()> {
    let _ = std::fs::remove_dir_all(tree);
    make_folder(tree)?;
    for deb in files_of(debs)? {
        let name = deb.file_name().unwrap_or_default().to_string_lossy().into_owned();
        progress.detail(&format!("unpacking {name}"));
        if name.starts_with(&format!("{kernel}_")) {
            let script =
                r#"dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "$2" "$3" "$4" "$5""#;
            let mut command = Command::new("sh");
            command.args(["-c", script]).arg(&deb).arg(tree).args(KERNEL_FILES);
            run(&mut command, limit, "unpacking the kernel")?;
        } else {
            unpack(&deb, tree, limit)?;
        }
    }
    Ok(())
}

/// Unpacks one package.
pub(crate) fn unpack(deb: &Path, tree: &Path, limit: &Limit) -> BedResult<()> {
    run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(tree), limit, "unpacking").map(drop)
}

/// The files of a folder, sorted.
pub(crate) fn files_of(folder: &Path) -> BedResult<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder)
        .map_err(|e| Trouble::io(format!("list {}", folder.display()), e))?;
    let mut files: Vec<PathBuf> =
        listing.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_file()).collect();
    files.sort();
    Ok(files)
}

/// The first file below `tree` whose path from there matches, in sorted order.
pub(crate) fn find_file(tree: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut found = None;
    walk(tree, &mut |path| {
        let relative = path.strip_prefix(tree).ok().and_then(Path::to_str).unwrap_or_default();
        if wanted(relative) && found.as_ref().is_none_or(|best: &PathBuf| path < best) {
            found = Some(path.to_path_buf());
        }
    });
    found
}

/// Calls `visit` for each file and link below `folder`.
pub(crate) fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(listing) = std::fs::read_dir(folder) else { return };
    for entry in listing.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), visit),
            Ok(_) => visit(&entry.path()),
            Err(_) => {}
        }
    }
}

/// Reads a file of the tree that must be there.
pub(crate) fn tree_file(
    tree: &Path,
    wanted: &dyn Fn(&str) -> bool,
    what: &str,
) -> BedResult<Vec<u8>> {
    let path = find_file(tree, wanted).ok_or_else(|| Trouble::Missing {
        what: format!("{what} in the packages"),
        remedy: "remove target/xen/cache to fetch them anew".into(),
    })?;
    read(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_xen_is_found_by_pattern() {
        let names = "xen-hypervisor-common\nxen-hypervisor-4.9-amd64\nxen-hypervisor-4.17-amd64\n\
                     xen-hypervisor-4.17-amd64-dbg\n";
        assert_eq!(newest_xen(names).as_deref(), Some("4.17"));
        assert_eq!(newest_xen("xen-hypervisor-common\n"), None);
    }

    #[test]
    fn stanzas_give_name_section_and_version() {
        let text = "Package: zlib1g\nVersion: 1:1.2\nSection: libs\nDescription: x\n y\n\n\
                    Package: bash\nSection: shells\nVersion: 5\n";
        let packages = packages_of(text);
        assert_eq!(packages.len(), 2);
        assert_eq!((&*packages[0].name, &*packages[0].section), ("zlib1g", "libs"));
        assert_eq!(packages[1].version, "5");
    }
}
