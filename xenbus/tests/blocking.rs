//! One request at a time: every operation, every way to fail, transactions that meet others,
//! watches, and a daemon that stops answering.

use core::time::Duration;

use xenbus::blocking::{Port, Store, StoreError};
use xenbus::directory::ListError;
use xenbus::fake::{FakePort, Flavour, Reading};
use xenbus::request::RequestKind;
use xenbus::stall::Stalled;
use xenbus::transaction::ATTEMPTS_MAX;
use xenbus::watch::Changed;
use xenbus::wire::op;
use xenbus::{
    Access, Cause, Client, DomId, Ended, Errno, Fault, Permission, Refusal, Request, RingPage,
    RingWord, SubmitError,
};

/// A random source for pauses that need no spread.
fn unspread() -> u32 {
    0
}

/// Runs a test against a store of its own.
fn with_store<T>(port: &mut FakePort, test: impl FnOnce(&mut Store<'_, FakePort>) -> T) -> T {
    let mut client = Client::new();
    client.start(0xffff_fff0);
    test(&mut Store::new(&mut client, port))
}

fn value_of(port: &FakePort, path: &str) -> Option<Vec<u8>> {
    port.daemon.value(path).map(<[u8]>::to_vec)
}

#[test]
fn values_are_written_read_and_removed() {
    with_store(&mut FakePort::new(), |store| {
        let mut room = [0; 8];
        assert_eq!(store.write("data/a/b", b"one"), Ok(()));
        assert_eq!(store.read("data/a/b", &mut room), Ok(&b"one"[..]));
        assert_eq!(store.read("/local/domain/1/data/a", &mut room), Ok(&b""[..]));
        assert_eq!(store.remove("data/a"), Ok(()));
        assert!(store.read("data/a/b", &mut room).unwrap_err().is(Errno::Enoent));
        assert_eq!(store.domain_path(DomId(7), &mut [0; 32]), Ok(&b"/local/domain/7"[..]));
    });
}

#[test]
fn a_serial_request_costs_one_doorbell_and_one_wait() {
    let mut port = FakePort::new();
    with_store(&mut port, |store| {
        for _ in 0..10 {
            assert!(store.read("data", &mut [0; 1]).is_ok());
        }
        let counts = store.client().counts();
        assert_eq!((counts.doorbells, counts.wake_ups, counts.wake_ups_empty()), (10, 10, 0));
    });
    assert_eq!(port.doorbells, 10);
}

#[test]
fn a_value_that_does_not_fit_says_how_much_room_it_needs() {
    with_store(&mut FakePort::new(), |store| {
        store.write("data/a", b"four").unwrap();
        let error = store.read("data/a", &mut [0; 3]).unwrap_err();
        assert_eq!(error, StoreError::BufferTooSmall { needed: 4 });
        let error = store.permissions("data/a", &mut []);
        assert_eq!(error, Err(StoreError::BufferTooSmall { needed: 1 }));
        assert_eq!(store.read("data/a", &mut [0; 4]), Ok(&b"four"[..]));
    });
}

#[test]
fn refusals_name_cause_and_fault() {
    with_store(&mut FakePort::new(), |store| {
        let absent = store.read("data/absent", &mut [0; 1]).unwrap_err();
        assert_eq!((absent.cause(), absent.fault()), (Cause::Absent, Fault::Circumstance));
        let foreign = store.write("other", b"").unwrap_err();
        assert_eq!((foreign.cause(), foreign.fault()), (Cause::Permission, Fault::Owner));
        let given_away = [Permission::owner(DomId(9))];
        let privileged = store.set_permissions("data", &given_away).unwrap_err();
        assert_eq!(privileged.cause(), Cause::Privilege);
        assert_eq!(privileged.fault(), Fault::Configuration);
        let refused = store.ask(Request::IsDomainIntroduced(DomId(0)), |_| Ok(()));
        assert!(refused.unwrap_err().is(Errno::Eacces));
        let refused = store.ask(Request::Control(&["help"]), |_| Ok(()));
        assert!(refused.unwrap_err().is(Errno::Eacces));
        let malformed = store.write("data/", b"").unwrap_err();
        assert_eq!((malformed.cause(), malformed.fault()), (Cause::Invalid, Fault::Caller));
    });
}

#[test]
fn a_quota_is_a_quota_under_whichever_name() {
    for (flavour, errno) in [(Flavour::C, Errno::Enospc), (Flavour::Ocaml, Errno::Equota)] {
        let mut port = FakePort::new();
        port.daemon.flavour = flavour;
        with_store(&mut port, |store| {
            let error = store.write("data/big", &[b'x'; 2049]).unwrap_err();
            assert!(error.is(errno));
            assert_eq!((error.cause(), error.fault()), (Cause::Quota, Fault::Configuration));
        });
    }
}

#[test]
fn every_error_name_is_known_and_others_are_kept_as_text() {
    for errno in Errno::ALL {
        let payload = [errno.name().as_bytes(), b"\0"].concat();
        assert_eq!(Refusal::parse(&payload), Refusal::Errno(errno));
        assert_ne!(errno.cause(), Cause::Unknown);
    }
    let odd = Refusal::parse(b"ESTRANGE\0");
    assert_eq!((odd.name(), odd.cause()), ("ESTRANGE", Cause::Unknown));
    assert_eq!(odd.to_string(), "refused: ESTRANGE (unknown)");
    let noise = Refusal::parse(&[0xff; 100]);
    assert_eq!(noise.name(), "?".repeat(24));
    assert_eq!(Refusal::parse(b"").name(), "");
}

#[test]
fn isolation_by_the_hypervisor_is_told_from_privilege_and_permission() {
    assert_eq!(Cause::of_hypercall(1), Cause::Isolation);
    assert_eq!(Errno::Eperm.cause(), Cause::Privilege);
    assert_eq!(Errno::Eacces.cause(), Cause::Permission);
}

fn add_children(port: &mut FakePort, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("a-rather-long-name-{n:05}")).collect();
    for name in &names {
        port.daemon.set(&format!("/local/domain/1/data/many/{name}"), b"");
    }
    names
}

