//! Running other programs: [`run`] waits for one under the run's [`Limit`] and keeps what it said.
//!
//! Each is the leader of its own process group, and the whole group is ended when the limit passes.

use core::time::Duration;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble};

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How much of a failed program's last words is repeated.
const SAID_BYTES_MAX: usize = 1_000;

/// Runs to the end and returns what went to stdout; fails where the exit code is not 0.
pub(crate) fn run(command: &mut Command, limit: &Limit, during: &str) -> BedResult<String> {
    let line = line_of(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| Trouble::io(format!("start {line}"), e))?;
    let out = drain(child.stdout.take());
    let err = drain(child.stderr.take());
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| Trouble::io("wait", e))? {
            break status;
        }
        if let Err(stop) = limit.check(during) {
            end_group(&mut child);
            return Err(stop);
        }
        thread::sleep(POLL);
    };
    let out = out.join().unwrap_or_default();
    let err = err.join().unwrap_or_default();
    if status.success() {
        return Ok(out);
    }
    let said = if err.trim().is_empty() { out } else { err };
    Err(Trouble::Command { line, said: tail(&said) })
}

/// Ends a process and all that it started, and waits for it. It must lead its own group.
pub(crate) fn end_group(child: &mut Child) {
    // By `kill`, as sending a signal to a group takes unsafe code or another crate.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether a program of this name can be started.
pub(crate) fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for word in command.get_args().take(8) {
        line.push(' ');
        line.push_str(&word.to_string_lossy());
    }
    line
}

fn tail(text: &str) -> String {
    let text = text.trim();
    let mut start = text.len().saturating_sub(SAID_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_string()
}
