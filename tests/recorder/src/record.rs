//! A record: head, steps, and what came of each.

use crate::play::HomeNode;
use crate::step::ScriptStep;
use crate::text::unescape;

/// A record, read.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Its `# key: value` lines.
    pub head: Vec<(String, String)>,
    /// What was done, and the lines that tell what came of it.
    pub entries: Vec<RecordEntry>,
}

/// One step and what came of it.
#[derive(Clone, Debug)]
pub struct RecordEntry {
    /// Its line in the file, from 1.
    pub line: usize,
    /// What was done.
    pub step: ScriptStep,
    /// What came of it.
    pub came: Vec<String>,
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// The line that is malformed, in words.
    pub fn parse(text: &str) -> Result<Record, String> {
        let mut record = Record::default();
        for (at, line) in text.lines().enumerate() {
            let at = at + 1;
            if let Some(comment) = line.strip_prefix('#') {
                if let Some((key, value)) = comment.split_once(':') {
                    record.head.push((key.trim().into(), value.trim().into()));
                }
            } else if line.starts_with("  ") {
                let entry = record.entries.last_mut();
                entry.ok_or(format!("line {at}: before any step"))?.came.push(line.into());
            } else if !line.is_empty() {
                let step = ScriptStep::parse(line).ok_or(format!("line {at}: no step: {line}"))?;
                record.entries.push(RecordEntry { line: at, step, came: Vec::new() });
            }
        }
        Ok(record)
    }

    /// A value of the head; empty where it is not there.
    pub fn value(&self, key: &str) -> &str {
        self.head.iter().find(|(have, _)| have == key).map_or("", |(_, value)| value)
    }

    /// How many replies and events were recorded: what the daemon sent, and nothing else.
    pub fn answers(&self) -> usize {
        let sent = |line: &&String| line.as_bytes().get(2).is_some_and(u8::is_ascii_digit);
        self.entries.iter().flat_map(|entry| &entry.came).filter(sent).count()
    }
}

impl RecordEntry {
    /// The nodes of the home of a domain that this step made.
    pub fn home(&self) -> Vec<HomeNode> {
        let node = |line: &String| {
            let mut words = line.strip_prefix("  home ")?.splitn(3, ' ');
            let path = match words.next()? {
                "." => String::new(),
                path => path.into(),
            };
            let permissions = unescape(words.next()?)?;
            Some(HomeNode { path, permissions, value: unescape(words.next()?)? })
        };
        self.came.iter().filter_map(node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_what_came_of_them_are_told_apart() {
        let text = "# daemon: c\n\n1 create\n  home . n0\\0r1\\0 \n  home data n1\\0 x\n1 READ - a\\0\n  \
                    1 READ x\n  0 WATCH_EVENT a\\0t\\0\n1 sleep\n";
        let record = Record::parse(text).expect("well-formed");
        assert_eq!(record.value("daemon"), "c");
        assert_eq!(record.entries.len(), 3);
        assert_eq!(record.answers(), 2);
        let home = record.entries[0].home();
        assert_eq!(home.len(), 2);
        assert_eq!((&*home[1].path, &home[1].value[..]), ("data", &b"x"[..]));
        assert!(Record::parse("  1 READ x\n").is_err());
    }
}
