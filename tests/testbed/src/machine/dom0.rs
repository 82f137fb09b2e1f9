//! What the bed boots: Xen, Linux, and dom0's file system, made of the packages: [`Dom0`].
//!
//! The file system holds `xl`, both xenstore daemons, what they are linked to, and
//! tests/dom0/init. It is the same bytes each time: a bed that was booted once can be resumed for as
//! long as none of them changes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::command::run;
use crate::base::cpio::{Archive, CpioEntry, Mode};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, make_folder, read, rename, write};
use crate::machine::packages::{Packages, find_file, tree_file, walk};

/// The three files that QEMU loads.
#[derive(Debug, Clone)]
pub struct Dom0 {
    /// Xen, unpacked: a 32-bit multiboot file.
    pub xen: PathBuf,
    /// dom0's kernel.
    pub kernel: PathBuf,
    /// dom0's file system.
    pub initrd: PathBuf,
    /// Changes with any byte of the three.
    pub fingerprint: String,
}

/// What is kept beside the files, to know when they are out of date.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    made_of: String,
    fingerprint: String,
}

/// Raised when the file system is put together in another way.
const RECIPE: u32 = 4;
/// Xen's programs for dom0, from xen-utils-*: what a run needs, and what helps to look around.
const XEN_PROGRAMS: [&str; 11] = [
    "xl",
    "xenstored",
    "oxenstored",
    "xenconsoled",
    "xenconsole",
    "xen-init-dom0",
    "libxl-save-helper",
    "lsevtchn",
    "xenstore-control",
    "test-xenstore",
    "xen-hvmctx",
];
/// Modules that dom0's toolstack needs; what they depend on is found in them.
const MODULES: [&str; 6] =
    ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd", "xenfs", "mtd"];
/// The module that shows the job's memory; tests/dom0/init loads it, with an argument.
const JOB_MODULE: &str = "phram";
/// A library that glibc loads by name when a thread is cancelled, so that no file names it.
const LOADED_BY_NAME: &str = "libgcc_s.so.1";

impl Dom0 {
    /// The files in `cache`, made now if they are not there or no longer what they would be.
    pub fn ready(
        cache: &Path,
        packages: &Packages,
        init: &Path,
        progress: &Progress,
        limit: &Limit,
    ) -> BedResult<Dom0> {
        let folder = cache.join("dom0");
        let init = read(init)?;
        let made_of = {
            let mut hash = Sha256::new();
            hash.update(RECIPE.to_le_bytes());
            hash.update(&init);
            hash.update(packages.manifest.packages.join("\n"));
            hex(&hash.finalize())
        };
        let stamp = folder.join("stamp.json");
        let mut dom0 = Dom0 {
            xen: folder.join("xen"),
            kernel: folder.join("vmlinuz"),
            initrd: folder.join("initrd.gz"),
            fingerprint: String::new(),
        };
        if let Ok(bytes) = std::fs::read(&stamp)
            && let Ok(old) = serde_json::from_slice::<Stamp>(&bytes)
            && old.made_of == made_of
        {
            dom0.fingerprint = old.fingerprint;
            return Ok(dom0);
        }
        progress.step("making dom0's file system");
        let _ = std::fs::remove_dir_all(&folder);
        make_folder(&folder)?;
        let xen = xen_of(packages)?;
        let kernel = tree_file(&packages.tree, &|p| p.starts_with("boot/vmlinuz-"), "vmlinuz")?;
        let initrd = gzip(&file_system(packages, init, limit)?.to_bytes());
        let mut hash = Sha256::new();
        for (path, bytes) in [(&dom0.xen, &xen), (&dom0.kernel, &kernel), (&dom0.initrd, &initrd)] {
            write(path, bytes)?;
            hash.update(bytes);
        }
        dom0.fingerprint = hex(&hash.finalize());
        let text = Stamp { made_of, fingerprint: dom0.fingerprint.clone() };
        let text = serde_json::to_vec_pretty(&text).expect("a stamp is plain data");
        let part = stamp.with_extension("part");
        write(&part, &text)?;
        rename(&part, &stamp)?;
        Ok(dom0)
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compresses; the same bytes give the same bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes every byte")
}

/// Undoes [`gzip`]; nothing where it is not that.
pub(crate) fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).ok()?;
    Some(out)
}

