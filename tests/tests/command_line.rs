//! The command line of `run-xen.sh`, as a program sees it: last line and exit code, where nothing has
//! to be started for them.

use std::process::{Command, Output};

use tests::bed::layout::Claim;

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bed")).args(words).output().expect("the bed can be started")
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
    let folder = std::env::temp_dir().join(format!("tether-out-{}", std::process::id()));
    let claim = Claim::take(&folder).expect("a folder of our own");
    let output = run(&["--out", &folder.display().to_string()]);
    assert_eq!(verdict(&output), (Some(4), "VERDICT ERROR out-directory-in-use".to_string()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
    drop(claim);
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn native_on_a_host_without_xen_is_skipped() {
    if std::path::Path::new("/proc/xen/capabilities").exists() {
        return;
    }
    let expected = (Some(3), "VERDICT SKIP not-a-xen-dom0".to_string());
    assert_eq!(verdict(&run(&["--native"])), expected);
}
