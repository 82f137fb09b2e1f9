//! Lines for programs: [`Fact`], a word and `key=value` pairs, as guests print them after `@T ` and
//! the job in dom0 after `@J `.
//!
//! What a guest prints is not trusted: a line that does not fit is no fact.

use std::collections::BTreeMap;

/// One such line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fact {
    /// Its first word, or the first key where the line starts with a pair.
    pub word: String,
    /// Its pairs.
    pub pairs: BTreeMap<String, String>,
}

impl Fact {
    /// The fact in a line that starts with `mark`.
    pub fn parse(mark: &str, line: &str) -> Option<Fact> {
        let rest = line.trim_end().strip_prefix(mark)?.strip_prefix(' ')?;
        let mut fact = Fact::default();
        let mut last = None;
        for (index, part) in rest.split(' ').filter(|part| !part.is_empty()).enumerate() {
            match part.split_once('=') {
                Some((key, value)) => {
                    if index == 0 {
                        fact.word = key.to_string();
                    }
                    fact.pairs.insert(key.to_string(), value.to_string());
                    last = Some(key);
                }
                None if index == 0 => fact.word = part.to_string(),
                // Words after a value belong to it; only free text has them.
                None => {
                    if let Some(value) = last.and_then(|key| fact.pairs.get_mut(key)) {
                        value.push(' ');
                        value.push_str(part);
                    }
                }
            }
        }
        (!fact.word.is_empty()).then_some(fact)
    }

    /// Every fact of a text that tests give.
    #[cfg(test)]
    pub(crate) fn all(mark: &str, text: &str) -> Vec<Fact> {
        text.lines().filter_map(|line| Fact::parse(mark, line)).collect()
    }

    /// A value as text; empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        self.pairs.get(key).map_or("", String::as_str)
    }

    /// A value as a number.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.pairs.get(key)?.parse().ok()
    }

    /// Whether a value is 1.
    pub fn yes(&self, key: &str) -> bool {
        self.text(key) == "1"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_pairs_are_read() {
        let fact = Fact::parse("@T", "@T cycle link=a n=3 ok=1\r").expect("a fact");
        assert_eq!(
            (fact.word.as_str(), fact.number("n"), fact.yes("ok")),
            ("cycle", Some(3), true)
        );
        assert_eq!(fact.text("absent"), "");
    }

    #[test]
    fn a_line_that_starts_with_a_pair_is_named_by_its_key() {
        let fact = Fact::parse("@T", "@T verdict=SUCCESS reason=all-done").expect("a fact");
        assert_eq!((fact.word.as_str(), fact.text("verdict")), ("verdict", "SUCCESS"));
    }

    #[test]
    fn free_text_at_the_end_is_kept_whole() {
        let fact = Fact::parse("@J", "@J check name=a ok=1 detail=two of three").expect("a fact");
        assert_eq!((fact.text("ok"), fact.text("detail")), ("1", "two of three"));
    }

    #[test]
    fn other_lines_are_no_facts() {
        for line in ["", "@T", "@T ", "T boot", "@Tboot a=1", " @T boot"] {
            assert_eq!(Fact::parse("@T", line), None, "{line:?}");
        }
    }
}
