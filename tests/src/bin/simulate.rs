//! Runs seeds of the simulated world.
use tests::sim::faults::{Mask, Matrix};
use tests::sim::oracle::Tally;
use tests::sim::run::run;
use tests::sim::trace::Trace;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let from: u64 = args[1].parse().unwrap();
    let to: u64 = args[2].parse().unwrap();
    let kept = args.get(3).is_some();
    std::panic::set_hook(Box::new(|info| {
        if let Some(place) = info.location() {
            eprintln!("   at {place}");
        }
    }));
    let start = std::time::Instant::now();
    let mut tally = Tally::default();
    let mut matrix = Matrix::default();
    let mut bad = 0;
    let (mut joined, mut noticed) = (0f64, 0f64);
    for seed in from..to {
        let trace = if kept { Trace::kept() } else { Trace::hashed() };
        let out = run(seed, Mask::default(), trace);
        for line in &out.lines {
            println!("{line}");
        }
        tally.add(&out.tally);
        matrix.add(&out.matrix);
        joined = joined.max(out.measures.joined_beats);
        noticed = noticed.max(out.measures.noticed_beats);
        if let Some(failure) = out.failure {
            bad += 1;
            println!("{seed}: {failure}");
        }
    }
    let s = start.elapsed().as_secs_f64();
    println!(
        "{bad} bad; {tally:?} {:.0}/s; seeds {:.0}/s; empty {} faults {} joined {joined:.1} noticed {noticed:.1}",
        tally.delivered as f64 / s,
        (to - from) as f64 / s,
        matrix.empty_cells().len(),
        matrix.sum()
    );
}
