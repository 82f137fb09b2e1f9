//! The table of watches: news is merged, never lost; what does not fit becomes a rescan; events of
//! watches that are gone, or never were, are counted and dropped.

use xenbus::WatchEvent;
use xenbus::watch::{Changed, Noted, TableFull, WatchCounts, WatchId, Watches};

fn note<const W: usize, const M: usize>(
    watches: &mut Watches<W, M>,
    watch: WatchId,
    path: &str,
) -> Noted {
    let token = watches.token(watch);
    watches.note(&WatchEvent { path, token: token.as_str() })
}

fn path_of(what: Changed) -> Option<String> {
    match what {
        Changed::Path(path) => Some(path.as_str().into()),
        Changed::Rescan => None,
    }
}

fn drain<const W: usize, const M: usize>(
    watches: &mut Watches<W, M>,
) -> Vec<(WatchId, Option<String>)> {
    core::iter::from_fn(|| watches.take())
        .map(|change| (change.watch, path_of(change.what)))
        .collect()
}

#[test]
fn more_news_than_fits_becomes_one_rescan_and_nothing_is_lost() {
    let mut watches: Watches<2, 3> = Watches::new();
    let (first, second) = (watches.add().unwrap(), watches.add().unwrap());
    assert_eq!(note(&mut watches, second, "b"), Noted::Marked);
    assert_eq!(note(&mut watches, first, "a/1"), Noted::Marked);
    assert_eq!(note(&mut watches, first, "a/2"), Noted::Marked);
    assert_eq!(note(&mut watches, first, "a/3"), Noted::Overflowed);
    assert_eq!(note(&mut watches, first, "a/4"), Noted::Merged);
    assert_eq!(note(&mut watches, second, "b/1"), Noted::Marked, "the rescan made room");
    let mut changes = drain(&mut watches);
    changes.sort_by_key(|(_, path)| path.clone());
    assert_eq!(changes, [(first, None), (second, Some("b".into())), (second, Some("b/1".into()))]);
    assert_eq!(note(&mut watches, first, "a/5"), Noted::Marked, "paths again after the rescan");
}

#[test]
fn a_full_table_of_marks_turns_the_news_of_another_watch_into_its_rescan() {
    let mut watches: Watches<2, 1> = Watches::new();
    let (first, second) = (watches.add().unwrap(), watches.add().unwrap());
    note(&mut watches, first, "a");
    assert_eq!(note(&mut watches, second, "b"), Noted::Overflowed);
    assert_eq!(drain(&mut watches), [(second, None), (first, Some("a".into()))]);
}

#[test]
fn a_path_too_long_to_remember_becomes_a_rescan() {
    let mut watches: Watches = Watches::new();
    let watch = watches.add().unwrap();
    assert_eq!(note(&mut watches, watch, &"p".repeat(64)), Noted::Marked);
    assert_eq!(note(&mut watches, watch, &"p".repeat(65)), Noted::Overflowed);
    assert_eq!(drain(&mut watches), [(watch, None)]);
}

#[test]
fn stragglers_of_a_watch_taken_back_do_not_reach_its_successor() {
    let mut watches: Watches<1, 4> = Watches::new();
    let old = watches.add().unwrap();
    note(&mut watches, old, "a");
    watches.remove(old);
    assert_eq!(watches.take(), None, "its news went with it");
    let new = watches.add().unwrap();
    assert_ne!(old, new);
    assert_eq!(note(&mut watches, old, "a"), Noted::Late);
    assert_eq!(watches.take(), None);
    assert_eq!(note(&mut watches, new, "a"), Noted::Marked);
}

#[test]
fn removing_a_watch_twice_does_not_remove_its_successor() {
    let mut watches: Watches<1, 4> = Watches::new();
    let old = watches.add().unwrap();
    watches.remove(old);
    let new = watches.add().unwrap();
    watches.remove(old);
    assert_eq!(note(&mut watches, new, "a"), Noted::Marked);
}

#[test]
fn tokens_that_were_never_given_are_unknown() {
    let mut watches: Watches<2, 2> = Watches::new();
    watches.add().unwrap();
    for token in
        ["", "t", "w", "w0", "w0.", "w.1", "w0.2", "w9.9", "w0.0", "w1.0", "w300.1", "x0.1"]
    {
        assert_eq!(watches.note(&WatchEvent { path: "a", token }), Noted::Unknown, "{token}");
    }
    let unknown = 12;
    let none = WatchCounts { marked: 0, merged: 0, overflowed: 0, late: 0, unknown };
    assert_eq!(*watches.counts(), none);
}

#[test]
fn a_full_table_refuses_another_watch() {
    let mut watches: Watches<2, 2> = Watches::new();
    let first = watches.add().unwrap();
    watches.add().unwrap();
    assert_eq!(watches.add(), Err(TableFull));
    watches.remove(first);
    assert!(watches.add().is_ok());
}

#[test]
fn after_lost_events_everything_is_looked_at_again_once() {
    let mut watches: Watches<4, 2> = Watches::new();
    let (first, second) = (watches.add().unwrap(), watches.add().unwrap());
    note(&mut watches, first, "a");
    watches.mark_all();
    assert_eq!(drain(&mut watches), [(first, None), (second, None)]);
}

#[test]
fn a_busy_path_does_not_keep_the_others_waiting() {
    let mut watches: Watches<1, 3> = Watches::new();
    let watch = watches.add().unwrap();
    for path in ["busy", "calm", "quiet"] {
        note(&mut watches, watch, path);
    }
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.extend(watches.take().and_then(|change| path_of(change.what)));
        note(&mut watches, watch, "busy");
    }
    assert_eq!(taken, ["busy", "calm", "quiet"]);
}

#[test]
fn the_longest_token_is_kept_whole() {
    let mut watches: Watches<256, 1> = Watches::new();
    let last = core::iter::from_fn(|| watches.add().ok()).last().unwrap();
    assert_eq!(watches.token(last).as_str(), "w255.256");
    assert_eq!(note(&mut watches, last, "a"), Noted::Marked);
}