#[test]
fn a_directory_of_300_children_is_joined_from_parts() {
    let mut port = FakePort::new();
    let names = add_children(&mut port, 300);
    with_store(&mut port, |store| {
        let mut buffer = [0; 16384];
        let list = store.directory("data/many", &mut buffer).unwrap();
        assert!(list.eq(names.iter().map(String::as_str)));
        let counts = store.client().counts();
        assert_eq!(counts.requests_of(RequestKind::Directory), 1);
        assert_eq!(counts.requests_of(RequestKind::DirectoryPart), 2);
        assert_eq!(
            store.directory("data/many/a-rather-long-name-00000", &mut []).unwrap().count(),
            0
        );
    });
}

#[test]
fn a_list_too_long_for_the_buffer_or_the_daemon_says_so() {
    let mut port = FakePort::new();
    add_children(&mut port, 300);
    with_store(&mut port, |store| {
        let error = store.directory("data/many", &mut [0; 5000]).unwrap_err();
        assert!(matches!(
            error,
            StoreError::List(ListError::BufferTooSmall { needed }) if needed > 5000
        ));
    });
    port.daemon.flavour = Flavour::Ocaml;
    with_store(&mut port, |store| {
        let error = store.directory("data/many", &mut [0; 16384]).unwrap_err();
        assert_eq!(error, StoreError::List(ListError::TooLongForDaemon));
        assert_eq!(error.cause(), Cause::Unsupported);
    });
}

#[test]
fn a_transaction_commits_all_or_nothing() {
    let mut port = FakePort::new();
    with_store(&mut port, |store| {
        let sum = store.transaction(unspread, |store| {
            store.write("data/a", b"1")?;
            store.write("data/b", b"2")?;
            Ok(3)
        });
        assert_eq!(sum, Ok(3));
        let error = store.transaction(unspread, |store| {
            store.write("data/a", b"9")?;
            store.read("data/absent", &mut [0; 1]).map(|_| ())
        });
        assert!(error.unwrap_err().is(Errno::Enoent));
    });
    assert_eq!(value_of(&port, "/local/domain/1/data/a"), Some(b"1".into()));
    assert_eq!(value_of(&port, "/local/domain/1/data/b"), Some(b"2".into()));
    assert_eq!(port.daemon.transactions(), 0);
}

#[test]
fn a_transaction_that_met_another_reads_again_and_throws_the_old_values_away() {
    let mut port = FakePort::new();
    port.daemon.set("/local/domain/1/data/n", b"1");
    let mut seen = Vec::new();
    with_store(&mut port, |store| {
        let read = store.transaction(unspread, |store| {
            let mut room = [0; 8];
            let value = store.read("data/n", &mut room)?.to_vec();
            if seen.is_empty() {
                store.port().daemon.set("/local/domain/1/data/n", b"2");
            }
            seen.push(value.clone());
            Ok(value)
        });
        assert_eq!(read, Ok(b"2".to_vec()));
    });
    assert_eq!(seen, [b"1".to_vec(), b"2".to_vec()]);
}

