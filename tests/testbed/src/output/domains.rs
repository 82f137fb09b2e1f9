//! Domains as `xl list` prints them.

/// The name and the domid in a line of `xl list`. A name may be missing or have blanks, so the id is
/// found from the end: id, memory, processors, state, time.
pub(crate) fn listed_domain(line: &str) -> Option<(String, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.len().checked_sub(5)?;
    Some((words[..at].join(" "), words[at].parse().ok()?))
}
