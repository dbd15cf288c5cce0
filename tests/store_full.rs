//! A disk that fills up: the store says so, stops, and loses nothing that was flushed.
//!
//! The disk is a limit on the size of a file, set in a process of its own: this very test.

use std::path::Path;
use std::process::Command;

use fanfare::model::Digest;
use fanfare::store::{DefinitionRecord, Key, Record, Sled, Store, StoreError, Write, verify};

const FOLDER: &str = "STORE_FULL_FOLDER";
const GROUP: &str = "STORE_FULL_GROUP";
/// In blocks of 512 bytes: four of sled's segments.
const LIMIT_BLOCKS: u32 = 4_096;

fn row(n: u32) -> (Key, Record) {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    let text = format!("{n:0>2000}");
    (
        Key::Definition(Digest(digest)),
        Record::Definition(DefinitionRecord { name: n.to_string(), text }),
    )
}

/// Writes until the disk refuses, with one flush for every `group` commits; says how much was
/// flushed before.
fn fill(folder: &Path, group: u32) {
    let store = Sled::open(folder).expect("room for an empty store");
    let epoch = store.begin_epoch().expect("room for an epoch");
    let (mut written, mut flushed) = (0, 0);
    let refused = loop {
        let (key, record) = row(written);
        let mut done = store.commit(epoch, &[Write::Put(key, record)]);
        written += 1;
        if written % group == 0 {
            done = done.and_then(|()| store.flush());
        }
        match done {
            Err(refused) => break refused,
            Ok(()) if written % group == 0 => flushed = written,
            Ok(()) => {}
        }
        assert!(written < 100_000, "the limit does not hold");
    };
    assert!(matches!(refused, StoreError::Disk { .. }), "{refused}");
    let (key, record) = row(written);
    let after = store.commit(epoch, &[Write::Put(key, record)]);
    assert!(matches!(after, Err(StoreError::Disk { .. })), "{after:?}");
    assert!(store.flush().is_err(), "a refused flush must never be followed by one that succeeds");
    std::fs::write(folder.with_extension("flushed"), flushed.to_string()).expect("room for a word");
    // As the server does: it stops, and runs nothing more.
    std::process::exit(0);
}

#[test]
fn a_full_disk_stops_the_store_and_loses_nothing() {
    if let (Some(folder), Ok(group)) = (std::env::var_os(FOLDER), std::env::var(GROUP)) {
        fill(Path::new(&folder), group.parse().expect("a number"));
    }
    check(1);
    check(100);
}

fn check(group: u32) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let folder = scratch.path().join("store");
    // With the signal ignored, a write over the limit is refused as one on a full disk is.
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT_BLOCKS}; exec timeout 60 \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "a_full_disk_stops_the_store_and_loses_nothing", "--nocapture"])
        .env(FOLDER, &folder)
        .env(GROUP, group.to_string())
        .output()
        .expect("a shell");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let flushed = std::fs::read_to_string(folder.with_extension("flushed")).expect("a count");
    let flushed: u32 = flushed.parse().expect("a number");
    assert!(flushed >= 100, "only {flushed} before the limit");

    let store = Sled::open(&folder).expect("given room, it goes on");
    let epoch = store.begin_epoch().expect("room");
    for n in 0..flushed {
        let (key, record) = row(n);
        assert!(store.get(&key) == Ok(Some(record)), "row {n} of {flushed}");
    }
    assert_eq!(verify(&store).expect("sound").findings, []);
    let (key, record) = row(flushed + 7);
    store.commit(epoch, &[Write::Put(key, record)]).expect("room");
    store.flush().expect("room");
}
