//! Made-up consoles, and what must come of them.

use std::collections::BTreeMap;

use super::*;
use crate::base::cpio::{Archive, Mode};
use crate::base::options::Clock;
use crate::evaluation::figures::{Sides, Stage};
use crate::output::facts::Fact;
use crate::output::guest::Guest;
use crate::output::played::Played;
use crate::output::timeline::ClockOffset;

const FRONT: &str = "\
    @T hist name=read n=3 sum_ns=330 min_ns=101 max_ns=119\n\
    @T bucket name=read lo=100 hi=109 n=2\n\
    @T bucket name=read lo=110 hi=129 n=1\n\
    @T hist name=connect n=2 sum_ns=880 min_ns=440 max_ns=440\n\
    @T bucket name=connect lo=436 hi=447 n=2\n\
    @T counts stage=connect n=2 xs.WRITE=2 xs.READ=2 events=2 hc.evtchn.send=3 hc.sched.poll=9\n\
    @T counts stage=data n=2 hc.evtchn.send=2\n\
    @T counts stage=disconnect n=2 xs.WRITE=2 hc.evtchn.close=2\n\
    @T mark t_ns=1000 what=connect-asked\n\
    @T mark t_ns=1100 what=doorbell\n\
    @T mark t_ns=1150 what=sleep\n\
    @T mark t_ns=1380 what=wake\n\
    @T mark t_ns=1400 what=connected\n\
    @T mark t_ns=1450 what=sleep\n";
const BACK: &str = "\
    @T mark t_ns=1200 what=wake\n\
    @T mark t_ns=1300 what=notify\n\
    @T mark t_ns=1310 what=sleep\n\
    @T counts stage=connect n=2 xs.WRITE=2 xs.READ=2 hc.grant.map=2\n\
    @T counts stage=data n=2 hc.evtchn.send=2\n\
    @T counts stage=disconnect n=2 xs.WRITE=2 xs.READ=2\n";
const LAB: &str = "\
    @T hist name=read n=1 sum_ns=90 min_ns=90 max_ns=90\n\
    @T bucket name=read lo=90 hi=99 n=1\n\
    @T counts stage=connect n=1 xs.WRITE=70\n\
    @T counts stage=disconnect n=1 xs.WRITE=70\n";
const JOB: &str = "\
    @J domain role=bench n=2 domid=1 t0=5 done=9\n\
    @J domain role=bench n=1 domid=2 t0=5 done=9\n\
    @J domain role=bench n=3 domid=3 t0=5 done=9\n\
    @J domain role=hello n=1 domid=4 t0=1000 done=1700\n\
    @J clock low=400 high=400\n\
    @J times name=blk-attach n=9 min_ns=1 p50_ns=2 p90_ns=3 p99_ns=4 p999_ns=5 max_ns=6\n";

fn measured() -> BTreeMap<String, Stage> {
    measured_by(Clock::Counted)
}

/// What a run of these consoles leaves.
pub(crate) fn played() -> Played {
    let mut results = Archive::new();
    let hello = "@T boot image=hello domid=4 t1_ns=1950 mem_kib=2048\n";
    for (name, text) in
        [("bench.1", FRONT), ("bench.2", BACK), ("bench.3", LAB), ("hello.1", hello)]
    {
        results.file(&format!("{name}.console"), Mode::Data, text.as_bytes().to_vec());
    }
    Played { facts: Fact::all("@J", JOB), results, wall_s: 0.0, kept: None }
}

fn measured_by(clock: Clock) -> BTreeMap<String, Stage> {
    let played = played();
    let offset = ClockOffset::find(&played.facts);
    stages(&Guest::all(&played), &played.facts, offset, clock)
}

#[test]
fn histograms_of_several_lives_become_one_with_its_percentiles() {
    let read = measured().remove("read").expect("a histogram");
    let ns = read.ns.expect("times");
    assert_eq!((read.n, ns.min, ns.p50, ns.p999, ns.max), (4, 90, 109, 119, 119));
    assert_eq!(read.hist, [(90, 1), (100, 2), (110, 1)]);
}

#[test]
fn counts_are_those_of_the_pair_that_went_through_cycles() {
    let stages = measured();
    let connect = &stages["connect"];
    assert_eq!(connect.xs_requests, Some(Sides { fe: 2, be: 2 }));
    // Waits are left out; three in two cycles is two.
    assert_eq!(connect.hypercalls, Some(Sides { fe: 2, be: 1 }));
}

#[test]
fn the_toolstacks_share_is_told_on_the_guests_clock() {
    let stages = measured();
    assert_eq!(stages["xl create"].ns.expect("times").p50, 700);
    assert_eq!(stages["xl create to T1"].ns.expect("times").p50, 1950 - 1400);
}

#[test]
fn what_others_measured_stands_beside_ours() {
    let attach = measured().remove("blk-attach").expect("a comparator");
    assert_eq!((attach.n, attach.ns.expect("times").p50), (9, 2));
}

