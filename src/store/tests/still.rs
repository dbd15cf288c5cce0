//! A still shows one instant, whatever is committed while it is read.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::support::*;
use crate::model::{BatchId, TargetIx};
use crate::store::{
    Framed, Key, Memory, Order, PostPlace, Record, Still, Store, StoreError, Write,
};

type Rows = BTreeMap<Vec<u8>, Record>;

/// Everything in the store but its own record.
fn everything(store: &dyn Store) -> Rows {
    let found = store.scan_checked(&[], &[0xff], Order::Ascending, usize::MAX).expect("sound");
    let sound = |scanned: crate::store::Scanned| scanned.record.expect("sound");
    let rows = found.into_iter().map(|scanned| (scanned.bytes.clone(), sound(scanned).1));
    rows.filter(|(key, _)| *key != Key::Meta.encode()).collect()
}

fn taken(page: Vec<Framed>, rows: &mut Rows) {
    for framed in page {
        let key = framed.key.encode();
        assert!(rows.keys().next_back().is_none_or(|last| *last < key), "in order, and once");
        rows.insert(key, framed.record);
    }
}

/// One write of a small key space, so that writes meet; some values outgrow a row, some a batch.
fn write((batch, step, bytes): (u8, u8, Option<u32>)) -> Write {
    let key = memo(u128::from(batch), u16::from(step));
    match bytes {
        None => Write::Delete(key),
        Some(bytes) => put(key, &long(usize::try_from(bytes).expect("small"), u64::from(bytes))),
    }
}

fn any_write() -> impl Strategy<Value = Write> {
    let bytes = prop_oneof![4 => 0u32..200, 1 => Just(5_000u32), 1 => Just(80_000u32)];
    (0u8..4, 0u8..6, proptest::option::of(bytes)).prop_map(write)
}

fn check(store: &dyn Store, epoch: u64, first: &[Write], later: &[Vec<Write>], rows: usize) {
    for write in first {
        store.commit(epoch, std::slice::from_ref(write)).expect("room");
    }
    let expected = everything(store);
    let still = Still::of(store).expect("the only one");
    let mut seen = Rows::new();
    for commit in later {
        taken(still.page(rows).expect("sound"), &mut seen);
        store.commit(epoch, commit).expect("room");
    }
    loop {
        let page = still.page(rows).expect("sound");
        if page.is_empty() {
            break;
        }
        taken(page, &mut seen);
    }
    assert!(seen == expected, "{} of {} rows", seen.len(), expected.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_shows_what_was_there_when_it_began(
        first in proptest::collection::vec(any_write(), 0..24),
        later in proptest::collection::vec(proptest::collection::vec(any_write(), 1..4), 0..12),
        rows in 1usize..8,
    ) {
        let memory = Memory::new();
        let epoch = memory.begin_epoch().expect("memory");
        check(&memory, epoch, &first, &later, rows);
        let disk = OnDisk::new();
        check(&disk.store, disk.epoch, &first, &later, rows);
    }
}

#[test]
fn there_is_one_at_a_time() {
    let store = Memory::new();
    let first = Still::of(&store).expect("the only one");
    let second = Still::of(&store).expect_err("another is under way");
    assert!(second.to_string().contains("another copy"), "{second}");
    drop(first);
    drop(Still::of(&store).expect("the other is over"));
    let none = store.still_page(1).expect_err("none is under way");
    assert!(matches!(none, StoreError::Still { .. }), "{none}");
}

#[test]
fn what_it_shows_is_durable() {
    let store = Memory::new();
    let epoch = store.begin_epoch().expect("memory");
    store.commit(epoch, &[put(memo(1, 1), "told")]).expect("memory");
    assert_eq!(store.unflushed(), 1);
    let still = Still::of(&store).expect("the only one");
    assert_eq!(store.unflushed(), 0);
    drop(still);
}

#[test]
fn a_damaged_record_is_named() {
    let disk = OnDisk::new();
    disk.commit(&[put(memo(1, 1), "sound"), put(memo(1, 2), "spoilt")]);
    disk.store.damage(&memo(1, 2).encode(), b"\x01nothing of ours");
    let still = Still::of(&disk.store).expect("the only one");
    let problem = still.page(10).expect_err("it does not hold").to_string();
    assert!(problem.contains(&memo(1, 2).to_string()), "{problem}");
    drop(still);
    disk.store.damage(&[0x2f, 1], b"x");
    disk.commit(&[Write::Delete(memo(1, 2))]);
    let still = Still::of(&disk.store).expect("the only one");
    let problem = still.page(10).expect_err("a stranger").to_string();
    assert!(problem.contains("no key has these bytes"), "{problem}");
}

#[test]
fn a_change_to_a_damaged_record_spoils_it_and_nothing_else() {
    let disk = OnDisk::new();
    disk.commit(&[put(memo(1, 1), &long(5_000, 1))]);
    let still = Still::of(&disk.store).expect("the only one");
    let part = [&[0xf0], memo(1, 1).encode().as_slice(), &[0, 1]].concat();
    disk.store.tear(&part);
    disk.commit(&[put(memo(1, 1), "mended")]);
    let problem = still.page(10).expect_err("it is not known what it was").to_string();
    assert!(problem.contains("part 1 of 2 is missing"), "{problem}");
    drop(still);
    let post = Key::Post(crate::model::PostId::from_raw(1));
    let place = PostPlace { batch: BatchId::from_raw(1), ix: TargetIx(0) };
    disk.commit(&[Write::Put(post, Record::Post(place))]);
}
