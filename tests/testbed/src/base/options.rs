//! The command line of `run-xen.sh`: [`Options`], and what is wrong with it where it is wrong.
//!
//! An option that is not known or malformed ends the run before anything is started.

use core::ops::Range;
use std::path::PathBuf;
use std::thread;

use clap::{Parser, ValueEnum};

use crate::base::roles;

/// Default time limit of a run: far above the slowest first run seen (downloads among it), so that
/// only something stuck meets it.
const TIMEOUT_S_DEFAULT: u64 = 900;
/// Cycles unless told: enough to see a first and a usual one.
const CYCLES_DEFAULT: u32 = 20;
/// Cycles of a soak unless told, of issue "Loadable and unloadable, in any order, for ever".
const SOAK_CYCLES_DEFAULT: u32 = 10_000;
/// The same of a campaign, whose length is the user's to choose: longer than anybody waits for one.
const CAMPAIGN_S_DEFAULT: u64 = 4 * 3600;
/// The seeds that are explored unless told: some minutes' worth.
const SEEDS_DEFAULT: Range<u64> = 0..20;
/// The same for the fault campaign: ten minutes on two quiet cores, and much more on busy ones.
const TIMEOUT_S_FAULTS: u64 = 3600;

/// Boots real Xen in QEMU (no hardware virtualisation needed), starts both images with `xl create`,
/// introduces them, and says what they did.
#[derive(Debug, Clone, Parser)]
#[command(name = "run-xen.sh", bin_name = "run-xen.sh", version, after_help = AFTER_HELP)]
pub struct Options {
    /// What to do: `run` (the default), `xenstore-check`, the conformance of dom0's xenstore daemon
    /// and its costs, `bench`, what setup, teardown and data cost, `faults`, the fault campaign,
    /// `explore`, a random course for each of --seeds, `soak`, many cycles and many deaths on one
    /// machine, or `shell`, dom0's root shell on this terminal.
    #[arg(default_value = "run", value_name = "COMMAND", hide_default_value = true)]
    pub command: String,
    /// Which xenstore daemon dom0 runs [default: c; for `bench`, `faults` and `soak` both].
    #[arg(long, value_enum)]
    pub daemon: Option<DaemonChoice>,
    /// Which clock the machine has: `counted` (virtual time is instructions executed: figures mean
    /// something), `exact` (the same on one processor: runs repeat; `explore` always) or `real`
    /// (the host's time, for races; no latencies are printed).
    #[arg(long, value_enum, default_value = "counted")]
    pub clock: Clock,
    /// Seed of the machine's random numbers; with the exact clock the same seed on the same build
    /// prints the same consoles, byte for byte [default: 1, with the real clock none].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The seeds that `explore` plays, A up to but not including B; with `--daemon both` the even
    /// ones under C xenstored, the odd ones under oxenstored [default: 0..20].
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Option<Range<u64>>,
    /// How often `explore` plays each seed; all must print the same, byte for byte.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub replays: u32,
    /// A file with the course that `explore` plays instead of the seeds' own, say one that was cut
    /// down by hand.
    #[arg(long, value_name = "FILE")]
    pub course: Option<PathBuf>,
    /// How many machines may run at once [default: processors].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Cycles of connect, transfer, disconnect in each part of the job [default: 20; for `bench`
    /// 1000, for `soak` 10000 in all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: Option<u32>,
    /// How many domains `soak` destroys.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub destroys: u32,
    /// Where the report and the logs go [default: target/xen].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Time limit of the whole run, in seconds [default: 900; faults: 3600; explore, soak: 14400].
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// This machine is a Xen dom0 already: the same steps with its own `xl`, and no QEMU.
    #[arg(long)]
    pub native: bool,
    /// With --native: also play what stops this host's xenstore daemon for seconds or replaces it.
    #[arg(long, requires = "native")]
    pub stop_host_xenstored: bool,
    /// Print one report as JSON on stdout, and nothing else there: no tables, and no verdict line, since
    /// the report has the verdict.
    #[arg(long)]
    pub json: bool,
    /// Which file of tests/dom0/scenarios/ to play instead of the main job; the one scenario of
    /// `faults` to play.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
}

