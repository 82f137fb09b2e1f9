//! Behaviour of the two daemons that was seen on real Xen or read in their sources, as tests.
//!
//! Records of the real daemons are replayed by tests/sim/tests/store_replies.rs; these name what the
//! channel relies on.

use super::Flavour::{self, C, Ocaml};
use super::testing::Bench;
use super::wire::Kind::{
    Control, Directory, DirectoryPart, GetPermissions, IsDomainIntroduced, MakeDirectory, Read,
    Remove, ResetWatches, SetPermissions, TransactionEnd, TransactionStart, Unwatch, Watch, Write,
};

const BOTH: [Flavour; 2] = [C, Ocaml];

fn ok() -> Result<String, String> {
    Ok("OK\0".to_owned())
}

fn no(word: &str) -> Result<String, String> {
    Err(word.to_owned())
}

#[test]
fn a_value_is_read_back_and_listed() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        assert_eq!(bench.ask(1, Write, "data/b\0two"), ok());
        assert_eq!(bench.ask(1, Write, "data/a/c\0one"), ok());
        assert_eq!(bench.ask(1, Read, "data/b\0"), Ok("two".to_owned()));
        assert_eq!(bench.ask(1, Read, "/local/domain/1/data/a/c\0"), Ok("one".to_owned()));
        let listed = if flavour == C { "b\0a\0" } else { "a\0b\0" };
        assert_eq!(bench.ask(1, Directory, "data\0"), Ok(listed.to_owned()));
        assert_eq!(bench.ask(1, GetPermissions, "data/a/c\0"), Ok("n1\0".to_owned()));
    }
}

#[test]
fn long_requests_and_replies_cross_the_small_rings_in_pieces_of_any_size() {
    for flavour in BOTH {
        for chunk in [1, 7, 1024] {
            let mut bench = Bench::new(flavour, 1);
            bench.chunk = chunk;
            let value = "x".repeat(2000);
            assert_eq!(bench.ask(1, Write, &format!("data/a\0{value}")), ok());
            assert_eq!(bench.ask(1, Read, "data/a\0"), Ok(value));
            assert!(bench.daemon.counts().messages_split > 0);
        }
    }
}

#[test]
fn the_largest_value_differs_by_daemon_and_by_permissions() {
    let fits = |bench: &mut Bench, bytes: usize| {
        bench.ask(1, Write, &format!("data/v\0{}", "x".repeat(bytes)))
    };
    let mut bench = Bench::new(C, 2);
    assert_eq!(fits(&mut bench, 2015), ok());
    assert_eq!(fits(&mut bench, 2016), no("ENOSPC"));
    assert_eq!(bench.ask(1, Write, "data/v\0"), ok());
    assert_eq!(bench.ask(1, SetPermissions, "data/v\0n1\0b2\0"), ok());
    assert_eq!(fits(&mut bench, 2007), ok());
    assert_eq!(fits(&mut bench, 2008), no("ENOSPC"));
    assert_eq!(fits(&mut bench, 4000), no("ENOSPC"));
    let mut bench = Bench::new(Ocaml, 1);
    assert_eq!(fits(&mut bench, 2048), ok());
    assert_eq!(fits(&mut bench, 2049), no("E2BIG"));
    let tool = bench.tool(Write, &format!("/tool/v\0{}", "x".repeat(4000)));
    assert_eq!(tool, no("E2BIG"));
}

#[test]
fn a_flat_directory_of_c_xenstored_stops_at_335_names_of_five_letters() {
    let mut bench = Bench::new(C, 1);
    let made = (0..400)
        .take_while(|number| bench.ask(1, Write, &format!("data/f/{number:05}\0")) == ok())
        .count();
    assert_eq!(made, 335);
}

#[test]
fn the_node_quota_has_a_different_name_in_each() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        let refused = (0..1100)
            .map(|number| bench.ask(1, Write, &format!("data/{:x}/{number:04}\0", number % 16)))
            .find(Result::is_err);
        let word = if flavour == C { "ENOSPC" } else { "EQUOTA" };
        assert_eq!(refused, Some(no(word)));
    }
}

