//! The job of `soak`: which side is destroyed at which step, as a seed decides.

use channel::Step;
use prng::Prng;

use crate::base::roles;
use crate::machine::job::Job;
use crate::runs::course::{BACK_STEPS, FRONT_STEPS};

/// The stream of a seed that the steps are drawn from; courses have another.
const STREAM: u64 = 101;
/// Bytes of a cycle: little, since cycles are to be many.
const BYTES: &str = "64";
/// Connections after which a front, a back restarts its endpoints in place. Not the same, so that each
/// is found anew by a peer that was not.
const RESTARTS_EVERY: [(&str, u32); 2] = [("FRONT_RESTARTS", 7), ("BACK_RESTARTS", 8)];
/// The short form: some steps, as the seed draws them, within about a minute.
pub(crate) const SHORT_DESTROYS: u32 = 8;
pub(crate) const SHORT_CYCLES: u32 = 80;

/// Which side is destroyed where, in turn: as many deaths as asked for, or more where the cycles that
/// come before them would be too few.
pub(crate) fn plan(seed: u64, cycles: u32, destroys: u32) -> String {
    let mut chance = Prng::seeded(seed, STREAM);
    // A restart in place cuts a connection of the other side short now and then: one in twenty was.
    let cycles = cycles + cycles.div_ceil(10);
    let mean = u64::from(cycles.div_ceil(destroys));
    let (mut sum, mut deaths) = (0, 0);
    let mut text = String::new();
    while deaths < destroys || sum < u64::from(cycles) {
        let (side, steps) =
            if deaths % 2 == 0 { ("front", &FRONT_STEPS[..]) } else { ("back", &BACK_STEPS[..]) };
        let step = *chance.pick(steps);
        // A link comes up once in the life of one that dies; everything else comes in each cycle.
        let nth = match step {
            Step::Up => 1,
            _ => chance.between(mean / 2 + 1, mean * 3 / 2 + 2),
        };
        text.push_str(&format!("{side} {}:{nth}\n", step.word()));
        sum += nth - 1;
        deaths += 1;
    }
    text
}

/// A job that plays a plan.
pub(crate) fn job(plan: String, cycles: u32) -> Job {
    let mut settings = vec![
        ("PLAN".into(), plan),
        ("BYTES".into(), BYTES.to_string()),
        // No latency is asked for.
        ("UNTIMED".into(), "yes".into()),
    ];
    settings.extend(RESTARTS_EVERY.map(|(name, every)| (name.into(), every.to_string())));
    Job { scenario: roles::SOAK.into(), cycles, settings, files: Vec::new() }
}

/// The soak's short form, for the fault campaign.
pub(crate) fn short_job(seed: u64) -> Job {
    job(plan(seed, SHORT_CYCLES, SHORT_DESTROYS), SHORT_CYCLES)
}
