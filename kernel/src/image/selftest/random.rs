//! Random numbers: RDRAND answers, and not with the same number again.
//!
//! Nothing here measures quality; it finds the broken processors that answer all ones.

use super::failed::{Failed, hold};
use crate::image::machine::Machine;
use crate::mem::random;

/// Enough to see a stuck source.
const DRAWS: usize = 8;

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    let mut drawn = [0; DRAWS];
    for index in 0..DRAWS {
        let value =
            random::draw().map_err(|error| Failed::found("random-number", &error.word()))?;
        hold("numbers-differ", !drawn[..index].contains(&value))?;
        drawn[index] = value;
    }
    Ok(())
}