#[test]
fn quotas_on_watches_and_transactions_let_one_more_through() {
    for (flavour, watches, watch_word, start_word) in
        [(C, 129, "E2BIG", "ENOSPC"), (Ocaml, 101, "EQUOTA", "EQUOTA")]
    {
        let mut bench = Bench::new(flavour, 1);
        for number in 0..watches {
            assert_eq!(bench.ask(1, Watch, &format!("data/{number}\0t\0")), ok());
        }
        assert_eq!(bench.ask(1, Watch, "data\0t\0"), no(watch_word));
        for _ in 0..11 {
            assert!(bench.ask(1, TransactionStart, "\0").is_ok());
        }
        assert_eq!(bench.ask(1, TransactionStart, "\0"), no(start_word));
        assert_eq!(bench.ask(1, ResetWatches, "\0"), ok());
        assert!(bench.ask(1, TransactionStart, "\0").is_ok());
        assert_eq!(bench.ask(1, Watch, "data\0t\0"), ok());
    }
}

#[test]
fn what_a_domu_may_not_ask() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        assert_eq!(bench.ask(1, IsDomainIntroduced, "1\0"), no("EACCES"));
        let control = if flavour == C { no("EACCES") } else { ok() };
        assert_eq!(bench.ask(1, Control, "print\0"), control);
        assert_eq!(bench.tool(IsDomainIntroduced, "32752\0"), Ok("T\0".to_owned()), "DOMID_SELF");
        let part = bench.ask(1, DirectoryPart, "data\x000\0");
        if flavour == C {
            assert!(part.is_ok_and(|part| part.ends_with("\0\0")));
        } else {
            assert_eq!(part, no("ENOSYS"));
        }
    }
}

#[test]
fn only_c_xenstored_hides_whether_a_closed_directory_has_a_node() {
    for (flavour, absent) in [(C, "EACCES"), (Ocaml, "ENOENT")] {
        let mut bench = Bench::new(flavour, 2);
        assert_eq!(bench.ask(2, Read, "/local/domain/1/data/x\0"), no(absent));
        assert_eq!(bench.ask(1, Write, "data/x\0"), ok());
        assert_eq!(bench.ask(2, Read, "/local/domain/1/data/x\0"), no("EACCES"));
        assert_eq!(bench.ask(2, Write, "/local/domain/1/data/y\0"), no("EACCES"));
    }
}

#[test]
fn the_peer_may_write_remove_and_add_to_a_node_that_is_open_to_it() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 2);
        bench.ask(1, Write, "data/box\0").expect("own home");
        bench.ask(1, SetPermissions, "data/box\0n1\0b2\0").expect("own node");
        let their = "/local/domain/1/data/box";
        assert_eq!(bench.ask(2, Write, &format!("{their}\0hello")), ok());
        assert_eq!(bench.ask(2, Write, &format!("{their}/child\0mine")), ok());
        let owner = if flavour == C { "n2\0b2\0" } else { "n1\0b2\0" };
        assert_eq!(bench.ask(2, GetPermissions, &format!("{their}/child\0")), Ok(owner.into()));
        assert_eq!(bench.ask(2, Remove, &format!("{their}\0")), ok());
        assert_eq!(bench.ask(2, Write, &format!("{their}\0again")), no("EACCES"));
        assert_eq!(bench.ask(1, Read, "data/box\0"), no("ENOENT"));
    }
}

#[test]
fn permission_for_a_domain_that_does_not_exist_is_void_for_ever_in_c_xenstored() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        bench.ask(1, Write, "data/box\0").expect("own home");
        assert_eq!(bench.ask(1, SetPermissions, "data/box\0n1\0b2\0"), ok());
        bench.create(2);
        let write = |bench: &mut Bench| bench.ask(2, Write, "/local/domain/1/data/box\0x");
        let first = write(&mut bench);
        assert_eq!(first, if flavour == C { no("EACCES") } else { ok() });
        assert_eq!(bench.ask(1, GetPermissions, "data/box\0"), Ok("n1\0b2\0".to_owned()));
        assert_eq!(bench.ask(1, SetPermissions, "data/box\0n1\0b2\0"), ok());
        assert_eq!(write(&mut bench), ok());
    }
}

