//! What `bench` compares with: libxenvchan and blkfront between Linux domains. The programs are ours,
//! in tests/comparators/, built here against Debian's libxen-dev; the kernel is Debian's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::command::{find, run};
use crate::base::cpio::{Archive, CpioEntry, Mode};
use crate::base::layout::{Claim, Layout};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, make_folder, read, write};
use crate::machine::dom0::{gzip, module};
use crate::machine::packages::{Packages, development, tree_file, unpack_of_kernel};

/// Modules that the Linux domains load, and those that dom0 loads for them.
const GUEST_MODULES: [&str; 4] = ["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-blkfront"];
const DOM0_MODULES: [&str; 2] = ["xen-blkback", "brd"];

/// Libraries of the program for Linux domains, which have none, in the linker's order.
const STATIC: [&str; 6] =
    ["-lxenvchan", "-lxenstore", "-lxengnttab", "-lxenevtchn", "-lxentoolcore", "-lxentoollog"];
/// That of the program for dom0, which has it: libxen-dev's own archive of it was built without
/// threads, and its watches fail as soon as an event comes before an answer.
const SHARED: &str = "-l:libxenstore.so.4";

/// The files for a job: place in its archive and path here. Empty, and said so, where there is no C
/// compiler: then nothing is compared.
///
/// # Errors
/// Debian's packages cannot be had or do not hold what they should; a program does not compile.
pub fn ready(
    layout: &Layout,
    packages: &Packages,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Vec<(String, PathBuf)>> {
    if find("gcc").is_none() {
        progress.step("no gcc: nothing to compare with is built");
        return Ok(Vec::new());
    }
    progress.step("building what is compared with");
    let cache = layout.cache();
    let _claim = Claim::wait(&cache, limit)?;
    let sources = layout.workspace.join("tests/comparators");
    let folder = cache.join("comparators");
    let tree = folder.join("tree");
    make_folder(&folder)?;
    if !tree.is_dir() {
        unpack_of_kernel(&cache, &tree, "*/drivers/block/*.ko*", limit)?;
    }
    let development = development(&cache, progress, limit)?;
    compile(&sources, &folder, &development, packages, limit)?;
    let kernel_module =
        |name: &str| module(&tree, name, limit).or_else(|_| module(&packages.tree, name, limit));
    let kernel = tree_file(&packages.tree, &|path| path.starts_with("boot/vmlinuz-"), "vmlinuz")?;
    write(&folder.join("linux.elf"), &kernel)?;
    let mut files = vec![
        ("images/linux.elf".to_string(), folder.join("linux.elf")),
        ("xl/linux.cfg".to_string(), sources.join("linux.cfg")),
        ("comparators/blk".to_string(), folder.join("blk")),
        ("comparators/linux.gz".to_string(), folder.join("linux.gz")),
    ];
    for name in DOM0_MODULES {
        let file = format!("{name}.ko");
        write(&folder.join(&file), &kernel_module(name)?)?;
        files.push((format!("comparators/{file}"), folder.join(&file)));
    }
    let mut fs = Archive::new();
    for place in ["dev", "proc", "sys"] {
        fs.insert(place, CpioEntry::Folder);
    }
    let busybox = |path: &str| path == "bin/busybox" || path == "usr/bin/busybox";
    fs.file("bin/busybox", Mode::Program, tree_file(&packages.tree, &busybox, "busybox")?);
    fs.file("bin/vchan", Mode::Program, read(&folder.join("vchan"))?);
    fs.file("init", Mode::Program, read(&sources.join("init"))?);
    for name in GUEST_MODULES {
        fs.file(&format!("lib/modules/{name}.ko"), Mode::Data, kernel_module(name)?);
    }
    write(&folder.join("linux.gz"), &gzip(&fs.to_bytes()))?;
    Ok(files)
}

fn compile(
    sources: &Path,
    folder: &Path,
    development: &Path,
    packages: &Packages,
    limit: &Limit,
) -> BedResult<()> {
    let libraries = "usr/lib/x86_64-linux-gnu";
    let gcc = |name: &str| {
        let mut gcc = Command::new("gcc");
        gcc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-s", "-o"]).arg(folder.join(name));
        gcc.arg("-I").arg(development.join("usr/include")).arg(sources.join(format!("{name}.c")));
        gcc
    };
    let mut vchan = gcc("vchan");
    vchan.arg("-static").arg("-L").arg(development.join(libraries)).args(STATIC);
    run(&mut vchan, limit, "compiling a comparator")?;
    let mut blk = gcc("blk");
    blk.arg("-L").arg(packages.tree.join(libraries)).args([SHARED, "-Wl,--allow-shlib-undefined"]);
    run(&mut blk, limit, "compiling a comparator").map(drop)
}
