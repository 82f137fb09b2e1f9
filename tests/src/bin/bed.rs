//! skeleton
use clap::Parser;
use tests::bed::*;
fn main() {
    let o = options::Options::parse();
    let limit = stop::Limit::seconds(o.timeout);
    stop::listen().unwrap();
    let progress = progress::Progress::new("");
    let l = layout::Layout::new(o.out.as_deref()).unwrap();
    let r = (|| {
        let p = packages::Packages::ready(&l.cache(), &progress, &limit)?;
        let d =
            dom0::Dom0::ready(&l.cache(), &p, &l.dom0_scripts().join("init"), &progress, &limit)?;
        let q = qemu::Qemu::ready(&l.cache(), &progress, &limit)?;
        let _ = images::build(&l, &limit);
        let job = job::Job { scenario: o.scenario.clone(), cycles: o.cycles, settings: vec![] };
        let s = play::Setting { layout: l.clone(), qemu: q, dom0: d };
        play::on_bed(
            &s,
            play::Choice {
                daemon: o.daemon.daemons()[0],
                clock: o.clock,
                seed: o.seed_in_force(),
                line: qemu::Line::Log,
            },
            &job,
            &progress,
            &limit,
        )
    })();
    progress.finish();
    match r {
        Ok(p) => {
            println!("{:?} {:?} {} s", p.facts, p.kept, p.wall_s);
            let g = guest::Guest::all(&p);
            println!("{:?}", leaks::Leaks::find(&p.results, &g));
            for (n, _) in p.results.iter() {
                println!("{n}");
            }
            for g in g {
                println!("{}", g.console);
            }
        }
        Err(t) => println!("{t}"),
    }
}