#[test]
fn a_dead_domain_loses_its_nodes_and_its_place_in_permissions() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 2);
        bench.ask(1, Write, "data/box\0").expect("own home");
        bench.ask(1, SetPermissions, "data/box\0n1\0b2\0").expect("own node");
        bench.ask(2, Write, "/local/domain/1/data/box/child\0").expect("open");
        bench.ask(2, Write, "data/own/deep\0").expect("own home");
        bench.clients.retain(|client| client.domain != 2);
        bench.daemon.domain_destroyed(2, 0);
        assert!(!bench.daemon.tree().contains("/local/domain/2/data"));
        let child = bench.daemon.tree().contains("/local/domain/1/data/box/child");
        assert_eq!(child, flavour == Ocaml, "it belonged to the parent's owner there");
        assert_eq!(bench.daemon.tree().charged(2), 0);
        bench.tool(Remove, "/local/domain/2\0").expect("the toolstack cleans up");
        bench.create(2);
        assert_eq!(bench.ask(2, Write, "/local/domain/1/data/box\0x"), no("EACCES"));
        // A write by the owner must not bring the old entry back to life.
        assert_eq!(bench.ask(1, Write, "data/box\0y"), ok());
        assert_eq!(bench.ask(2, Write, "/local/domain/1/data/box\0x"), no("EACCES"));
    }
}

#[test]
fn a_watch_fires_once_at_once_and_then_on_changes_below() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 2);
        bench.send(1, Watch, 0, b"data\0t\0");
        assert_eq!(bench.events(1), ["data t"]);
        bench.send(1, Write, 0, b"data/a/b\0x");
        assert_eq!(bench.events(1), ["data/a/b t"], "not for the directory on the way");
        bench.send(1, MakeDirectory, 0, b"data/a/b\0");
        assert!(bench.events(1).is_empty(), "it was there");
        bench.send(1, SetPermissions, 0, b"data/a/b\0n1\0b2\0");
        assert_eq!(bench.events(1), ["data/a/b t"]);
        bench.send(2, Write, 0, b"/local/domain/1/data/a/b\0y");
        assert_eq!(bench.events(1), ["data/a/b t"]);
        bench.send(1, Unwatch, 0, b"data\0t\0");
        bench.send(1, Write, 0, b"data/a/b\0x");
        assert!(bench.events(1).is_empty());
        assert_eq!(bench.ask(1, Unwatch, "data\0t\0"), no("ENOENT"));
    }
}

#[test]
fn a_watch_on_a_peers_closed_node_fires_once_it_is_readable() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 2);
        bench.send(2, Watch, 0, b"/local/domain/1/data/x\0t\0");
        assert_eq!(bench.events(2).len(), 1, "registration asks nobody");
        bench.send(1, Write, 0, b"data/x\0secret");
        assert!(bench.events(2).is_empty());
        bench.send(1, SetPermissions, 0, b"data/x\0n1\0r2\0");
        assert_eq!(bench.events(2), ["/local/domain/1/data/x t"]);
        bench.send(1, SetPermissions, 0, b"data/x\0n1\0");
        assert_eq!(bench.events(2), ["/local/domain/1/data/x t"], "who loses it hears of it");
    }
}

#[test]
fn removing_a_directory_fires_the_watches_below_it() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        bench.ask(1, Write, "data/a/b\0").expect("own home");
        bench.ask(1, Watch, "data/a/b\0low\0").expect("fits");
        bench.ask(1, Watch, "data\0high\0").expect("fits");
        bench.settle();
        bench.send(1, Remove, 0, b"data/a\0");
        let mut events = bench.events(1);
        events.sort_unstable();
        assert_eq!(events, ["data/a high", "data/a/b low"]);
    }
}

#[test]
fn only_c_xenstored_coalesces_events_that_wait() {
    for (flavour, left) in [(C, 1), (Ocaml, 5)] {
        let mut bench = Bench::new(flavour, 2);
        bench.ask(1, Watch, "data\0t\0").expect("fits");
        bench.ask(1, Write, "data/box\0").expect("own home");
        bench.ask(1, SetPermissions, "data/box\0n1\0b2\0").expect("own node");
        bench.settle();
        // Fill the reader's ring, so that events wait in the daemon.
        bench.ask(1, Write, &format!("data/fill\0{}", "x".repeat(1500))).expect("fits");
        bench.send(1, Read, 0, b"data/fill\0");
        bench.settle_without(&[1]);
        for _ in 0..5 {
            bench.send(2, Write, 0, b"/local/domain/1/data/box\0x");
        }
        bench.settle_without(&[1]);
        assert_eq!(bench.daemon.counts().events_coalesced > 0, flavour == C);
        let events = bench.events(1);
        assert_eq!(events.iter().filter(|event| *event == "data/box t").count(), left);
    }
}

