//! The emulated machine: how QEMU is found and called ([`Qemu`]), and one that runs
//! ([`VirtualMachine`]).
//!
//! No hardware virtualisation: TCG emulates AMD's, nested paging included. Every flag that changes
//! what the machine is goes into [`Qemu::identity`], since a kept bed fits only the machine that it
//! was saved from.

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::base::command::{end_group, find, run};
use crate::base::options::{Clock, Daemon};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, make_folder, read, write};
use crate::machine::dom0::Dom0;
use crate::machine::packages::{Apt, find_file, unpack};
use crate::machine::qmp::Qmp;

/// A QEMU that can be started.
#[derive(Debug, Clone)]
pub struct Qemu {
    program: PathBuf,
    /// The folder that it works in. What lies below is named from there: QEMU cuts the name of a
    /// multiboot module at its first blank, and a list of libraries at colons, and has no way to write
    /// either; and a kept bed fits wherever the whole folder is moved to.
    cache: PathBuf,
    /// Where its libraries and its firmware are, where it was unpacked instead of installed.
    unpacked: Option<PathBuf>,
    /// What it says of its version.
    pub version: String,
}

/// The machine, the same for every bed. Reasons:
/// `-smap`: QEMU 7.2 faults on a ring-3 `iret` under SMAP, and dom0 dies in its first instructions;
/// `-monitor`: Xen would take a #GP in its MWAIT idle routine; `-pcid`: Xen would use it, TCG lacks it;
/// no AVX, nor what saves its state: docs/decisions/0012-dom0-without-avx.md;
/// a slot for memory above what Xen is told of: the module in which jobs come.
const MACHINE: [&str; 14] = [
    "-cpu",
    "EPYC,+svm,+npt,-pcid,-smap,-monitor,-avx,-avx2,-fma,-f16c,-xsave,-xsaveopt,-xgetbv1",
    "-M",
    "q35,nvdimm=on",
    "-m",
    "2048,slots=1,maxmem=4G",
    "-smp",
    "2",
    "-display",
    "none",
    "-no-reboot",
    "-nodefaults",
    // The machine's date is fixed and goes with its own time, so that two runs see the same one.
    "-rtc",
    RTC,
];
const RTC: &str = "base=2026-01-01T00:00:00,clock=vm";
/// Xen's console is com1; its stamps are its system time (steps.sh needs them); the ring is large
/// enough for a whole run.
const XEN_ARGUMENTS: &str = "console=com1 com1=115200,8n1 dom0_mem=768M,max:768M loglvl=all \
guest_loglvl=all noreboot conring_size=1M console_timestamps=boot";
/// dom0 lays out memory the same way each time, and takes Xen's clock (steps.sh counts on it).
const LINUX_ARGUMENTS: &str = "console=hvc0 nokaslr norandmaps clocksource=xen quiet";
/// The module's size, which tests/dom0/init knows too; far above any job or its results.
pub(crate) const MODULE_BYTES: usize = 16 << 20;

/// Numbers the sockets of one process.
static SOCKETS: AtomicU32 = AtomicU32::new(0);

impl Qemu {
    /// The machine's QEMU; installed with apt where root, unpacked below `cache` where not.
    pub fn ready(cache: &Path, progress: &Progress, limit: &Limit) -> BedResult<Qemu> {
        let folder = cache.join("qemu");
        let unpacked_program = folder.join("usr/bin/qemu-system-x86_64");
        if find("qemu-system-x86_64").is_none() && !unpacked_program.is_file() {
            if find("apt-get").is_none() {
                return Err(Trouble::Missing {
                    what: "qemu-system-x86_64".into(),
                    remedy: "install QEMU for x86-64; there is no apt-get here to fetch it".into(),
                });
            }
            let user = run(Command::new("id").arg("-u"), limit, "asking who runs this")?;
            if user.trim() == "0" {
                install(progress, limit)?;
            } else {
                unpack_qemu(cache, &folder, progress, limit)?;
            }
        }
        let (program, unpacked) = match find("qemu-system-x86_64") {
            Some(program) => (program, None),
            None => (unpacked_program, Some(folder)),
        };
        let cache = cache.to_path_buf();
        let mut qemu = Qemu { program, cache, unpacked, version: String::new() };
        let said = run(qemu.command(None).arg("--version"), limit, "asking QEMU's version")?;
        qemu.version = said.lines().next().unwrap_or_default().to_string();
        Ok(qemu)
    }

