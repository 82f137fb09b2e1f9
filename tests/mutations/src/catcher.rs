//! The checks that catch mutations: how each is run, and what it says when it has found something.

use core::fmt;

use serde::Deserialize;

/// Seeds that the simulator may take to catch a mutation.
const SEEDS_MAX: u64 = 3000;

/// A check. In the list it is `simulator`, `model` with the arguments of `check-model`, or `test`
/// with a package, `lib` or the name of a test program, and the test's name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub(crate) enum Catcher {
    /// The simulated world, from seed 0 on.
    Simulator,
    /// A complete search of the model, within these bounds.
    Model(Vec<String>),
    /// A test.
    Test(TestProgram, String),
}

/// Where a test is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestProgram {
    /// The package.
    pub(crate) package: String,
    /// `lib`, or the name of an integration test.
    pub(crate) target: String,
}

/// A program that Cargo builds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// A program of the package `tests`.
    Bin(&'static str),
    /// A test program.
    Test(TestProgram),
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its words.
    pub(crate) text: String,
    /// The simulator's seed.
    pub(crate) seed: Option<u64>,
}

impl TryFrom<String> for Catcher {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["simulator"] => Ok(Self::Simulator),
            ["model", "session" | "connection", ..] => Ok(Self::Model(words[1..].to_vec())),
            ["test", package, target, name] => {
                let program = TestProgram { package: package.into(), target: target.into() };
                Ok(Self::Test(program, name.into()))
            }
            _ => Err(format!("no such check: {text:?}")),
        }
    }
}

impl fmt::Display for Catcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulator => write!(f, "simulator"),
            Self::Model(arguments) => write!(f, "model {}", arguments.join(" ")),
            Self::Test(_, name) => write!(f, "test {name}"),
        }
    }
}

impl Catcher {
    /// The program that it is.
    pub(crate) fn program(&self) -> Program {
        match self {
            Self::Simulator => Program::Bin("simulate"),
            Self::Model(_) => Program::Bin("check-model"),
            Self::Test(program, _) => Program::Test(program.clone()),
        }
    }

    /// Its arguments; the simulator begins at seed `from`.
    pub(crate) fn arguments(&self, from: u64) -> Vec<String> {
        match self {
            Self::Simulator => {
                let seeds = SEEDS_MAX.saturating_sub(from);
                format!("--from {from} --seeds {seeds} --jobs 1 --no-minimise")
                    .split(' ')
                    .map(Into::into)
                    .collect()
            }
            Self::Model(arguments) => arguments.clone(),
            Self::Test(_, name) => vec!["--exact".into(), name.clone()],
        }
    }

    /// What it printed as its finding. One that begins with `finds` is looked for.
    pub(crate) fn finding(&self, output: &str, finds: &str) -> Option<Finding> {
        match self {
            Self::Simulator => output.lines().find_map(|line| {
                let (seed, text) = line.strip_prefix("FAILED seed ")?.split_once(": ")?;
                Some(Finding { text: text.into(), seed: Some(seed.parse().ok()?) })
            }),
            Self::Model(_) => output.lines().find_map(|line| {
                let (text, steps) = line.strip_prefix("  ")?.rsplit_once(", after ")?;
                let is_finding = steps.ends_with(" steps:");
                is_finding.then(|| Finding { text: text.into(), seed: None })
            }),
            // Among all that a failing test prints, the line that is looked for, or else its panic's.
            Self::Test(_, name) => {
                let failed = format!("test {name} ... FAILED");
                output.lines().find(|line| *line == failed)?;
                let mut panic = output.lines().skip_while(|line| !line.contains("panicked at "));
                let wanted = output.lines().find(|line| line.starts_with(finds));
                let text = wanted.or_else(|| panic.nth(1)).unwrap_or_default();
                Some(Finding { text: text.into(), seed: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Catcher, Finding};

    fn catcher(text: &str) -> Catcher {
        Catcher::try_from(text.to_owned()).expect("a check")
    }

    #[test]
    fn the_first_failure_of_the_simulator_is_its_finding() {
        let output = "--- seed 17, 4 lines left out\nFAILED seed 17: G5: a session ended: why\n";
        let found = catcher("simulator").finding(output, "it");
        let text = "G5: a session ended: why".into();
        assert_eq!(found, Some(Finding { text, seed: Some(17) }));
    }

    #[test]
    fn the_models_finding_is_the_line_before_the_way_to_it() {
        let output = "session: 3 states\n  Delivered(\"a, after b\"), after 2 steps:\n    1 x\n";
        let found = catcher("model session --faults 0").finding(output, "it");
        assert_eq!(found.map(|found| found.text).as_deref(), Some("Delivered(\"a, after b\")"));
        assert_eq!(catcher("model session").finding("session: 3 states, complete\n", "it"), None);
    }

    #[test]
    fn a_panic_of_another_test_is_no_finding() {
        let output = "test a ... FAILED\n\nthread 'a' panicked at f.rs:1:1:\nit is wrong\n";
        let found = catcher("test channel lib a").finding(output, "it");
        assert_eq!(found.map(|found| found.text).as_deref(), Some("it is wrong"));
        assert_eq!(catcher("test channel lib b").finding(output, "it"), None);
    }

    #[test]
    fn a_check_that_does_not_exist_is_refused() {
        assert!(Catcher::try_from("oracle".to_owned()).is_err());
    }
}
