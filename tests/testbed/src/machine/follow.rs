//! Reading a log while it is being written: [`Follower`], whole lines as they come.

use core::time::Duration;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// How often a log that grows is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// One log and how far it was read.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Follower {
    /// From the start of the file, which need not exist yet.
    pub(crate) fn new(path: PathBuf) -> Follower {
        Follower { path, offset: 0, rest: Vec::new() }
    }

    /// The whole lines that came since the last call, without their ends.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let mut fresh = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            // What was read before an error is kept; the rest comes at the next call.
            let _ = file.read_to_end(&mut fresh);
        }
        self.offset += fresh.len() as u64;
        self.rest.extend_from_slice(&fresh);
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_string());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_out_once_and_whole() {
        let path = std::env::temp_dir().join(format!("tether-follow-{}", std::process::id()));
        let mut follower = Follower::new(path.clone());
        assert!(follower.lines().is_empty());
        std::fs::write(&path, "one\r\ntw").expect("a file in the temporary folder");
        assert_eq!(follower.lines(), ["one"]);
        std::fs::write(&path, "one\r\ntwo\n").expect("a file in the temporary folder");
        assert_eq!(follower.lines(), ["two"]);
        let _ = std::fs::remove_file(path);
    }
}