const AFTER_HELP: &str = "The last line on stdout is VERDICT <SUCCESS|SKIP|ERROR|FAILURE|CRASH> <reason>; \
the exit code is 0, 3, 4, 5 or 6 in that order, and 130 after Ctrl-C.\nWith --json stdout is one report \
instead, which has the same verdict, exit code and reason.\nreport.json and the logs are in target/xen, or in --out; a run that is cut short leaves the last report.";

/// `--daemon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DaemonChoice {
    /// C xenstored.
    C,
    /// oxenstored.
    Ocaml,
    /// One run under each.
    Both,
}

/// One of the two xenstore daemons that Xen ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Daemon {
    /// C xenstored.
    C,
    /// oxenstored, written in OCaml.
    Ocaml,
}

impl Daemon {
    /// Its name on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Daemon::C => "c",
            Daemon::Ocaml => "ocaml",
        }
    }
}

impl DaemonChoice {
    /// The daemons to run under, in order.
    pub fn daemons(self) -> &'static [Daemon] {
        match self {
            DaemonChoice::C => &[Daemon::C],
            DaemonChoice::Ocaml => &[Daemon::Ocaml],
            DaemonChoice::Both => &[Daemon::C, Daemon::Ocaml],
        }
    }
}

/// `--clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// Virtual time is the number of instructions executed; idle time is skipped.
    Counted,
    /// The same on one processor: then two runs agree to the byte, whatever else the host does.
    Exact,
    /// The host's time, one host thread a virtual processor.
    Real,
}

impl Clock {
    /// Its name on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Counted => "counted",
            Clock::Exact => "exact",
            Clock::Real => "real",
        }
    }
}

/// What `command` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The main job, or the scenario that was named.
    Run,
    /// Random courses, one a seed.
    Explore,
    /// The fault campaign.
    Faults,
    /// Many cycles and many deaths.
    Soak,
    /// dom0's root shell on the terminal.
    Shell,
    /// Not known.
    Unknown,
}

impl Options {
    /// Reads `command`.
    pub fn command(&self) -> Command {
        match self.command.as_str() {
            "run" | roles::CONFORMANCE | roles::BENCH => Command::Run,
            "explore" => Command::Explore,
            "soak" => Command::Soak,
            "shell" => Command::Shell,
            roles::FAULTS => Command::Faults,
            _ => Command::Unknown,
        }
    }

    /// The file of tests/dom0/scenarios/ to play.
    pub fn scenario(&self) -> &str {
        match self.command.as_str() {
            roles::CONFORMANCE => roles::CONFORMANCE,
            roles::BENCH => roles::BENCH,
            _ => self.scenario.as_deref().unwrap_or("main"),
        }
    }

    /// The daemons to run under.
    pub fn daemons(&self) -> &'static [Daemon] {
        let usual = match self.command.as_str() {
            roles::BENCH | roles::FAULTS | "soak" => DaemonChoice::Both,
            _ => DaemonChoice::C,
        };
        self.daemon.unwrap_or(usual).daemons()
    }

    /// Whether it would stop or replace the xenstore daemon of a host that other domains live on, and
    /// was not asked to.
    pub fn would_stop_host_daemon(&self) -> bool {
        const PLAYS: [&str; 4] = ["daemon_stalled", "quotas", "xenstore-check", "record-replies"];
        let campaign = self.command() == Command::Faults && self.scenario.is_none();
        let touches = campaign || PLAYS.contains(&self.scenario());
        self.native && touches && !self.stop_host_xenstored
    }

    /// Cycles in each part of the job.
    pub fn cycles_in_force(&self) -> u32 {
        let usual = match self.command.as_str() {
            roles::BENCH => roles::BENCH_CYCLES,
            "soak" => SOAK_CYCLES_DEFAULT,
            _ => CYCLES_DEFAULT,
        };
        self.cycles.unwrap_or(usual)
    }

    /// The time limit in force, in seconds.
    pub fn timeout_s(&self) -> u64 {
        let default = match self.command() {
            Command::Explore | Command::Soak => CAMPAIGN_S_DEFAULT,
            Command::Faults => TIMEOUT_S_FAULTS,
            _ => TIMEOUT_S_DEFAULT,
        };
        self.timeout.unwrap_or(default)
    }

    /// The seeds to be explored.
    pub fn seeds(&self) -> Range<u64> {
        self.seeds.clone().unwrap_or(SEEDS_DEFAULT)
    }

    /// How many machines may run at once, at least 1.
    pub fn jobs_in_force(&self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        self.jobs.unwrap_or_else(processors).max(1)
    }

    /// The seed in force: none with the real clock unless told.
    pub fn seed_in_force(&self) -> Option<u64> {
        match self.clock {
            Clock::Counted | Clock::Exact => Some(self.seed.unwrap_or(1)),
            Clock::Real => self.seed,
        }
    }
}