#[test]
fn work_that_met_another_in_the_middle_is_done_again_like_one_that_met_it_at_its_end() {
    with_store(&mut FakePort::new(), |store| {
        let mut runs = 0;
        let done = store.transaction(unspread, |_| {
            runs += 1;
            let again = StoreError::Refused(Refusal::Errno(Errno::Eagain));
            if runs < 3 { Err(again) } else { Ok(runs) }
        });
        assert_eq!(done, Ok(3));
    });
}

#[test]
fn a_transaction_that_only_read_ends_with_a_commit_too() {
    let mut port = FakePort::new();
    port.daemon.conflicts = 1;
    let mut runs = 0;
    with_store(&mut port, |store| {
        let done = store.transaction(unspread, |store| {
            runs += 1;
            store.read("data", &mut [0; 8]).map(|_| ())
        });
        assert_eq!(done, Ok(()));
    });
    assert_eq!(runs, 2, "an aborted reading would not have been told of the conflict");
}

#[test]
fn conflicts_without_end_are_given_up_after_pauses_that_grow() {
    let mut port = FakePort::new();
    port.daemon.conflicts = 1000;
    let before_ns = port.now();
    let mut asked = 0;
    with_store(&mut port, |store| {
        let error = store.transaction(
            || {
                asked += 1;
                u32::MAX
            },
            |store| store.write("data/a", b"1"),
        );
        assert_eq!(error, Err(StoreError::Conflict { attempts: ATTEMPTS_MAX }));
    });
    assert_eq!(port.daemon.conflicts, 1000 - ATTEMPTS_MAX);
    assert_eq!(asked, ATTEMPTS_MAX, "each pause has its own random number");
    let waited = Duration::from_nanos(port.now() - before_ns);
    assert!(waited > Duration::from_millis(500), "{waited:?}");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert_eq!(value_of(&port, "/local/domain/1/data/a"), None);
    assert_eq!(port.daemon.transactions(), 0);
}

#[test]
fn transactions_do_not_nest_and_do_not_watch() {
    let mut port = FakePort::new();
    with_store(&mut port, |store| {
        let error = store.transaction(unspread, |store| store.transaction(unspread, |_| Ok(())));
        assert_eq!(error, Err(StoreError::Submit(SubmitError::InTransaction)));
        let error = store.transaction(unspread, |store| store.watch("data").map(|_| ()));
        assert_eq!(error, Err(StoreError::Submit(SubmitError::InTransaction)));
    });
    assert_eq!((port.daemon.transactions(), port.daemon.watches()), (0, 0));
}

#[test]
fn a_watch_fires_at_once_and_at_each_change_until_it_is_taken_back() {
    let second = Duration::from_secs(1);
    with_store(&mut FakePort::new(), |store| {
        let watch = store.watch("data/x").unwrap();
        let first = store.change(second).unwrap().expect("it fires at once");
        assert_eq!(first.watch, watch);
        assert_eq!(store.change(second), Ok(None));
        store.write("data/x/y", b"1").unwrap();
        let mut paths: Vec<String> = core::iter::from_fn(|| store.change(second).unwrap())
            .map(|change| match change.what {
                Changed::Path(path) => path.as_str().to_owned(),
                Changed::Rescan => panic!("there was room"),
            })
            .collect();
        paths.sort();
        assert_eq!(paths, ["data/x", "data/x/y"], "in no order that is promised");
        store.unwatch(watch, "data/x").unwrap();
        store.write("data/x/y", b"2").unwrap();
        assert_eq!(store.change(second), Ok(None));
    });
}

#[test]
fn an_event_that_came_during_another_request_is_a_change_already_known() {
    with_store(&mut FakePort::new(), |store| {
        let watch = store.watch("data").unwrap();
        store.make_directory("data/new").unwrap();
        let known: Vec<_> = core::iter::from_fn(|| store.known_change()).collect();
        assert!(!known.is_empty() && known.iter().all(|change| change.watch == watch));
        assert_eq!(store.known_change(), None);
        assert_eq!(store.directory("data", &mut [0; 16]).unwrap().collect::<Vec<_>>(), ["new"]);
    });
}

