//! QEMU's control connection, QMP: JSON lines over a socket. [`Qmp`] has the few commands that the
//! bed needs, to save a machine, to resume it and to end it.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::thread;

use serde_json::{Value, json};

use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble};

/// How often QEMU is asked how far it is.
const POLL: Duration = Duration::from_millis(20);
/// An answer that takes longer than this is taken for none: QEMU's main loop answers between two
/// steps of its own, and loading a state is the longest.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// An open connection.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Connects as soon as QEMU listens.
    pub fn connect(socket: &Path, child: &mut Child, limit: &Limit) -> BedResult<Qmp> {
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                break stream;
            }
            if !matches!(child.try_wait(), Ok(None)) {
                return Err(Trouble::Bed { what: "QEMU ended at once".into() });
            }
            limit.check("starting QEMU")?;
            thread::sleep(POLL);
        };
        Qmp::over(stream)
    }

    /// Greets QEMU over a connection.
    pub(crate) fn over(stream: UnixStream) -> BedResult<Qmp> {
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(lost("talk to"))?;
        let writer = stream.try_clone().map_err(lost("talk to"))?;
        let mut qmp = Qmp { reader: BufReader::new(stream), writer };
        qmp.line()?;
        qmp.command("qmp_capabilities", json!({}))?;
        // The memory module is a file of its own and no part of the state: jobs come in with it.
        let shared = json!([{"capability": "x-ignore-shared", "state": true}]);
        qmp.command("migrate-set-capabilities", json!({"capabilities": shared}))?;
        Ok(qmp)
    }

    fn line(&mut self) -> BedResult<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).map_err(lost("hear"))?;
        if read == 0 {
            return Err(Trouble::Bed { what: "QEMU closed its control connection".into() });
        }
        serde_json::from_str(&line)
            .map_err(|e| Trouble::Bed { what: format!("QEMU said what is no JSON: {e}") })
    }

    fn command(&mut self, name: &str, arguments: Value) -> BedResult<Value> {
        let request = json!({"execute": name, "arguments": arguments});
        writeln!(self.writer, "{request}").map_err(lost("talk to"))?;
        loop {
            // Events come in between; nothing here needs them.
            let mut answer = self.line()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(Trouble::Bed { what: format!("QEMU refused {name}: {error}") });
            }
        }
    }

    fn status(&mut self, query: &str) -> BedResult<String> {
        let answer = self.command(query, json!({}))?;
        Ok(answer.get("status").and_then(Value::as_str).unwrap_or_default().to_string())
    }

    /// Halts the machine and writes its state to `path`, compressed.
    pub fn save(&mut self, path: &Path, limit: &Limit) -> BedResult<()> {
        self.command("stop", json!({}))?;
        // No reason to go slowly: nothing else runs.
        self.command("migrate-set-parameters", json!({"max-bandwidth": 1u64 << 40}))?;
        self.command("migrate", json!({"uri": format!("exec:gzip -1 >{}", quoted(path))}))?;
        loop {
            match self.status("query-migrate")?.as_str() {
                "completed" => return Ok(()),
                "failed" | "cancelled" => {
                    return Err(Trouble::Bed { what: "QEMU could not save its state".into() });
                }
                _ => limit.check("saving the booted bed")?,
            }
            thread::sleep(POLL);
        }
    }

    /// Loads the state that [`Qmp::save`] wrote, and lets the machine go on.
    pub fn resume(&mut self, path: &Path, limit: &Limit) -> BedResult<()> {
        let uri = format!("exec:gzip -dc {}", quoted(path));
        self.command("migrate-incoming", json!({"uri": uri}))?;
        while self.status("query-status")? == "inmigrate" {
            limit.check("resuming the bed")?;
            thread::sleep(POLL);
        }
        self.command("cont", json!({})).map(drop)
    }

    /// Asks QEMU to end.
    pub fn quit(&mut self) -> BedResult<()> {
        self.command("quit", json!({})).map(drop)
    }
}

/// An error of the connection. It means that QEMU has ended, and what QEMU said is the reason: so it
/// is a trouble of the bed's, which is shown with that.
fn lost(doing: &'static str) -> impl Fn(std::io::Error) -> Trouble {
    move |e| Trouble::Bed { what: format!("cannot {doing} QEMU: {e}") }
}

/// A path as one word of a shell's.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        let quoted = quoted(Path::new("/tmp/a b,c'd\"$e"));
        let mut shell = std::process::Command::new("sh");
        let output = shell.arg("-c").arg(format!("printf %s {quoted}")).output().expect("a shell");
        assert_eq!(output.stdout, b"/tmp/a b,c'd\"$e");
    }
}
