//! Commits that wait, are in the log, or are half merged are read as if sled had their rows.

use proptest::prelude::*;

use super::support::{OnDisk, at, long, memo, put};
use crate::model::{BatchId, Digest, PostId, TargetIx};
use crate::store::{
    DefinitionRecord, Key, Memory, Order, PostPlace, Record, Scanned, Sled, Store, UpkeepRecord,
    Write,
};

/// What is done to a store.
#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Option<u16>)>),
    Flush,
    Settle,
    Reopen,
    Scan {
        from: u8,
        to: u8,
        descending: bool,
        limit: usize,
    },
    /// Each from a key over so many.
    ScanEach {
        stretches: Vec<(u8, u8)>,
        limit: usize,
    },
}

/// Keys there are.
const KEYS: u8 = 96;

fn step() -> impl Strategy<Value = Step> {
    // Texts of all lengths: rows that share pages, fill one, are in parts, and in files.
    let length =
        prop_oneof![3 => 0u16..40, 2 => 300u16..3_590, 1 => 3_500u16..5_000, 1 => 9_000u16..30_000];
    let commit =
        proptest::collection::vec((0..KEYS, proptest::option::weighted(0.7, length)), 1..9);
    let stretches = proptest::collection::vec((0..KEYS, 0u8..12), 0..20);
    let scan_each = (stretches, any::<bool>(), 1usize..30);
    let scan = (0..KEYS, 0..KEYS, any::<bool>(), 0usize..60);
    prop_oneof![
        8 => commit.prop_map(Step::Commit),
        3 => Just(Step::Flush),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        6 => scan.prop_map(|(from, to, descending, limit)| {
            Step::Scan { from, to, descending, limit }
        }),
        6 => scan_each.prop_map(|(mut stretches, descending, limit)| {
            if descending {
                stretches.sort_by(|one, other| other.cmp(one));
            }
            Step::ScanEach { stretches, limit }
        }),
    ]
}

/// Keys of families with pages and without, in turns.
fn key(n: u8) -> Key {
    match n {
        0..24 => Key::Definition(Digest([n; 32])),
        24..72 => memo(u128::from(n / 6), u16::from(n % 6)),
        72..84 => Key::Post(PostId::from_raw(u128::from(n))),
        _ => Key::Upkeep(Digest([n; 32])),
    }
}

fn record(n: u8, length: u16) -> Record {
    let text = long(usize::from(length), u64::from(n));
    match key(n) {
        Key::Definition(_) => Record::Definition(DefinitionRecord { name: String::new(), text }),
        Key::Memo(..) => Record::Memo(text),
        Key::Post(_) => {
            let batch = BatchId::from_raw(u128::from(length));
            Record::Post(PostPlace { batch, ix: TargetIx(0) })
        }
        _ => Record::Upkeep(UpkeepRecord { name: String::new(), ran_at: at(0), report: text }),
    }
}

fn writes(store: &Memory, changes: &[(u8, Option<u16>)]) -> Vec<Write> {
    let write = |(n, length): &(u8, Option<u16>)| match length {
        None => Write::Delete(key(*n)),
        // The first of a commit to speak of a key that is not there may say so.
        Some(length) if store.get(&key(*n)) == Ok(None) => Write::New(key(*n), record(*n, *length)),
        Some(length) => Write::Put(key(*n), record(*n, *length)),
    };
    changes.iter().map(write).collect()
}

fn scan(store: &dyn Store, step: &Step) -> Vec<Scanned> {
    let Step::Scan { from, to, descending, limit } = step else { return Vec::new() };
    let order = if *descending { Order::Descending } else { Order::Ascending };
    let (from, to) = (key(*from).encode(), key(*to).encode());
    store.scan_checked(&from, &to, order, *limit).expect("sound")
}

fn scan_each(store: &dyn Store, stretches: &[(u8, u8)], limit: usize) -> Vec<(usize, String)> {
    let key = |n: u8| key(n.min(KEYS - 1));
    let stretches: Vec<(Key, Key)> =
        stretches.iter().map(|(from, keys)| (key(*from), key(from + keys))).collect();
    let mut met = Vec::new();
    store.scan_each(&stretches, limit, &mut |place, row| met.push((place, format!("{row:?}"))));
    met
}

const ALL: Step = Step::Scan { from: 0, to: KEYS - 1, descending: false, limit: usize::MAX };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn disk_and_memory_answer_alike(steps in proptest::collection::vec(step(), 1..80)) {
        let mut disk = OnDisk::new();
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
                Step::Settle => drop(disk.store.raw_sizes()),
                Step::Reopen => {
                    disk.store.flush().expect("sound");
                    disk = disk.reopen();
                    prop_assert_eq!(disk.store.check_whole(), Ok(()));
                }
                Step::Scan { .. } => {
                    prop_assert_eq!(scan(&disk.store, step), scan(&memory, step));
                }
                Step::ScanEach { stretches, limit } => {
                    let met = scan_each(&disk.store, stretches, *limit);
                    prop_assert_eq!(met, scan_each(&memory, stretches, *limit));
                }
            }
        }
        disk.store.flush().expect("sound");
        prop_assert_eq!(disk.store.check_whole(), Ok(()));
        let disk = disk.reopen();
        prop_assert_eq!(scan(&disk.store, &ALL), scan(&memory, &ALL));
        prop_assert_eq!(disk.store.check_whole(), Ok(()));
        prop_assert!(disk.store.blobs_empty());
    }

    #[test]
    fn an_older_layout_is_laid_out_anew_however_often_that_is_cut_short(
        steps in proptest::collection::vec(step(), 1..60),
        cuts in proptest::collection::vec(0usize..60, 0..4),
    ) {
        let mut disk = OnDisk::new();
        let memory = Memory::new();
        let epoch = memory.begin_epoch().expect("memory");
        for step in &steps {
            if let Step::Commit(changes) = step {
                let writes = writes(&memory, changes);
                disk.commit(&writes);
                memory.commit(epoch, &writes).expect("memory");
            }
        }
        disk.store.make_older();
        let OnDisk { folder, store, epoch } = disk;
        drop(store);
        for values in cuts {
            Sled::lay_out_partly(folder.path(), values);
        }
        let store = Sled::open(folder.path()).expect("the same store");
        disk = OnDisk { folder, store, epoch };
        prop_assert_eq!(scan(&disk.store, &ALL), scan(&memory, &ALL));
        prop_assert_eq!(disk.store.check_whole(), Ok(()));
        let disk = disk.reopen();
        prop_assert_eq!(scan(&disk.store, &ALL), scan(&memory, &ALL));
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

#[test]
fn the_log_stays_small_however_much_one_flush_carries() {
    let disk = OnDisk::new();
    for round in 0..12_u16 {
        for step in 0..200 {
            disk.commit(&[put(memo(u128::from(round), step), &long(3_000, u64::from(step)))]);
        }
        disk.store.flush().expect("sound");
    }
    for name in ["log-even", "log-odd"] {
        let bytes = std::fs::metadata(disk.folder.path().join(name)).expect("a file").len();
        assert!(bytes < 1_500 << 10, "{name} has {bytes} bytes, of 7,200,000 that were committed");
    }
    assert_eq!(disk.store.check_whole(), Ok(()));
}