/// `A..B`, A below B.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |digits: &str| digits.parse::<u64>().map_err(|e| format!("{digits}: {e}"));
    let (from, to) = text.split_once("..").ok_or("seeds are A..B")?;
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err("A must be below B".into()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_means_the_main_job_under_c_xenstored_in_counted_time() {
        let options = Options::try_parse_from(["run-xen.sh"]).expect("the empty command line");
        assert_eq!(options.command(), Command::Run);
        assert_eq!((options.daemons(), options.timeout_s()), (&[Daemon::C][..], 900));
        assert_eq!((options.clock, options.cycles_in_force()), (Clock::Counted, 20));
        assert_eq!(options.seed_in_force(), Some(1));
    }

    #[test]
    fn an_unknown_command_is_told() {
        let options = Options::try_parse_from(["run-xen.sh", "benhc"]).expect("a word");
        assert_eq!(options.command(), Command::Unknown);
    }

    #[test]
    fn xenstore_check_plays_the_scenario_of_its_name() {
        let options = Options::try_parse_from(["run-xen.sh", "xenstore-check"]).expect("a word");
        assert_eq!((options.command(), options.scenario()), (Command::Run, "xenstore-check"));
    }

    #[test]
    fn bench_measures_under_both_daemons() {
        let options = Options::try_parse_from(["run-xen.sh", "bench"]).expect("a word");
        assert_eq!((options.command(), options.scenario()), (Command::Run, "bench"));
        assert_eq!(options.daemons(), [Daemon::C, Daemon::Ocaml]);
        assert_eq!(options.cycles_in_force(), roles::BENCH_CYCLES);
    }

    #[test]
    fn faults_means_both_daemons_and_more_time_unless_told() {
        let options = Options::try_parse_from(["run-xen.sh", "faults"]).expect("a word");
        assert_eq!(options.command(), Command::Faults);
        assert_eq!(
            (options.daemons(), options.timeout_s()),
            (&[Daemon::C, Daemon::Ocaml][..], 3600)
        );
        let line = ["run-xen.sh", "faults", "--daemon=ocaml", "--timeout=60"];
        let options = Options::try_parse_from(line).expect("a line");
        assert_eq!((options.daemons(), options.timeout_s()), (&[Daemon::Ocaml][..], 60));
    }

    #[test]
    fn malformed_options_are_refused() {
        for word in
            ["--cycles=0", "--seed=x", "--frob", "--seeds=3", "--seeds=5..5", "--seeds=x..9"]
        {
            assert!(Options::try_parse_from(["run-xen.sh", word]).is_err(), "{word}");
        }
    }

    #[test]
    fn a_hosts_daemon_is_stopped_only_when_asked() {
        let stops = |words: &[&str]| {
            let words = ["run-xen.sh"].iter().chain(words);
            Options::try_parse_from(words).expect("a line").would_stop_host_daemon()
        };
        assert!(stops(&["faults", "--native"]));
        assert!(stops(&["faults", "--native", "--scenario=daemon_stalled"]));
        assert!(stops(&["xenstore-check", "--native"]));
        assert!(!stops(&["faults", "--native", "--stop-host-xenstored"]));
        assert!(!stops(&["faults", "--native", "--scenario=paused"]));
        assert!(!stops(&["--native"]) && !stops(&["faults"]));
    }
}