#[test]
fn a_reader_that_sleeps_stalls_a_writer_of_many_paths_in_c_xenstored() {
    let mut bench = Bench::new(C, 2);
    bench.ask(1, Write, "data/box\0").expect("own home");
    bench.ask(1, SetPermissions, "data/box\0n1\0b2\0").expect("own node");
    bench.ask(1, Watch, "data\0t\0").expect("fits");
    bench.settle();
    for number in 0..60 {
        bench.send(2, Write, 0, format!("/local/domain/1/data/box/{number}\0").as_bytes());
        bench.settle_without(&[1]);
    }
    assert!(bench.daemon.counts().stalls_outstanding > 0);
    assert!(!bench.daemon.tree().contains("/local/domain/1/data/box/59"));
    bench.settle();
    assert!(bench.daemon.tree().contains("/local/domain/1/data/box/59"), "it has read at last");
    // After 20 s the events are given up, and the writer goes on.
    for number in 100..160 {
        bench.send(2, Write, 0, format!("/local/domain/1/data/box/{number}\0").as_bytes());
        bench.settle_without(&[1]);
    }
    assert!(!bench.daemon.tree().contains("/local/domain/1/data/box/159"));
    bench.now_ns += 20_000_000_000;
    bench.settle_without(&[1]);
    assert!(bench.daemon.counts().events_expired > 0);
    assert!(bench.daemon.tree().contains("/local/domain/1/data/box/159"));
}

/// The real daemon answered 2,087 writes of this length on this path, and no more.
#[test]
fn oxenstored_reads_no_more_from_who_has_filled_a_sleeping_readers_queues() {
    let mut bench = Bench::new(Ocaml, 2);
    bench.ask(1, Watch, "data\0t\0").expect("fits");
    bench.ask(1, Write, "data/box\0").expect("own home");
    bench.ask(1, SetPermissions, "data/box\0n1\0b2\0").expect("own node");
    bench.settle();
    let mut answered = 0;
    for _ in 0..2500 {
        bench.send(2, Write, 0, b"/local/domain/1/data/box\0");
        let packets = bench.settle_without(&[1]);
        if packets.is_empty() {
            break;
        }
        answered += 1;
    }
    assert_eq!(answered, 2087);
    let packets = bench.settle();
    assert!(packets.iter().any(|(to, _)| *to == 2), "heard once the reader has read");
}

#[test]
fn a_transaction_is_seen_by_others_only_after_its_end() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        bench.ask(1, Watch, "data\0t\0").expect("fits");
        bench.settle();
        let id = start(&mut bench, 1);
        assert_eq!(bench.ask_in(1, Write, id, "data/a\0new"), ok());
        assert_eq!(bench.ask_in(1, Read, id, "data/a\0"), Ok("new".to_owned()));
        assert_eq!(bench.ask(1, Read, "data/a\0"), no("ENOENT"));
        assert!(bench.events(1).is_empty());
        bench.send(1, TransactionEnd, id, b"T\0");
        assert_eq!(bench.events(1), ["data/a t"]);
        assert_eq!(bench.ask(1, Read, "data/a\0"), Ok("new".to_owned()));
        let unknown = if flavour == C { "ENOENT" } else { "EIO" };
        assert_eq!(bench.ask_in(1, Read, id, "data/a\0"), no(unknown));
    }
}

#[test]
fn a_transaction_whose_reads_have_changed_must_be_tried_again() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        bench.ask(1, Write, "data/a\0old").expect("own home");
        let id = start(&mut bench, 1);
        assert_eq!(bench.ask_in(1, Read, id, "data/a\0"), Ok("old".to_owned()));
        assert_eq!(bench.ask(1, Write, "data/a\0new"), ok());
        assert_eq!(bench.ask_in(1, Write, id, "data/b\0x"), ok());
        assert_eq!(bench.ask_in(1, TransactionEnd, id, "T\0"), no("EAGAIN"));
        assert_eq!(bench.ask(1, Read, "data/b\0"), no("ENOENT"));
        assert_eq!(bench.daemon.counts().transactions_again, 1);
        // Read only: C xenstored checks, oxenstored gave it a snapshot and is content.
        let id = start(&mut bench, 1);
        bench.ask_in(1, Read, id, "data/a\0").expect("there");
        bench.ask(1, Write, "data/a\0newer").expect("own node");
        let end = bench.ask_in(1, TransactionEnd, id, "T\0");
        assert_eq!(end, if flavour == C { no("EAGAIN") } else { ok() });
    }
}

