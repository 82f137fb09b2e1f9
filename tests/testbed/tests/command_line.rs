//! The command line of `run-xen.sh`, as a program sees it: last line and exit code, where nothing has
//! to be started for them.

use core::time::Duration;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use testbed::base::layout::Claim;

/// Longest for what takes a second.
const WAIT: Duration = Duration::from_secs(60);

/// The bed where cargo has it now, which is not where it was when this was compiled if the tree was
/// moved since.
fn bed(words: &[&str]) -> Command {
    let program = std::env::var_os("CARGO_BIN_EXE_testbed").expect("cargo names it to its tests");
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    bed(words).output().expect("the bed can be started")
}

/// A folder of one test's own, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tether-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder in the temporary one");
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A run that comes to no end by itself, in `folder`, where the report of an earlier one is: whichever
/// program the bed asks first, QEMU, apt or cargo, notes its number in `child` and then sleeps.
fn endless(folder: &Folder, words: &[&str]) -> Command {
    let programs = folder.file("programs");
    fs::create_dir_all(&programs).expect("a folder");
    let child = folder.file("child");
    let script = format!("#!/bin/sh\necho $$ >{}\nexec sleep 600\n", child.display());
    for name in ["qemu-system-x86_64", "apt-get", "apt-cache", "cargo"] {
        fs::write(programs.join(name), &script).expect("a script");
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755))
            .expect("a script that can be run");
    }
    fs::write(folder.file("report.json"), EARLIER).expect("a report");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = bed(words);
    command.arg("--out").arg(&folder.0);
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.env("CARGO", programs.join("cargo"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The earlier run's report.
const EARLIER: &str = "{\"verdict\": \"SUCCESS\", \"checks\": [\"all\"]}";

/// The number of the program that the bed has started, once it has.
fn started_by(folder: &Folder) -> String {
    let started = Instant::now();
    loop {
        let child = fs::read_to_string(folder.file("child")).unwrap_or_default();
        if child.ends_with('\n') {
            return child.trim().to_string();
        }
        assert!(started.elapsed() < WAIT, "the bed started nothing");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ends the run as Ctrl-C does, and waits for its end.
fn interrupted(folder: &Folder, words: &[&str]) -> Output {
    let run = endless(folder, words).spawn().expect("the bed can be started");
    let child = started_by(folder);
    let kill = Command::new("kill").args(["-INT", &run.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    let output = run.wait_with_output().expect("the run ends");
    assert!(!Path::new("/proc").join(&child).exists(), "process {child} was left");
    output
}

fn verdict(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), text.lines().last().unwrap_or_default().to_string())
}

#[test]
fn help_names_the_commands() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    for there in ["shell", "faults", "explore", "soak", "bench", "--daemon"] {
        assert!(text.contains(there), "{there}: {text}");
    }
    assert!(text.contains("Usage: run-xen.sh "), "{text}");
}

#[test]
fn a_wrong_command_line_ends_as_error_before_anything_starts() {
    for words in [&["--frobnicate"][..], &["--cycles", "0"], &["frobnicate"], &["--seed", "x"]] {
        let output = run(words);
        let expected = (Some(4), "VERDICT ERROR bad-command-line".to_string());
        assert_eq!(verdict(&output), expected, "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn a_second_run_in_one_folder_is_told_who_holds_it() {
    let folder = Folder::new("out");
    let claim = Claim::take(&folder.0).expect("a folder of our own");
    let output = run(&["--out", &folder.0.display().to_string()]);
    assert_eq!(verdict(&output), (Some(4), "VERDICT ERROR out-directory-in-use".to_string()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(claim);
}

/// On a dom0 it goes on: as far as to a cargo that fails, which is all that a test may do to a host.
#[test]
fn native_is_skipped_on_a_host_without_xen_and_on_no_other() {
    let folder = Folder::new("native");
    let mut command = bed(&["--native", "--out", &folder.0.display().to_string()]);
    let output = command.env("CARGO", "false").output().expect("the bed can be started");
    let expected = match Path::new("/proc/xen/capabilities").exists() {
        true => (Some(4), "VERDICT ERROR host-command-failed".to_string()),
        false => (Some(3), "VERDICT SKIP not-a-xen-dom0".to_string()),
    };
    assert_eq!(verdict(&output), expected);
}

#[test]
fn ctrl_c_ends_a_run_and_what_it_started_and_leaves_the_last_report() {
    for words in [&["run"][..], &["explore"], &["soak"], &["faults"], &["bench"]] {
        let folder = Folder::new("interrupted");
        let output = interrupted(&folder, words);
        let expected = (Some(130), "VERDICT ERROR interrupted".to_string());
        assert_eq!(verdict(&output), expected, "{words:?}");
        let report = fs::read_to_string(folder.file("report.json")).expect("it is still there");
        assert_eq!(report, EARLIER, "{words:?}");
    }
}

#[test]
fn a_run_that_takes_too_long_leaves_the_last_report() {
    let folder = Folder::new("too-long");
    let output = endless(&folder, &["--timeout", "1"]).output().expect("the bed can be started");
    assert_eq!(verdict(&output), (Some(4), "VERDICT ERROR time-limit".to_string()));
    let report = fs::read_to_string(folder.file("report.json")).expect("it is still there");
    assert_eq!(report, EARLIER);
}

/// The only thing on stdout, as a program reads it: verdict, exit code and reason.
#[track_caller]
fn json(output: &Output) -> (String, Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(report["schema"], "tether.report/1");
    assert_eq!(report["exit"].as_i64(), output.status.code().map(i64::from), "{text}");
    let word = |key: &str| report[key].as_str().unwrap_or_default().to_string();
    (word("verdict"), output.status.code(), word("reason"))
}

#[test]
fn with_json_stdout_is_one_report_however_a_run_ends() {
    let error = |exit: i32, reason: &str| ("ERROR".to_string(), Some(exit), reason.to_string());
    for words in [&["--json", "--frobnicate"][..], &["frobnicate", "--json"]] {
        assert_eq!(json(&run(words)), error(4, "bad-command-line"), "{words:?}");
    }
    let folder = Folder::new("json");
    let claim = Claim::take(&folder.0).expect("a folder of our own");
    let out = folder.0.display().to_string();
    for command in ["run", "shell", "explore", "soak", "faults", "bench", "xenstore-check"] {
        let output = run(&[command, "--json", "--out", &out]);
        assert_eq!(json(&output), error(4, "out-directory-in-use"), "{command}");
    }
    drop(claim);
    let output = interrupted(&folder, &["--json"]);
    assert_eq!(json(&output), error(130, "interrupted"));
    // Before there is a bed.
    let failing = folder.file("programs/cargo");
    fs::write(&failing, "#!/bin/sh\necho something on stdout\nexit 1\n").expect("a script");
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names it to its tests");
    let script = Path::new(&tests).join("../../run-xen.sh");
    let mut command = Command::new(script);
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["explore", "--json"]).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", folder.file("programs").display()));
    let output = command.output().expect("the script can be started");
    assert_eq!(json(&output), error(4, "does-not-build"));
}

#[test]
fn the_tree_is_the_one_that_it_is_called_in() {
    let folder = std::env::temp_dir().join(format!("tether-tree-{}", std::process::id()));
    let (copy, outside) = (folder.join("copy"), folder.join("outside"));
    fs::create_dir_all(&outside).expect("a folder");
    for file in ["run-xen.sh", "tests/dom0/job.sh", ".cargo/image.toml"] {
        let path = copy.join(file);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        fs::write(path, "").expect("a file");
    }
    // Held, so that the run ends before it starts anything, and says in which tree it looked.
    let claim = Claim::take(&copy.join("target/xen")).expect("a folder of our own");
    let in_copy =
        bed(&[]).current_dir(copy.join("tests")).output().expect("the bed can be started");
    assert_eq!(verdict(&in_copy), (Some(4), "VERDICT ERROR out-directory-in-use".to_string()));
    let output = bed(&[]).current_dir(&outside).output().expect("the bed can be started");
    assert_eq!(verdict(&output), (Some(4), "VERDICT ERROR missing-on-this-machine".to_string()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.lines().count() == 1 && said.contains("Tether tree"), "{said}");
    drop(claim);
    let _ = fs::remove_dir_all(folder);
}
