//! What the folder on disk promises.

use std::sync::atomic::{AtomicBool, Ordering};

use super::support::*;
use crate::model::Digest;
use crate::store::{
    FORMAT, Key, MetaRecord, Order, Record, Sled, Store, StoreError, Write, record,
};

#[test]
fn what_was_flushed_is_there_after_a_restart() {
    let disk = OnDisk::new();
    let large = long(150 << 10, 1);
    let medium = long(9_000, 2);
    disk.commit(&[put(memo(1, 0), "small"), put(memo(1, 1), &medium), put(memo(1, 2), &large)]);
    disk.store.flush().expect("a sound disk");
    let before = disk.epoch;
    let disk = disk.reopen();
    assert_eq!(disk.epoch, before + 1);
    for (step, expected) in [(0, "small"), (1, &medium), (2, &large)] {
        let found = disk.store.get(&memo(1, step)).expect("sound");
        assert!(found == Some(Record::Memo(expected.to_owned())), "step {step}");
    }
    disk.store.flush().expect("the flush of a reopened store");
}

#[test]
fn the_second_one_is_told_who_has_the_folder() {
    let disk = OnDisk::new();
    let holder = format!(", pid {}", std::process::id());
    let folder = disk.folder.path().display().to_string();
    let refused = Sled::open(disk.folder.path()).expect_err("it is taken");
    assert_eq!(refused, StoreError::Busy { folder, holder });
    disk.store.flush().expect("the first one goes on");
    drop(disk.reopen());
}

#[test]
fn sled_alone_keeps_us_out_too() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let other = sled::Config::new().path(folder.path()).open().expect("a tree");
    let refused = Sled::open(folder.path()).expect_err("it is taken");
    assert!(matches!(refused, StoreError::Busy { .. }), "{refused}");
    drop(other);
}

#[test]
fn a_folder_that_cannot_be_is_a_disk_error() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("room");
    let refused = Sled::open(&file.join("store")).expect_err("no folder");
    assert!(matches!(refused, StoreError::Disk { op: "create the folder", .. }), "{refused}");
}

#[test]
fn a_newer_store_is_left_alone() {
    let disk = OnDisk::new();
    let meta = Record::Meta(MetaRecord { format: FORMAT + 1, epoch: 5 });
    disk.store.damage(&Key::Meta.encode(), &record::encode(&Key::Meta, &meta));
    disk.store.flush().expect("a sound disk");
    let OnDisk { folder, store, .. } = disk;
    drop(store);
    let refused = Sled::open(folder.path()).expect_err("from the future");
    assert_eq!(refused, StoreError::TooNew { found: FORMAT + 1, known: FORMAT });
}

#[test]
fn a_store_that_opens_empty_after_use_is_damaged() {
    let disk = OnDisk::new();
    disk.commit(&[put(memo(1, 1), &long(100 << 10, 1))]);
    disk.store.flush().expect("sound");
    let files = disk.spilled();
    let OnDisk { folder, store, .. } = disk;
    drop(store);
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() && !path.ends_with("made") {
            std::fs::remove_file(path).expect("ours");
        }
    }
    let refused = Sled::open(folder.path()).expect_err("all is gone");
    assert!(refused.to_string().contains("opened empty"), "{refused}");
    let left = folder.path().join("spill").join(&files[0]);
    assert!(left.exists(), "what a repair may need is left alone");
}

#[test]
fn a_replaced_file_ends_all_writing() {
    // The log is flushed with every commit, sled's file when rows are merged or a life begins.
    for (name, words) in [("log-odd", "not the one that is written"), ("db", "not the one sled")] {
        let disk = OnDisk::new();
        let path = disk.folder.path().join(name);
        let copy = disk.folder.path().join("copy");
        std::fs::copy(&path, &copy).expect("room");
        std::fs::rename(&copy, &path).expect("room");
        disk.commit(&[put(memo(1, 1), "lost")]);
        let flushed = disk.store.flush();
        let refused = flushed.and_then(|()| disk.store.begin_epoch().map(drop));
        let refused = refused.expect_err("nobody would find it again");
        assert!(refused.to_string().contains(words), "{refused}");
        let refused = disk.store.commit(disk.epoch, &[put(memo(1, 2), "late")]);
        assert!(matches!(refused, Err(StoreError::Disk { op: "commit", .. })), "{refused:?}");
        assert!(disk.store.flush().is_err() && disk.store.begin_epoch().is_err());
        assert_eq!(disk.store.get(&memo(1, 2)), Ok(None));
    }
}