#[test]
fn transactions_in_different_directories_do_not_meet() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 2);
        let one = start(&mut bench, 1);
        let other = start(&mut bench, 2);
        bench.ask_in(1, Write, one, "data/a\0x").expect("own home");
        bench.ask_in(2, Write, other, "data/a\0y").expect("own home");
        assert_eq!(bench.ask_in(1, TransactionEnd, one, "T\0"), ok());
        assert_eq!(bench.ask_in(2, TransactionEnd, other, "T\0"), ok());
        assert_eq!(bench.ask(1, Read, "data/a\0"), Ok("x".to_owned()));
        assert_eq!(bench.ask(2, Read, "data/a\0"), Ok("y".to_owned()));
    }
}

#[test]
fn a_live_update_delays_new_transactions_and_then_stops_everything_for_a_while() {
    let mut bench = Bench::new(C, 2);
    let open = start(&mut bench, 2);
    bench.daemon.live_update(50, 0);
    let request = bench.send(1, TransactionStart, 0, b"\0");
    assert!(bench.settle().is_empty());
    assert_eq!(bench.daemon.counts().starts_delayed, 1);
    assert_eq!(bench.ask(1, Write, "data/a\0x"), ok(), "others still work");
    bench.ask_in(2, TransactionEnd, open, "F\0").expect("open");
    bench.send(1, Read, 0, b"data/a\0");
    assert!(bench.settle().is_empty(), "paused");
    bench.now_ns = 50;
    let packets = bench.settle();
    assert_eq!(packets.len(), 2);
    assert!(packets.iter().any(|(_, packet)| packet.request == request));
}

#[test]
fn writes_are_slowed_down_only_while_a_transaction_is_open() {
    let mut bench = Bench::new(C, 2);
    for _ in 0..50 {
        bench.ask(1, Write, "data/a\0x").expect("own home");
    }
    assert_eq!(bench.daemon.counts().stalls_rate, 0);
    start(&mut bench, 2);
    for _ in 0..10 {
        bench.send(1, Write, 0, b"data/a\0x");
        bench.settle();
    }
    bench.send(1, Write, 0, b"data/a\0x");
    bench.send(1, Write, 0, b"data/a\0x");
    bench.settle();
    assert!(bench.daemon.counts().stalls_rate > 0);
}

#[test]
fn a_lying_index_or_length_ends_the_connection_of_c_xenstored() {
    use super::ring::{ERROR_AT, REQUEST_PRODUCER_AT};
    let mut bench = Bench::new(C, 2);
    bench.clients[0].page.store(REQUEST_PRODUCER_AT, 2000);
    bench.settle();
    assert_eq!(bench.clients[0].page.load(ERROR_AT), 2);
    bench.clients[1].page.store(REQUEST_PRODUCER_AT, 16);
    bench.clients[1].page.copy_to(12, &5000u32.to_le_bytes());
    bench.settle();
    assert_eq!(bench.clients[1].page.load(ERROR_AT), 3);
    assert_eq!(bench.daemon.counts().connections_killed, 2);
}

#[test]
fn events_of_a_request_come_before_its_reply_in_c_and_after_it_in_ocaml() {
    for flavour in BOTH {
        let mut bench = Bench::new(flavour, 1);
        bench.ask(1, Watch, "data\0t\0").expect("fits");
        bench.settle();
        bench.send(1, Write, 0, b"data/a\0x");
        let kinds: Vec<u32> = bench.settle().into_iter().map(|(_, packet)| packet.kind).collect();
        let wanted = if flavour == C { [15, 11] } else { [11, 15] };
        assert_eq!(kinds, wanted);
    }
}

fn start(bench: &mut Bench, domain: u16) -> u32 {
    let id = bench.ask(domain, TransactionStart, "\0").expect("fits");
    id.trim_end_matches('\0').parse().expect("a number")
}
