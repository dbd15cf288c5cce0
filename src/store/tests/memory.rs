//! What a crash leaves in memory.

use super::support::*;
use crate::store::{Key, Memory, Record, Store, StoreError, Write};

fn open() -> (Memory, u64) {
    let store = Memory::new();
    let epoch = store.begin_epoch().expect("memory");
    (store, epoch)
}

fn texts(store: &Memory) -> Vec<String> {
    (0..6)
        .filter_map(|step| store.get(&memo(1, step)).expect("sound"))
        .map(|record| match record {
            Record::Memo(text) => text,
            other => panic!("{other:?} is no memo"),
        })
        .collect()
}

#[test]
fn a_crash_keeps_what_was_flushed_and_a_prefix_of_the_rest() {
    for keep in 0..6 {
        let (store, epoch) = open();
        let commit = |writes: &[Write]| store.commit(epoch, writes).expect("memory");
        commit(&[put(memo(1, 0), "a"), put(memo(1, 1), "b")]);
        store.flush().expect("memory");
        commit(&[put(memo(1, 0), "c")]);
        commit(&[Write::Delete(memo(1, 1)), put(memo(1, 2), "d")]);
        commit(&[put(memo(1, 0), "e"), put(memo(1, 1), "f")]);
        assert_eq!(store.unflushed(), 3);
        let left = texts(&store.crash(keep));
        let expected: &[&str] = match keep {
            0 => &["a", "b"],
            1 => &["c", "b"],
            2 => &["c", "d"],
            _ => &["e", "f", "d"],
        };
        assert_eq!(left, expected, "keeping {keep}");
        assert_eq!(store.unflushed(), 0, "what survived is durable");
    }
}

#[test]
fn a_large_record_survives_a_crash_that_undoes_its_removal() {
    let (store, epoch) = open();
    let value = long(300 << 10, 1);
    store.commit(epoch, &[put(memo(1, 0), &value)]).expect("memory");
    store.flush().expect("memory");
    store.commit(epoch, &[Write::Delete(memo(1, 0))]).expect("memory");
    assert_eq!(texts(&store), [""; 0]);
    let store = store.crash(0);
    assert!(texts(&store) == [value]);
}

#[test]
fn an_old_handle_is_fenced_once_the_next_life_has_begun() {
    let (old, epoch) = open();
    old.commit(epoch, &[put(memo(1, 0), "a")]).expect("memory");
    let new = old.crash(0);
    let next = new.begin_epoch().expect("memory");
    assert!(next > epoch);
    let refused = old.commit(epoch, &[put(memo(1, 0), "zombie")]);
    assert_eq!(refused, Err(StoreError::Fenced { ours: epoch, stored: next }));
    assert_eq!(new.get(&memo(1, 0)), Ok(None));
}

#[test]
fn the_disk_fails_when_asked_to_and_until_a_crash() {
    let (store, epoch) = open();
    store.fail_at(2);
    store.commit(epoch, &[put(memo(1, 0), "a")]).expect("the first");
    store.flush().expect("the second");
    let refused = store.commit(epoch, &[put(memo(1, 0), "b")]);
    assert!(matches!(refused, Err(StoreError::Disk { op: "commit", .. })), "{refused:?}");
    assert!(matches!(store.flush(), Err(StoreError::Disk { op: "flush", .. })));
    assert_eq!(texts(&store), ["a"], "a refused commit is not seen");
    let store = store.crash(0);
    assert_eq!(store.begin_epoch(), Ok(epoch + 1));
}

#[test]
fn damage_is_said_in_words() {
    let (store, epoch) = open();
    let key = memo(1, 0);
    store.commit(epoch, &[put(key, "a")]).expect("memory");
    store.damage(&key, |bytes| bytes[3] ^= 1);
    let error = store.get(&key).expect_err("damage");
    assert!(error.to_string().contains(&key.to_string()), "{error}");
    assert_eq!(store.get(&Key::Meta).map(|found| found.is_some()), Ok(true));
}
