//! What others ask of xenstored: counted in the log that C xenstored writes of its requests, not read
//! off their sources.

use std::collections::BTreeMap;

/// Requests of one cycle of each comparator, by its name; nothing where the daemon kept no log.
pub(crate) fn per_cycle(log_of: impl Fn(&str) -> Option<String>) -> BTreeMap<String, f64> {
    let mut asked = BTreeMap::new();
    for (name, file, paths) in COMPARATORS {
        let count = log_of(file).map_or(0, |log| count(&log, paths));
        if count > 0 {
            asked.insert(name.to_string(), count as f64 / COUNTED_CYCLES);
        }
    }
    asked
}

/// Name, log, and what the paths of its nodes have in them.
const COMPARATORS: [(&str, &str, &[&str]); 2] = [
    ("vchan", "requests.vchan", &["data/vchan/"]),
    ("blk", "requests.blk", &["device/vbd/", "backend/vbd/"]),
];

/// As many as tests/comparators/ and bench-linux.sh make while the log is on.
const COUNTED_CYCLES: f64 = 5.0;

/// One request, as the log has it: `IN CONNECTION DATE TIME KIND (WORDS)`.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    connection: &'a str,
    kind: &'a str,
    words: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let mut parts = line.strip_prefix("IN ")?.splitn(5, ' ');
        let connection = parts.next()?;
        let (_date, _time) = (parts.next()?, parts.next()?);
        Some(Line { connection, kind: parts.next()?, words: parts.next()? })
    }
}

/// The requests about such nodes, and the begins and ends of transactions of whoever made them. The
/// connection that makes and removes the nodes' directory plays the toolstack and is left out.
fn count(log: &str, paths: &[&str]) -> usize {
    let lines: Vec<Line<'_>> = log.lines().filter_map(Line::parse).collect();
    let is_about = |line: &Line<'_>| paths.iter().any(|path| line.words.contains(path));
    let is_toolstack = |connection: &str| {
        lines
            .iter()
            .any(|line| line.connection == connection && line.kind == "MKDIR" && is_about(line))
    };
    let first = lines.iter().position(is_about).unwrap_or(0);
    let last = lines.iter().rposition(is_about).unwrap_or(0);
    let concerned = |connection: &str| {
        lines.iter().any(|line| line.connection == connection && is_about(line))
            && !is_toolstack(connection)
    };
    let in_transaction = |line: &Line<'_>| line.kind.starts_with("TRANSACTION_");
    lines
        .iter()
        .enumerate()
        .filter(|(at, line)| {
            // The begin of the first is one line before, the end of the last one behind.
            let near = first.saturating_sub(1) <= *at && *at <= last + 1;
            near && concerned(line.connection) && (is_about(line) || in_transaction(line))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
        IN 0xa 20260101 00:00:01 TRANSACTION_START ( )\n\
        IN 0xa 20260101 00:00:01 WRITE (data/vchan/3/ring-ref 8)\n\
        OUT 0xa 20260101 00:00:01 WRITE (OK )\n\
        IN 0xc 20260101 00:00:01 READ (data/count )\n\
        IN 0xa 20260101 00:00:01 TRANSACTION_END (T )\n\
        IN 0xb 20260101 00:00:02 READ (/local/domain/3/data/vchan/3/ring-ref )\n\
        IN 0xb 20260101 00:00:02 READ (/local/domain/3/data/vchan/3/event-channel )\n\
        IN 0xd 20260101 00:00:02 MKDIR (/local/domain/3/data/vchan/9 )\n\
        IN 0xb 20260101 00:00:02 READ (data/count )\n";

    #[test]
    fn requests_about_the_nodes_and_their_transactions_are_counted() {
        assert_eq!(count(LOG, &["data/vchan/"]), 5);
    }

    #[test]
    fn without_a_log_nothing_is_said() {
        assert!(per_cycle(|_| None).is_empty());
        let asked = per_cycle(|file| (file == "requests.vchan").then(|| LOG.to_string()));
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), [("vchan".to_string(), 1.0)]);
    }
}