fn xen_of(packages: &Packages) -> BedResult<Vec<u8>> {
    let name = format!("boot/xen-{}-amd64.gz", packages.manifest.xen);
    let packed = tree_file(&packages.tree, &|path| path == name, &name)?;
    gunzip(&packed).ok_or_else(|| Trouble::Bed { what: format!("{name} is not what gzip made") })
}

/// Everything that dom0 has.
fn file_system(packages: &Packages, init: Vec<u8>, limit: &Limit) -> BedResult<Archive> {
    let tree = &packages.tree;
    let mut fs = Archive::new();
    for folder in ["dev", "proc", "sys", "tmp", "run", "usr/bin", "usr/sbin", "var/log", "var/lib"]
    {
        fs.insert(folder, CpioEntry::Folder);
    }
    fs.insert("var/run", CpioEntry::Link("/run".into()));
    fs.file("init", Mode::Program, init);
    let busybox = |path: &str| path == "bin/busybox" || path == "usr/bin/busybox";
    fs.file("bin/busybox", Mode::Program, tree_file(tree, &busybox, "busybox")?);
    for name in ["oxenstored.conf", "xl.conf"] {
        let path = format!("etc/xen/{name}");
        fs.file(&path, Mode::Data, tree_file(tree, &|found| found == path, name)?);
    }
    programs(packages, &mut fs, limit)?;
    modules(tree, &mut fs, limit)?;
    Ok(fs)
}

/// Programs into usr/xen/bin, which is first in init's PATH, and the libraries that they load.
fn programs(packages: &Packages, fs: &mut Archive, limit: &Limit) -> BedResult<()> {
    let tree = &packages.tree;
    let xen_bin = format!("usr/lib/xen-{}/bin", packages.manifest.xen);
    // xl starts its helpers by the full path that it was built with.
    fs.insert(&xen_bin, CpioEntry::Link("/usr/xen/bin".into()));
    let mut programs: Vec<PathBuf> =
        XEN_PROGRAMS.iter().map(|name| tree.join(&xen_bin).join(name)).collect();
    walk(&tree.join("usr/bin"), &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let real = path.symlink_metadata().is_ok_and(|data| data.is_file());
        if real && (name.starts_with("xenstore-") || name == "cksum") {
            programs.push(path.to_path_buf());
        }
    });
    let mut places: Vec<(PathBuf, String)> = programs
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (path, format!("usr/xen/bin/{name}"))
        })
        .collect();
    // Plug-ins that oxenstored loads from where it was built to find them, from Xen 4.20 on.
    walk(&tree.join(format!("usr/lib/xen-{}/ocaml", packages.manifest.xen)), &mut |path| {
        if let Ok(place) = path.strip_prefix(tree) {
            places.push((path.to_path_buf(), place.display().to_string()));
        }
    });
    let mut folders = Vec::new();
    walk(tree, &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(tree).to_path_buf();
        if name.contains(".so.") && !folders.contains(&folder) {
            folders.push(folder);
        }
    });
    folders.sort();
    // Named from the tree's top, as the loader cuts its list at colons, wherever they come from.
    let folders: Vec<String> = folders
        .iter()
        .map(|path| path.strip_prefix(tree).unwrap_or(path).display().to_string())
        .collect();
    let loader = find_file(tree, &|path| path.ends_with("x86_64-linux-gnu/ld-linux-x86-64.so.2"))
        .ok_or_else(|| missing("the dynamic loader"))?;
    let mut libraries = BTreeMap::new();
    for (program, place) in &places {
        fs.file(place, Mode::Program, read(program)?);
        // The packages' own loader says what it would load: the same that dom0's will.
        let mut list = Command::new(&loader);
        list.args(["--library-path", &folders.join(":"), "--list"]).arg(program);
        list.current_dir(tree);
        let listing = run(&mut list, limit, "looking for libraries")?;
        for line in listing.lines() {
            let Some((name, place)) = line.split_once(" => ") else { continue };
            let path = place.split(" (0x").next().unwrap_or(place).trim();
            if path == "not found" {
                return Err(missing(name.trim()));
            }
            libraries.insert(name.trim().to_string(), tree.join(path));
        }
    }
    let by_name = find_file(tree, &|path| path.ends_with(LOADED_BY_NAME))
        .ok_or_else(|| missing(LOADED_BY_NAME))?;
    libraries.insert(LOADED_BY_NAME.to_string(), by_name);
    for (name, path) in libraries {
        // The loader is called by its full path, everything else found where it looks by default.
        let place = match name.strip_prefix('/') {
            Some(place) => place.to_string(),
            None => format!("lib/x86_64-linux-gnu/{name}"),
        };
        fs.file(&place, Mode::Program, read(&path)?);
    }
    Ok(())
}