#[test]
fn permissions_come_back_as_they_were_set() {
    with_store(&mut FakePort::new(), |store| {
        store.write("data/x", b"1").unwrap();
        let wanted = [
            Permission::owner(DomId(1)),
            Permission::read(DomId(2)),
            Permission { domain: DomId(3), access: Access::Write },
            Permission::both(DomId(4)),
        ];
        store.set_permissions("data/x", &wanted).unwrap();
        let mut room = [Permission::owner(DomId(0)); 5];
        assert_eq!(store.permissions("data/x", &mut room), Ok(&wanted[..]));
    });
}

#[test]
fn too_many_watches_are_refused_without_asking_the_daemon() {
    let mut port = FakePort::new();
    with_store(&mut port, |store| {
        for _ in 0..8 {
            assert!(store.watch("data").is_ok());
        }
        assert_eq!(store.watch("data"), Err(StoreError::TooManyWatches));
        assert_eq!(store.reset_watches(), Ok(()));
        assert!(store.watch("data").is_ok());
    });
    assert_eq!(port.daemon.watches(), 1);
}

#[test]
fn a_refused_watch_leaves_room_for_another() {
    with_store(&mut FakePort::new(), |store| {
        for _ in 0..100 {
            assert!(store.watch("data/").is_err());
        }
        assert!(store.watch("data").is_ok());
    });
}

#[test]
fn a_daemon_that_stops_reading_is_named_after_the_bound_and_its_late_answer_dropped() {
    let mut port = FakePort::new();
    port.daemon.reading = Reading::Off;
    let mut client = Client::new();
    client.start(1);
    let bound = Duration::from_secs(3);
    let mut store = Store::new(&mut client, &mut port).with_stall_bound(bound);
    let error = store.write("data/a", b"late").unwrap_err();
    let waited_ns = bound.as_nanos() as u64;
    assert_eq!(error, StoreError::Stalled(Stalled { waited_ns, in_flight: 1 }));
    assert_eq!((error.cause(), error.fault()), (Cause::Stalled, Fault::Daemon));
    assert_eq!(store.client().counts().doorbells, 2, "rung once more at half the time");
    store.port().daemon.reading = Reading::On;
    assert_eq!(store.write("data/b", b"x"), Ok(()));
    assert_eq!(store.read("data/a", &mut [0; 8]), Ok(&b"late"[..]));
    assert_eq!(store.client().in_flight(), 0);
}

#[test]
fn a_transaction_of_a_stalled_daemon_is_not_waited_for_twice() {
    let mut port = FakePort::new();
    let mut client = Client::new();
    client.start(1);
    let bound = Duration::from_secs(3);
    let mut store = Store::new(&mut client, &mut port).with_stall_bound(bound);
    let error = store.transaction(unspread, |store| {
        store.port().daemon.reading = Reading::Off;
        store.write("data/a", b"1")
    });
    assert!(matches!(error, Err(StoreError::Stalled(_))));
    assert!(store.port().now() < 4_000_000_000);
    store.port().daemon.reading = Reading::On;
    assert_eq!(store.write("data/b", b"x"), Ok(()));
    assert_eq!(port.daemon.transactions(), 0, "it was given up as soon as the daemon read again");
}

#[test]
fn a_broken_connection_is_told_to_whoever_waits() {
    let mut port = FakePort::new();
    with_store(&mut port, |store| {
        assert!(store.read("data", &mut [0; 1]).is_ok());
        store.port().store(RingWord::ReplyProducer, 1 << 20);
        let error = store.read("data", &mut [0; 1]).unwrap_err();
        assert!(matches!(error, StoreError::Ended(Ended::ReplyIndex { .. })));
        assert_eq!(error.cause(), Cause::DaemonBrokeProtocol);
        assert!(matches!(store.change(Duration::from_secs(1)), Err(StoreError::Ended(_))));
    });
}

#[test]
fn an_answer_that_is_none_is_the_daemons_fault() {
    let mut port = FakePort::new();
    let mut client = Client::new();
    client.start(1);
    let header = xenbus::wire::Header { op: op::WRITE, request: 1, transaction: 0, length: 3 };
    port.daemon.inject(&[&header.emit()[..], b"NO\0"].concat());
    let error = Store::new(&mut client, &mut port).write("data/a", b"1").unwrap_err();
    assert_eq!(error.cause(), Cause::DaemonBrokeProtocol);
}
