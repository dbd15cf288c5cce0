//! Commits that sled has not been given yet are read as if it had them.

use proptest::prelude::*;

use super::support::{OnDisk, memo, put};
use crate::store::{Key, Memory, Order, Scanned, Store, Write};

/// What is done to a store.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Option<u16>)>),
    Flush,
    Scan { from: u8, to: u8, descending: bool, limit: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Texts of all lengths: rows of their own, in parts, and in files.
    let text =
        proptest::option::weighted(0.7, prop_oneof![0u16..40, 3_000u16..5_000, 9_000u16..30_000]);
    let commit = proptest::collection::vec((0u8..24, text), 1..5);
    let scan = (0u8..24, 0u8..24, any::<bool>(), 0usize..30);
    prop_oneof![
        4 => commit.prop_map(Step::Commit),
        1 => Just(Step::Flush),
        4 => scan.prop_map(|(from, to, descending, limit)| {
            Step::Scan { from, to, descending, limit }
        }),
    ]
}

fn key(n: u8) -> Key {
    memo(u128::from(n / 4) + 1, u16::from(n % 4))
}

fn writes(store: &Memory, changes: &[(u8, Option<u16>)]) -> Vec<Write> {
    let write = |(n, text): &(u8, Option<u16>)| match text {
        None => Write::Delete(key(*n)),
        Some(length) => match put(key(*n), &"x".repeat(usize::from(*length))) {
            // The first of a commit to speak of a key that is not there may say so.
            Write::Put(key, record) if store.get(&key) == Ok(None) => Write::New(key, record),
            other => other,
        },
    };
    changes.iter().map(write).collect()
}

fn scan(store: &dyn Store, step: &Step) -> Vec<Scanned> {
    let Step::Scan { from, to, descending, limit } = step else { return Vec::new() };
    let order = if *descending { Order::Descending } else { Order::Ascending };
    let (from, to) = (key(*from).encode(), key(*to).encode());
    store.scan_checked(&from, &to, order, *limit).expect("sound")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn disk_and_memory_answer_alike(steps in proptest::collection::vec(step(), 1..40)) {
        let disk = OnDisk::new();
        let memory = Memory::new();
        let epoch = memory.begin_epoch().expect("memory");
        for step in &steps {
            match step {
                Step::Commit(changes) => {
                    let writes = writes(&memory, changes);
                    disk.commit(&writes);
                    memory.commit(epoch, &writes).expect("memory");
                    for (n, _) in changes {
                        prop_assert_eq!(disk.store.get(&key(*n)), memory.get(&key(*n)));
                    }
                }
                Step::Flush => disk.store.flush().expect("sound"),
                Step::Scan { .. } => {
                    prop_assert_eq!(scan(&disk.store, step), scan(&memory, step));
                }
            }
        }
        disk.store.flush().expect("sound");
        prop_assert_eq!(disk.store.check_whole(), Ok(()));
        let disk = disk.reopen();
        let all = Step::Scan { from: 0, to: 23, descending: false, limit: usize::MAX };
        prop_assert_eq!(scan(&disk.store, &all), scan(&memory, &all));
        prop_assert_eq!(disk.store.check_whole(), Ok(()));
    }
}

#[test]
fn a_row_that_several_commits_change_is_written_once() {
    let disk = OnDisk::new();
    let rows = disk.store.raw_sizes().0;
    let before = disk.store.log_bytes();
    for n in 0..200 {
        disk.commit(&[put(memo(1, 1), &format!("{n}"))]);
    }
    disk.store.flush().expect("sound");
    assert_eq!(disk.store.raw_sizes().0, rows + 1);
    let written = disk.store.log_bytes() - before;
    assert!(written < 4_000, "{written} bytes of log for one row");
}