#[test]
fn goals_are_averages_and_ratios_of_medians() {
    let stages = measured();
    let value = |name: &str| {
        goals(&stages, &Data::default())
            .into_iter()
            .find(|goal| goal.name == name)
            .expect("a goal")
            .value
    };
    assert_eq!(value("requests, connect, both ends"), Some(4.0));
    assert_eq!(value("requests, connect + data + disconnect, both ends"), Some(7.0));
    assert_eq!(value("hypercalls, connect + disconnect, no waits, front"), Some(2.5));
    assert_eq!(value("connect / RT"), Some(440.0 / 109.0));
    // Not measured is not zero.
    assert_eq!(value("event-channel ping-pong"), None);
}

#[test]
fn no_time_is_told_in_real_time() {
    let stages = measured_by(Clock::Real);
    assert_eq!((stages["read"].n, stages["read"].ns), (4, None));
    assert!(stages["read"].hist.is_empty() && !stages.contains_key("xl create"));
}

#[test]
fn a_run_without_the_image_has_no_such_stages() {
    let guests =
        Guest::all(&Played { facts: Vec::new(), results: Archive::new(), wall_s: 0.0, kept: None });
    assert!(stages(&guests, &[], None, Clock::Counted).is_empty());
}

#[test]
fn data_is_compared_with_the_fastest_copy() {
    let console = "\
        @T alone name=copy-a n=10 bytes=100 ns=1000 ok=1\n\
        @T alone name=copy-b n=10 bytes=100 ns=500 ok=1\n\
        @T alone name=copy-wrong n=10 bytes=100 ns=1 ok=0\n\
        @T alone name=stream n=10 bytes=100 ns=1250 ok=1\n\
        @T alone name=message n=100 bytes=64 ns=20000 ok=1\n\
        @T stream pages=1 size=4096 bytes=16640 ns=1000 notified.fe=3 notified.be=2\n";
    let mut results = Archive::new();
    results.file("bench.1.console", Mode::Data, console.as_bytes().to_vec());
    let facts = Fact::all("@J", JOB);
    let guests = Guest::all(&Played { facts, results, wall_s: 0.0, kept: None });
    let data = Data::of(&guests, &[], Clock::Counted);
    assert_eq!(data.per_cent_of_copy("stream", 2.0), Some(80.0));
    // 200 ns a message are 100 instructions, half of them a side's.
    assert_eq!(data.instructions_a_side("message"), Some(50.0));
    // 5 notifications for 16,640 bytes, which fill a ring of one page 10 times.
    assert_eq!(data.notified_a_ring_full(1, 4096), Some(0.5));
    let rates: Vec<Option<f64>> = data.streams.iter().map(Streamed::megabytes_a_second).collect();
    assert_eq!(rates, [Some(16_640.0)]);
    let data = Data::of(&guests, &[], Clock::Real);
    assert!(data.alone.is_empty());
    assert_eq!(data.streams[0].ns, None);
}

/// A measured front among many: what it timed and counted.
fn measured_among(read_ns: u64, connect_ns: u64) -> String {
    format!(
        "@T hist name=read n=1 sum_ns={read_ns} min_ns={read_ns} max_ns={read_ns}\n\
         @T bucket name=read lo={read_ns} hi={read_ns} n=1\n\
         @T hist name=connect n=1 sum_ns={connect_ns} min_ns={connect_ns} max_ns={connect_ns}\n\
         @T bucket name=connect lo={connect_ns} hi={connect_ns} n=1\n\
         @T counts stage=connect n=10 xs.WRITE=10\n"
    )
}

#[test]
fn a_row_for_each_number_of_links_stands_apart_from_the_timed_pairs() {
    let back = "\
        @T served cycles=10\n\
        @T counts stage=connect n=10 xs.READ=10\n\
        @T served cycles=10\n\
        @T counts stage=connect n=10 xs.READ=20 xs.WRITE=1\n\
        @T counts stage=total n=1 xs.READ=99\n";
    let job = "\
        @J domain role=bench n=100 domid=1 t0=5 done=9\n\
        @J domain role=bench n=133 domid=2 t0=5 done=9\n\
        @J links n=1 front=133 back=100\n\
        @J domain role=bench n=134 domid=4 t0=5 done=9\n\
        @J links n=2 front=134 back=100\n";
    let mut results = Archive::new();
    let consoles = [
        ("bench.100", back.to_string()),
        ("bench.133", measured_among(100, 500)),
        ("bench.134", measured_among(110, 660)),
    ];
    for (name, text) in consoles {
        results.file(&format!("{name}.console"), Mode::Data, text.into_bytes());
    }
    let played = Played { facts: Fact::all("@J", job), results, wall_s: 0.0, kept: None };
    let guests = Guest::all(&played);
    assert!(stages(&guests, &played.facts, None, Clock::Counted).is_empty());

    let data = Data::of(&guests, &played.facts, Clock::Counted);
    let told: Vec<_> = data
        .links
        .iter()
        .map(|row| (row.links, row.median("connect"), row.requests("connect")))
        .collect();
    assert_eq!(told, [(1, Some(500.0), Some(2.0)), (2, Some(660.0), Some(3.1))]);
    // Six READs instead of five.
    assert_eq!(links::growth(&data.links, "connect"), Some(1.2));
    assert_eq!(links::requests_more(&data.links), Some(1.1));
}
