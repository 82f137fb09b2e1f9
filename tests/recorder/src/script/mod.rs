//! The script: chapters on what the channel relies on and on what is easily got wrong, then a long
//! random part.
//!
//! Domains 1 and 2 live all along; 3 and 4 come and go. Everything happens below `data` of 1 and 2,
//! which each chapter leaves empty, with no watch and no transaction.

mod lives;
mod malformed;
mod permissions;
mod pressure;
mod quotas;
mod random;
mod requests;
mod transactions;
mod update;
mod values;
mod watches;
mod writer;

use crate::step::ScriptStep;
use writer::Script;

/// The whole script.
pub fn steps() -> Vec<ScriptStep> {
    let mut script = Script::default();
    script.steps.extend([ScriptStep::Create(1), ScriptStep::Create(2)]);
    values::write(&mut script);
    requests::write(&mut script);
    permissions::write(&mut script);
    watches::write(&mut script);
    transactions::write(&mut script);
    quotas::write(&mut script);
    pressure::write(&mut script);
    random::write(&mut script);
    lives::write(&mut script);
    update::write(&mut script);
    malformed::write(&mut script);
    script.steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_same_each_time_and_every_line_can_be_read() {
        let steps = steps();
        assert_eq!(steps, super::steps());
        for step in &steps {
            assert_eq!(ScriptStep::parse(&step.line()).as_ref(), Some(step), "{}", step.line());
        }
        assert!(steps.len() > 1000, "{}", steps.len());
    }
}