    /// `setpriv` ends QEMU when the bed is killed in a way that lets it clean up nothing.
    fn command(&self, guard: Option<&Path>) -> Command {
        let mut command = match guard {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.current_dir(&self.cache);
        if let Some(folder) = &self.unpacked {
            let folder = self.in_cache(folder);
            let libraries = folder.join("usr/lib/x86_64-linux-gnu");
            let older = folder.join("lib/x86_64-linux-gnu");
            command.env("LD_LIBRARY_PATH", format!("{}:{}", libraries.display(), older.display()));
            command.env("QEMU_MODULE_DIR", libraries.join("qemu"));
            command.arg("-L").arg(folder.join("usr/share/qemu"));
            command.arg("-L").arg(folder.join("usr/share/seabios"));
        }
        command
    }

    /// What a path is called from the folder that QEMU works in.
    fn in_cache(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.cache).unwrap_or(path).to_path_buf()
    }

    /// The flags that make the machine what it is.
    fn machine(&self, dom0: &Dom0, daemon: Daemon, clock: Clock) -> Vec<String> {
        let mut flags: Vec<String> = MACHINE.iter().map(|flag| (*flag).to_string()).collect();
        let accelerator: &[&str] = match clock {
            // One host thread for both processors; two nanoseconds an instruction; idle time is
            // skipped, not slept.
            Clock::Counted | Clock::Exact => {
                &["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off"]
            }
            Clock::Real => &["-accel", "tcg,thread=multi"],
        };
        flags.extend(accelerator.iter().map(|flag| (*flag).to_string()));
        if clock == Clock::Exact {
            // The later one counts. With two processors runs differ now and then, perhaps because
            // QEMU's main thread makes the processors' thread turn to the other one too soon
            // (docs/decisions/0013-exact-clock.md).
            flags.extend(["-smp", "1"].map(String::from));
        }
        let linux = format!(
            "{} {LINUX_ARGUMENTS} tether.daemon={},{}",
            self.in_cache(&dom0.kernel).display(),
            daemon.name(),
            self.in_cache(&dom0.initrd).display()
        );
        let xen = self.in_cache(&dom0.xen).display().to_string();
        for flag in ["-kernel", &xen, "-append", XEN_ARGUMENTS, "-initrd", &linux] {
            flags.push(flag.into());
        }
        flags
    }

    /// Everything that a saved state depends on, as text.
    pub fn identity(&self, dom0: &Dom0, daemon: Daemon, clock: Clock) -> BedResult<String> {
        let data = std::fs::metadata(&self.program)
            .map_err(|e| Trouble::io(format!("look at {}", self.program.display()), e))?;
        Ok(format!(
            "{}\n{} bytes\n{}\n{}",
            self.version,
            data.len(),
            dom0.fingerprint,
            self.machine(dom0, daemon, clock).join("\n")
        ))
    }

    /// The scale of counted time, for the report.
    pub fn icount_shift(clock: Clock) -> Option<u32> {
        (clock != Clock::Real).then_some(1)
    }
}

fn install(progress: &Progress, limit: &Limit) -> BedResult<()> {
    progress.step("installing QEMU with apt");
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.arg("-qq").args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command, limit, "installing QEMU").map(drop)
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "qemu-system-x86"])
}

fn unpack_qemu(cache: &Path, folder: &Path, progress: &Progress, limit: &Limit) -> BedResult<()> {
    let apt = Apt::new(cache, progress, limit)?;
    let roots = ["qemu-system-x86", "qemu-system-data", "qemu-system-common", "seabios"];
    let roots: Vec<String> = roots.iter().map(|name| (*name).to_string()).collect();
    let mut packages = apt.with_libraries(&roots)?;
    // The machine's own C library and loader belong together and stay.
    packages.retain(|package| !package.starts_with("libc6="));
    let debs = cache.join("qemu-debs");
    apt.download(&packages, &debs)?;
    let part = cache.join("qemu.part");
    let _ = std::fs::remove_dir_all(&part);
    make_folder(&part)?;
    for deb in crate::machine::packages::files_of(&debs)? {
        unpack(&deb, &part, limit)?;
    }
    let found = find_file(&part, &|path| path == "usr/bin/qemu-system-x86_64");
    found.ok_or_else(|| Trouble::Missing {
        what: "qemu-system-x86_64 in Debian's qemu-system-x86".into(),
        remedy: "install QEMU by hand".into(),
    })?;
    crate::base::trouble::rename(&part, folder)
}