/// Modules into lib/modules, with the order in which to load them.
fn modules(tree: &Path, fs: &mut Archive, limit: &Limit) -> BedResult<()> {
    let mut order: Vec<String> = Vec::new();
    let mut wanted: Vec<String> = MODULES.iter().rev().map(|name| (*name).to_string()).collect();
    while let Some(name) = wanted.pop() {
        if order.contains(&name) {
            continue;
        }
        let bytes = module(tree, &name, limit)?;
        let needs: Vec<String> =
            needs_of(&bytes).into_iter().filter(|need| !order.contains(need)).collect();
        if needs.is_empty() {
            fs.file(&format!("lib/modules/{name}.ko"), Mode::Data, bytes);
            order.push(name);
        } else {
            wanted.push(name);
            wanted.extend(needs);
        }
    }
    let lines: String = order.iter().map(|name| format!("{name}.ko\n")).collect();
    fs.file("lib/modules/order", Mode::Data, lines.into_bytes());
    let bytes = module(tree, JOB_MODULE, limit)?;
    fs.file(&format!("lib/modules/{JOB_MODULE}.ko"), Mode::Data, bytes);
    Ok(())
}

/// A module's bytes, uncompressed.
pub(crate) fn module(tree: &Path, name: &str, limit: &Limit) -> BedResult<Vec<u8>> {
    let same = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.split(".ko").next().unwrap_or(file);
        path.contains("/modules/") && stem.replace('-', "_") == name.replace('-', "_")
    };
    let path = find_file(tree, &same).ok_or_else(|| missing(&format!("module {name}")))?;
    if path.extension().is_some_and(|extension| extension == "ko") {
        return read(&path);
    }
    // Debian 13 packs its modules; busybox, which is at hand, unpacks them.
    let busybox =
        find_file(tree, &|path| path.ends_with("bin/busybox")).ok_or_else(|| missing("busybox"))?;
    let unpacked = tree.join(format!("{name}.ko.tmp"));
    let script = r#""$0" unxz -c "$1" >"$2""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(&busybox).arg(&path).arg(&unpacked);
    run(&mut command, limit, "unpacking a module")?;
    let bytes = read(&unpacked)?;
    let _ = std::fs::remove_file(&unpacked);
    Ok(bytes)
}

/// The `depends=` line of a module's .modinfo section.
fn needs_of(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value: Vec<u8> =
        module[at + KEY.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
    let value = String::from_utf8_lossy(&value).into_owned();
    value.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect()
}

fn missing(what: &str) -> Trouble {
    Trouble::Missing {
        what: format!("{what} (in the packages)"),
        remedy: "remove target/xen/cache to fetch them anew".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        assert_eq!(needs_of(b"xx\0license=GPL\0depends=a-b,c\0name=x\0"), ["a-b", "c"]);
        assert!(needs_of(b"\0depends=\0").is_empty());
        assert!(needs_of(b"nothing").is_empty());
    }

    #[test]
    fn gzip_repeats_itself_and_is_undone() {
        let bytes = b"the same bytes ".repeat(100);
        assert_eq!(gzip(&bytes), gzip(&bytes));
        assert_eq!(gunzip(&gzip(&bytes)), Some(bytes));
        assert_eq!(gunzip(b"not that"), None);
    }
}
