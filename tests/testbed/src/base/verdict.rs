//! The five outcomes of a run, [`Verdict`], and how they come about from what guests and job said.

use serde::Serialize;

/// How a run, or a guest, ended. Later ones outweigh earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Everything was done and checked.
    Success,
    /// Something was not checked.
    Skip,
    /// The run could not be carried out.
    Error,
    /// Something that was checked is wrong.
    Failure,
    /// A domain crashed.
    Crash,
}

impl Verdict {
    /// The word in verdict lines.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Success => "SUCCESS",
            Verdict::Skip => "SKIP",
            Verdict::Error => "ERROR",
            Verdict::Failure => "FAILURE",
            Verdict::Crash => "CRASH",
        }
    }

    /// The exit code of the run.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Success => 0,
            Verdict::Skip => 3,
            Verdict::Error => 4,
            Verdict::Failure => 5,
            Verdict::Crash => 6,
        }
    }

    /// What a guest's verdict line says; a word that is none of these is nothing.
    pub fn parse(word: &str) -> Option<Verdict> {
        let all =
            [Verdict::Success, Verdict::Skip, Verdict::Error, Verdict::Failure, Verdict::Crash];
        all.into_iter().find(|verdict| verdict.word() == word)
    }
}

/// A verdict with its reason, in words joined by dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

impl Judgement {
    /// A success until something worse is added.
    pub fn new(reason: &str) -> Judgement {
        Judgement { verdict: Verdict::Success, reason: reason.to_string() }
    }

    /// Takes over a worse outcome; of equally bad ones the first stays.
    pub fn add(&mut self, verdict: Verdict, reason: impl Into<String>) {
        if verdict > self.verdict {
            self.verdict = verdict;
            self.reason = reason.into().replace(char::is_whitespace, "-");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_stands_with_its_first_reason() {
        let mut judgement = Judgement::new("done");
        judgement.add(Verdict::Failure, "first bad");
        judgement.add(Verdict::Failure, "second");
        judgement.add(Verdict::Error, "milder");
        assert_eq!((judgement.verdict, &*judgement.reason), (Verdict::Failure, "first-bad"));
        assert_eq!(judgement.verdict.exit_code(), 5);
    }
}