/// Where com2, dom0's line, goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// To dom0.log, followed by the bed.
    Log,
    /// To this terminal.
    Terminal,
}

/// What a machine starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Power-on.
    Boot,
    /// A state that was saved, to be named with [`Qmp::resume`].
    Saved,
}

/// What one start of the machine adds to what it is.
#[derive(Debug)]
pub struct Start<'a> {
    /// What it starts from.
    pub state: State,
    /// The file behind the memory module in which the job comes.
    pub module: &'a Path,
    /// The seed of the machine's random numbers.
    pub seed: Option<u64>,
    /// Where the logs go.
    pub out: &'a Path,
    /// Where com2 goes.
    pub line: Line,
}

/// A running machine; dropping it ends it and whatever it started.
#[derive(Debug)]
pub struct VirtualMachine {
    child: Child,
    qmp: Qmp,
    socket: PathBuf,
    said: PathBuf,
}

impl VirtualMachine {
    /// Starts QEMU and connects to it.
    pub fn start(
        qemu: &Qemu,
        dom0: &Dom0,
        daemon: Daemon,
        clock: Clock,
        start: &Start<'_>,
        limit: &Limit,
    ) -> BedResult<VirtualMachine> {
        let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
        // Not below --out: the name of a socket has at most 107 bytes.
        let socket =
            std::env::temp_dir().join(format!("tether-{}-{number}.qmp", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let said = start.out.join("qemu.log");
        make_folder(start.out)?;
        let log = File::create(&said).map_err(|e| Trouble::io("write qemu.log", e))?;
        let mut command = qemu.command(find("setpriv").as_deref());
        command.args(qemu.machine(dom0, daemon, clock));
        if let Some(seed) = start.seed {
            command.args(["-seed", &seed.to_string()]);
        }
        command.args(serial("xen", &start.out.join("xen.log")));
        match start.line {
            Line::Log => {
                // QEMU appends nothing to an old one: the file starts anew.
                write(&start.out.join("dom0.log"), b"")?;
                command.args(serial("dom0", &start.out.join("dom0.log")));
                command.stdin(Stdio::null()).stdout(Stdio::null());
                command.process_group(0);
            }
            Line::Terminal => {
                // In the terminal's own process group, or it could not read.
                command.args(["-chardev", "stdio,id=tty,signal=off", "-serial", "chardev:tty"]);
            }
        }
        // Shared: what dom0 writes there is in the file, and what is in the file is not saved with
        // the machine (Qmp::save).
        let module = comma(start.module);
        command.arg("-object").arg(format!(
            "memory-backend-file,id=job,share=on,size={MODULE_BYTES},mem-path={module}"
        ));
        command.args(["-device", "nvdimm,memdev=job"]);
        if start.state == State::Saved {
            // The state itself is named once QEMU knows how to read it (Qmp::resume).
            command.args(["-incoming", "defer"]);
        }
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", comma(&socket)));
        command.stderr(log);
        let mut child = command.spawn().map_err(|e| Trouble::io("start QEMU", e))?;
        match Qmp::connect(&socket, &mut child, limit) {
            Ok(qmp) => Ok(VirtualMachine { child, qmp, socket, said }),
            Err(trouble) => {
                end_group(&mut child);
                Err(explained(trouble, &said))
            }
        }
    }

    /// Loads a saved state, and lets the machine go on.
    pub fn resume(&mut self, state: &Path, limit: &Limit) -> BedResult<()> {
        self.qmp.resume(state, limit).map_err(|trouble| explained(trouble, &self.said))
    }

    /// Halts the machine, writes its state to a file, and ends it.
    pub fn save(&mut self, state: &Path, limit: &Limit) -> BedResult<()> {
        self.qmp.save(state, limit).map_err(|trouble| explained(trouble, &self.said))?;
        let _ = self.qmp.quit();
        Ok(())
    }

    /// Whether it ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// A trouble of this machine, with what QEMU itself said.
    pub fn trouble(&self, what: &str) -> Trouble {
        explained(Trouble::Bed { what: what.to_string() }, &self.said)
    }
}

impl Drop for VirtualMachine {
    fn drop(&mut self) {
        end_group(&mut self.child);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// The flags for a serial port that goes to a file. Not `-serial file:PATH`, which takes a comma that
/// is written twice for two.
fn serial(id: &str, log: &Path) -> [String; 4] {
    let chardev = format!("file,id={id},path={}", comma(log));
    ["-chardev".into(), chardev, "-serial".into(), format!("chardev:{id}")]
}

/// A comma in an option's value is written twice.
fn comma(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Adds what QEMU wrote to stderr, less its warnings about features that TCG lacks.
fn explained(trouble: Trouble, said: &Path) -> Trouble {
    let Trouble::Bed { what } = trouble else { return trouble };
    let text = String::from_utf8_lossy(&read(said).unwrap_or_default()).into_owned();
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.contains("TCG doesn't support requested")).collect();
    if lines.is_empty() {
        return Trouble::Bed { what };
    }
    let lines = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
    Trouble::Bed { what: format!("{what}; QEMU said: {}", lines.join(" | ")) }
}

/// How many of QEMU's last lines are shown; all are in qemu.log.
const LINES_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "/tmp/a b,c:d";

    fn qemu(program: &str, cache: &Path) -> Qemu {
        let unpacked = Some(cache.join("qemu"));
        let cache = cache.to_path_buf();
        Qemu { program: program.into(), cache, unpacked, version: String::new() }
    }

    fn dom0(cache: &Path) -> Dom0 {
        let file = |name: &str| cache.join("dom0").join(name);
        Dom0 {
            xen: file("xen"),
            kernel: file("vmlinuz"),
            initrd: file("initrd.gz"),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn modules_and_libraries_have_names_that_qemu_does_not_cut() {
        let cache = Path::new(FOLDER);
        let qemu = qemu("qemu", cache);
        let flags = qemu.machine(&dom0(cache), Daemon::C, Clock::Real);
        let after = |flag: &str| {
            let at = flags.iter().position(|other| other == flag).expect("a flag of the machine");
            flags[at + 1].as_str()
        };
        assert_eq!(after("-kernel"), "dom0/xen");
        let module = after("-initrd");
        assert!(module.starts_with("dom0/vmlinuz console=hvc0 "), "{module}");
        assert!(module.ends_with(" tether.daemon=c,dom0/initrd.gz"), "{module}");
        let command = qemu.command(None);
        assert_eq!(command.get_current_dir(), Some(cache));
        let path = command.get_envs().find(|(name, _)| *name == "LD_LIBRARY_PATH");
        let libraries = "qemu/usr/lib/x86_64-linux-gnu:qemu/lib/x86_64-linux-gnu";
        assert_eq!(path.and_then(|(_, value)| value), Some(libraries.as_ref()));
    }

    #[test]
    fn a_log_is_named_as_a_value_of_options() {
        let [_, chardev, _, serial] = serial("xen", &Path::new(FOLDER).join("xen.log"));
        assert_eq!(chardev, "file,id=xen,path=/tmp/a b,,c:d/xen.log");
        assert_eq!(serial, "chardev:xen");
    }

    #[test]
    fn what_qemu_said_is_shown_when_it_ends_early() {
        let folder = std::env::temp_dir().join(format!("tether-early-{}", std::process::id()));
        let program = folder.join("qemu");
        write(&program, b"#!/bin/sh\necho no such module >&2\nexit 1\n").expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("a program");
        let qemu = qemu(&program.display().to_string(), &folder);
        let module = folder.join("module");
        let (state, line) = (State::Saved, Line::Log);
        let start = Start { state, module: &module, seed: None, out: &folder, line };
        let limit = Limit::seconds(60);
        let machine =
            VirtualMachine::start(&qemu, &dom0(&folder), Daemon::C, Clock::Real, &start, &limit);
        let trouble = machine.expect_err("it ended at once").to_string();
        assert!(trouble.ends_with("QEMU said: no such module"), "{trouble}");
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn a_lost_connection_is_explained_by_what_qemu_said() {
        let said = std::env::temp_dir().join(format!("tether-said-{}", std::process::id()));
        std::fs::write(&said, "could not open file 'dom0/vm'\n").expect("a file");
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        // Closed with something unread, as by a program that dies: the connection is reset.
        std::io::Write::write_all(&mut &ours, b"x").expect("it is connected");
        drop(theirs);
        let lost = Qmp::over(ours).expect_err("nobody is there");
        let trouble = explained(lost, &said).to_string();
        assert!(trouble.contains("could not open file"), "{trouble}");
        let _ = std::fs::remove_file(said);
    }
}