#[test]
fn files_come_before_the_commit_and_go_after_the_flush() {
    let disk = OnDisk::new();
    let (key, value) = (memo(1, 1), long(100 << 10, 1));
    disk.commit(&[put(key, &value)]);
    assert_eq!(disk.spilled().len(), 1);
    disk.store.flush().expect("sound");
    disk.commit(&[put(key, "short")]);
    assert_eq!(disk.spilled().len(), 1, "the durable commit still names it");
    disk.store.flush().expect("sound");
    assert_eq!(disk.spilled().len(), 0);
}

#[test]
fn a_file_named_again_before_the_flush_stays() {
    let disk = OnDisk::new();
    let (key, value) = (memo(1, 1), long(100 << 10, 1));
    disk.commit(&[put(key, &value)]);
    disk.store.flush().expect("sound");
    disk.commit(&[Write::Delete(key)]);
    disk.commit(&[put(key, &value)]);
    disk.commit(&[put(key, &value)]);
    disk.store.flush().expect("sound");
    assert_eq!(disk.spilled().len(), 1);
    let disk = disk.reopen();
    assert!(disk.store.get(&key) == Ok(Some(Record::Memo(value))));
}

#[test]
fn a_start_sweeps_the_files_nobody_names() {
    let disk = OnDisk::new();
    disk.commit(&[put(memo(1, 1), &long(100 << 10, 1))]);
    disk.store.flush().expect("sound");
    let kept = disk.spilled();
    let spill = disk.folder.path().join("spill");
    let orphan = Digest([9; 32]).to_string();
    for name in [orphan.as_str(), "half.draft", "notes.txt"] {
        std::fs::write(spill.join(name), "left over").expect("room");
    }
    let disk = disk.reopen();
    let mut expected = kept;
    expected.push("notes.txt".to_owned());
    let mut left = disk.spilled();
    expected.sort();
    left.sort();
    assert_eq!(left, expected, "what is not ours stays");
}

#[test]
fn parts_go_with_their_record() {
    let disk = OnDisk::new();
    let rows = || disk.store.raw_sizes().0;
    let before = rows();
    disk.commit(&[put(memo(1, 1), &long(30_000, 1))]);
    assert_eq!(rows(), before + 10, "a row and nine parts");
    disk.commit(&[put(memo(1, 1), &long(10_000, 1))]);
    assert_eq!(rows(), before + 4, "a row and three parts");
    disk.commit(&[put(memo(1, 1), &long(90_000, 1))]);
    assert_eq!(rows(), before + 2, "a row and the name of its file");
    disk.commit(&[put(memo(1, 1), "short")]);
    assert_eq!(rows(), before + 1);
    disk.commit(&[put(memo(1, 1), &long(30_000, 1))]);
    disk.commit(&[Write::Delete(memo(1, 1))]);
    assert_eq!(rows(), before);
}

#[test]
fn a_reader_sees_whole_records_while_they_change() {
    let disk = OnDisk::new();
    let key = memo(1, 1);
    // In parts, in fewer parts, in a file, whole: every shape turns into every other.
    let values = [30_000, 9_000, 90_000, 10].map(|bytes| long(bytes, bytes as u64));
    disk.commit(&[put(key, &values[0])]);
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Acquire) {
                let rows = disk.store.scan(&key, &key, Order::Ascending, 9).expect("whole");
                let [(_, Record::Memo(text))] = rows.as_slice() else { panic!("{rows:?}") };
                assert!(values.contains(text), "{} bytes of no value", text.len());
                reads += 1;
            }
            reads
        });
        for round in 0..60 {
            disk.commit(&[put(key, &values[(round * 7 + round / 4) % 4])]);
            if round % 5 == 0 {
                disk.store.flush().expect("sound");
            }
        }
        done.store(true, Ordering::Release);
        reader.join().expect("no panic")
    });
    assert!(reads > 0);
}
