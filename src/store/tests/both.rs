//! What every store promises: the same checks on memory and on disk.

use super::support::*;
use crate::model::{BatchId, PostId, TargetIx};
use crate::store::{Key, Memory, Order, PostPlace, Record, Store, StoreError, Write};

/// Runs `check` on an empty store of each kind, in its first epoch.
fn each(check: impl Fn(&dyn Store, u64)) {
    let memory = Memory::new();
    let epoch = memory.begin_epoch().expect("memory");
    check(&memory, epoch);
    let disk = OnDisk::new();
    check(&disk.store, disk.epoch);
}

fn text(store: &dyn Store, key: &Key) -> Option<String> {
    match store.get(key).expect("a sound store") {
        None => None,
        Some(Record::Memo(text)) => Some(text),
        Some(other) => panic!("{other:?} is no memo"),
    }
}

#[test]
fn a_commit_puts_overwrites_and_deletes() {
    each(|store, epoch| {
        let (a, b) = (memo(1, 1), memo(1, 2));
        store.commit(epoch, &[put(a, "1"), put(b, "2")]).expect("room");
        store
            .commit(epoch, &[put(a, "3"), Write::Delete(b), Write::Delete(memo(9, 9))])
            .expect("room");
        assert_eq!(text(store, &a).as_deref(), Some("3"));
        assert_eq!(text(store, &b), None);
        store.commit(epoch, &[put(b, "x"), Write::Delete(b), put(b, "y")]).expect("room");
        assert_eq!(text(store, &b).as_deref(), Some("y"), "the last write counts");
    });
}

#[test]
fn a_scan_goes_both_ways_within_its_bounds() {
    each(|store, epoch| {
        let post = |raw| Key::Post(PostId::from_raw(raw));
        let place = PostPlace { batch: BatchId::from_raw(1), ix: TargetIx(0) };
        let writes: Vec<Write> =
            (1..=9).map(|raw| Write::Put(post(raw), Record::Post(place.clone()))).collect();
        store.commit(epoch, &writes).expect("room");
        let raws = |order, limit| -> Vec<u128> {
            posts(store, order, limit).into_iter().map(PostId::raw).collect()
        };
        assert_eq!(raws(Order::Ascending, 3), [1, 2, 3]);
        assert_eq!(raws(Order::Descending, 3), [9, 8, 7]);
        assert_eq!(raws(Order::Ascending, usize::MAX).len(), 9);
        let some = store.scan(&post(3), &post(5), Order::Descending, 10).expect("sound");
        let keys: Vec<Key> = some.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [post(5), post(4), post(3)]);
        assert_eq!(store.scan(&post(5), &post(3), Order::Ascending, 10), Ok(vec![]));
        assert_eq!(store.scan(&post(1), &post(9), Order::Ascending, 0), Ok(vec![]));
    });
}

#[test]
fn a_superseded_epoch_is_fenced_and_writes_nothing() {
    each(|store, epoch| {
        let next = store.begin_epoch().expect("room");
        assert_eq!(next, epoch + 1);
        let refused = store.commit(epoch, &[put(memo(1, 1), "late")]);
        assert_eq!(refused, Err(StoreError::Fenced { ours: epoch, stored: next }));
        assert_eq!(text(store, &memo(1, 1)), None);
        store.commit(next, &[put(memo(1, 1), "new")]).expect("room");
    });
}

#[test]
fn a_record_of_any_size_comes_back() {
    each(|store, epoch| {
        let key = memo(1, 1);
        for bytes in [0, 100, 3_570, 3_579, 3_580, 7_200, 50_000, 61_000, 200 << 10, 7 << 20] {
            let value = long(bytes, 1);
            store.commit(epoch, &[put(key, &value)]).expect("room");
            assert!(text(store, &key) == Some(value), "{bytes} bytes");
        }
        store.commit(epoch, &[Write::Delete(key)]).expect("room");
        assert_eq!(text(store, &key), None);
    });
}

#[test]
fn what_is_too_large_writes_nothing() {
    each(|store, epoch| {
        let writes = [put(memo(1, 1), "small"), put(memo(1, 2), &long(9 << 20, 1))];
        let refused = store.commit(epoch, &writes);
        assert!(matches!(refused, Err(StoreError::TooLarge { bytes, .. }) if bytes > 9 << 20));
        let many: Vec<Write> = (0..5_000).map(|n| put(memo(n, 1), "many")).collect();
        let refused = store.commit(epoch, &many);
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
        let everything = store.scan_checked(&[], &[0xff], Order::Ascending, 10).expect("sound");
        assert_eq!(everything.len(), 1, "nothing but the meta record");
    });
}

#[test]
#[should_panic(expected = "a record of another kind")]
fn a_record_of_another_kind_is_a_mistake() {
    drop(Memory::new().commit(0, &[Write::Put(memo(1, 1), Record::Mark)]));
}

#[test]
#[should_panic(expected = "only when an epoch begins")]
fn the_meta_record_is_the_stores_own() {
    drop(Memory::new().commit(0, &[Write::Delete(Key::Meta)]));
}

#[test]
fn what_is_read_stays_while_the_version_stays() {
    each(|store, epoch| {
        const COMMITS: u64 = 1_000;
        let version = || store.version().expect("it counts");
        let written = |n: u64| put(memo(1, 1), &n.to_string());
        let read = || text(store, &memo(1, 1)).expect("it is there").parse::<u64>().expect("it is");
        store.commit(epoch, &[written(0)]).expect("room");
        let first = version();
        let look = || {
            let mut seen = 0;
            while seen < COMMITS {
                let before = version();
                let found = read();
                // Another may have begun, but none has returned.
                if version() == before {
                    assert_eq!(found, before - first);
                }
                seen = found;
            }
        };
        std::thread::scope(|scope| {
            let looks = [scope.spawn(look), scope.spawn(look)];
            for n in 1..=COMMITS {
                store.commit(epoch, &[written(n)]).expect("room");
                assert_eq!(version(), first + n);
            }
            looks.into_iter().for_each(|look| look.join().expect("nobody who looks panics"));
        });
        store.flush().expect("room");
        assert_eq!(version(), first + COMMITS, "to be durable changes nothing");
    });
}
