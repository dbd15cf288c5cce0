//! Damaged bytes are named, never obeyed and never fatal.

use super::support::*;
use crate::model::{BatchId, Digest};
use crate::store::{
    Finding, Key, Order, Record, Sled, Store, StoreError, Write, pack, verify as verify_store,
};

fn findings(disk: &OnDisk) -> Vec<Finding> {
    verify_store(&disk.store).expect("the disk itself is sound").findings
}

/// Asserts that reading `key` and walking the store both name it, with `words` in the problem.
fn named(disk: &OnDisk, key: &Key, words: &str) {
    let error = disk.store.get(key).expect_err("damage");
    let StoreError::Corrupt { key: named, problem } = &error else { panic!("{error}") };
    assert_eq!(*named, key.to_string());
    assert!(problem.contains(words), "{problem}");
    assert!(error.to_string().contains("journal verify"), "{error}");
    let finding = Finding { key: named.clone(), problem: problem.clone() };
    assert!(findings(disk).contains(&finding), "{:?}", findings(disk));
}

#[test]
fn garbage_in_a_row_is_named() {
    let disk = OnDisk::new();
    let key = Key::Definition(Digest([1; 32]));
    let text = crate::store::DefinitionRecord { name: "x".to_owned(), text: "y".to_owned() };
    disk.commit(&[Write::Put(key, Record::Definition(text))]);
    let bytes = key.encode();
    let sound = disk.store.raw(&bytes).expect("a row");
    disk.store.damage(&bytes, b"garbage, long enough to look like a frame");
    named(&disk, &key, "checksum");
    disk.store.damage(&bytes, b"");
    named(&disk, &key, "no known shape");
    disk.store.damage(&bytes, &[1, 2]);
    named(&disk, &key, "too few");
    let mut flipped = sound.clone();
    flipped[20] ^= 0x10;
    disk.store.damage(&bytes, &flipped);
    named(&disk, &key, "checksum");
    disk.store.damage(&bytes, &sound);
    assert_eq!(findings(&disk), []);
}

#[test]
fn a_record_in_a_strangers_place_is_named() {
    let disk = OnDisk::new();
    let (one, two) = (Key::Definition(Digest([1; 32])), Key::Definition(Digest([2; 32])));
    let text = crate::store::DefinitionRecord { name: "x".to_owned(), text: "y".to_owned() };
    disk.commit(&[Write::Put(one, Record::Definition(text))]);
    let row = disk.store.raw(&one.encode()).expect("a row");
    disk.store.damage(&two.encode(), &row);
    named(&disk, &two, "checksum");
}

#[test]
fn a_lost_or_cut_part_is_named() {
    let disk = OnDisk::new();
    let key = Key::Content(BatchId::from_raw(1), PLACE);
    disk.commit(&[Write::Put(key, content(long(20_000, 1)))]);
    let part = |n: u16| [&[0xf0], key.encode().as_slice(), &n.to_be_bytes()].concat();
    let sound = disk.store.raw(&part(2)).expect("a part");
    disk.store.damage(&part(2), &sound[..sound.len() - 1]);
    named(&disk, &key, "bytes instead of");
    let mut flipped = sound.clone();
    flipped[9] ^= 1;
    disk.store.damage(&part(2), &flipped);
    named(&disk, &key, "checksum");
    disk.store.tear(&part(2));
    named(&disk, &key, "part 2 of 6 is missing");
    disk.store.damage(&part(2), &sound);
    disk.store.tear(&key.encode());
    let orphans = findings(&disk);
    assert_eq!(orphans.len(), 6, "{orphans:?}");
    assert!(orphans.iter().all(|finding| finding.problem == "no record owns it"));
}

#[test]
fn a_lost_or_changed_file_is_named() {
    let disk = OnDisk::new();
    let key = Key::Content(BatchId::from_raw(1), PLACE);
    disk.commit(&[Write::Put(key, content(long(100_000, 1)))]);
    let path = disk.folder.path().join("spill").join(&disk.spilled()[0]);
    let sound = std::fs::read(&path).expect("a file");
    let mut flipped = sound.clone();
    flipped[50_000] ^= 1;
    std::fs::write(&path, &flipped).expect("room");
    named(&disk, &key, "checksum");
    std::fs::write(&path, &sound[..99]).expect("room");
    named(&disk, &key, "99 bytes instead of");
    std::fs::remove_file(&path).expect("ours");
    named(&disk, &key, "is missing");
}

#[test]
fn keys_of_no_family_and_rows_without_owner_are_found() {
    let disk = OnDisk::new();
    let owner = Key::Content(BatchId::from_raw(1), PLACE).encode();
    let digest = pack::sha256(b"gone");
    disk.store.damage(&[0x99, 1, 2], b"what is this");
    disk.store.damage(&[0xf0, 1], b"too short to name an owner");
    disk.store.damage(&[&[0xf0], owner.as_slice(), &[0, 3]].concat(), b"a part");
    disk.store.damage(&[&[0xf1], digest.0.as_slice(), &owner].concat(), b"");
    let found: Vec<String> = findings(&disk).into_iter().map(|finding| finding.key).collect();
    let content = Key::Content(BatchId::from_raw(1), PLACE);
    assert_eq!(
        found,
        [
            "key 0x990102".to_owned(),
            "key 0xf001".to_owned(),
            format!("part 3 of {content}"),
            format!("file spill/{digest} of {content}"),
        ]
    );
}

#[test]
fn a_page_that_makes_no_sense_is_named_and_the_rest_is_read() {
    let disk = OnDisk::new();
    // Several pages of a walk over the store, so that it also ends at spoilt ones.
    for batch in 0..100 {
        let texts = (0..15).map(|step| put(memo(batch, step), &long(90, u64::from(step))));
        disk.commit(&texts.collect::<Vec<_>>());
    }
    for batch in (0..100).step_by(3) {
        disk.store.spoil_page_of(&memo(batch, 7).encode());
    }
    let words = "share a page that makes no sense";
    let disk = disk.reopen();
    let (mut sound, mut spoilt) = (0, 0);
    for (batch, step) in (0..100).flat_map(|batch| (0..15).map(move |step| (batch, step))) {
        match disk.store.get(&memo(batch, step)) {
            Ok(Some(Record::Memo(text))) => {
                assert!(text == long(90, u64::from(step)));
                sound += 1;
            }
            // What stands before the damage is sound, and may be read.
            Err(StoreError::Corrupt { problem, .. }) if problem.contains(words) => spoilt += 1,
            other => panic!("{batch} {step}: {other:?}"),
        }
    }
    assert!(sound > 1_000 && spoilt >= 34, "{sound} sound, {spoilt} spoilt");
    let named = findings(&disk).into_iter().filter(|it| it.problem.contains(words)).count();
    assert!(named >= 34, "{named}");
    for order in [Order::Ascending, Order::Descending] {
        let found = disk.store.scan(&memo(0, 0), &memo(99, 14), order, usize::MAX);
        let error = found.expect_err("some of it cannot be read").to_string();
        assert!(error.contains(words) && error.contains("restore a backup"), "{error}");
    }
    let refused = disk.store.check_whole().expect_err("it is not whole");
    assert!(refused.to_string().contains("restore a backup"), "{refused}");
    a_walk_names_the_same(&disk);
}

/// Asserts that whoever reads many stretches in one walk is told of each what he would be told if
/// he read it alone.
fn a_walk_names_the_same(disk: &OnDisk) {
    let stretches: Vec<(Key, Key)> =
        (0..100).rev().map(|batch| (memo(batch, 0), memo(batch, 14))).collect();
    let mut met: Vec<Result<Vec<_>, _>> = stretches.iter().map(|_| Ok(Vec::new())).collect();
    disk.store.scan_each(&stretches, usize::MAX, &mut |place, row| match (row, &mut met[place]) {
        (Ok(row), Ok(rows)) => rows.push(row),
        (Err(error), rows @ Ok(_)) => *rows = Err(error),
        (row, Err(error)) => panic!("{row:?} after {error}"),
    });
    let alone = |(from, to): &(Key, Key)| disk.store.scan(from, to, Order::Ascending, usize::MAX);
    let alone: Vec<_> = stretches.iter().map(alone).collect();
    assert!(met == alone);
    let sound = met.iter().filter(|rows| rows.is_ok()).count();
    assert!((20..70).contains(&sound), "{sound}");
}

fn definition(n: u8) -> (Key, Record) {
    let text = crate::store::DefinitionRecord { name: n.to_string(), text: "y".repeat(900) };
    (Key::Definition(Digest([n; 32])), Record::Definition(text))
}

#[test]
fn a_sound_row_that_is_gone_or_older_is_found() {
    let disk = OnDisk::new();
    let (key, record) = definition(1);
    disk.commit(&[Write::Put(key, record)]);
    let older = disk.store.raw(&key.encode()).expect("a row");
    let (_, newer) = definition(2);
    disk.commit(&[Write::Put(key, newer)]);
    let newest = disk.store.raw(&key.encode()).expect("a row");
    assert_eq!(findings(&disk), []);
    let found = |disk: &OnDisk| {
        let [finding] = &findings(disk)[..] else { panic!("{:?}", findings(disk)) };
        assert!(finding.problem.contains("older than they were"), "{finding:?}");
        let refused = disk.store.check_whole().expect_err("it is not whole");
        assert!(refused.to_string().contains("restore a backup"), "{refused}");
    };
    disk.store.damage(&key.encode(), &older);
    found(&disk);
    disk.store.tear(&key.encode());
    found(&disk);
    // Neither more commits nor another life make it whole.
    let (other, record) = definition(3);
    disk.commit(&[Write::Put(other, record)]);
    let disk = disk.reopen();
    found(&disk);
    disk.store.damage(&key.encode(), &newest);
    assert_eq!(findings(&disk), []);
}

#[test]
fn a_store_without_its_newest_commits_is_refused() {
    let disk = OnDisk::new();
    for n in 0..20 {
        let (key, record) = definition(n);
        disk.commit(&[Write::Put(key, record)]);
    }
    disk.store.flush().expect("sound");
    let copy = tempfile::tempdir().expect("a scratch folder");
    for name in ["db", "conf", "made", "log-even", "log-odd"] {
        std::fs::copy(disk.folder.path().join(name), copy.path().join(name)).expect("room");
    }
    let (key, record) = definition(20);
    disk.commit(&[Write::Put(key, record)]);
    disk.store.flush().expect("sound");
    let reached = disk.folder.path().join("reached");
    std::fs::copy(reached, copy.path().join("reached")).expect("room");
    let refused = Sled::open(copy.path()).expect_err("a commit is gone");
    let text = refused.to_string();
    assert!(text.contains("23 commits") && text.contains("shows is 22"), "{text}");
    assert!(text.contains("restore a backup"), "{text}");
}

#[test]
fn a_commit_meanwhile_is_no_damage() {
    let disk = OnDisk::new();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let checker = scope.spawn(|| {
            let mut checks = 0;
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                disk.store.check_whole().expect("nothing is damaged");
                checks += 1;
            }
            checks
        });
        for round in 0..200u8 {
            // A few rows, all new each time: a check easily falls into the middle of it.
            let rows = (0..12).map(|n| (definition(n).0, definition(round.wrapping_add(n)).1));
            let writes: Vec<_> = rows.map(|(key, record)| Write::Put(key, record)).collect();
            disk.commit(&writes);
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        assert!(checker.join().expect("no panic") > 0);
    });
    disk.store.check_whole().expect("nothing is damaged");
}

#[test]
fn many_bad_rows_do_not_end_the_walk() {
    let disk = OnDisk::new();
    // More than two pages of the walk, every third row bad.
    for chunk in (0..1_500u128).collect::<Vec<_>>().chunks(100) {
        let writes: Vec<Write> = chunk
            .iter()
            .map(|raw| {
                let key = Key::Claim(at(1), pack::sha256(&raw.to_be_bytes()));
                Write::Put(key, running(Some(BatchId::from_raw(1))))
            })
            .collect();
        disk.commit(&writes);
    }
    for raw in (0..1_500u128).step_by(3) {
        let key = Key::Claim(at(1), pack::sha256(&raw.to_be_bytes()));
        disk.store.damage(&key.encode(), b"bad");
    }
    let report = verify_store(&disk.store).expect("the disk itself is sound");
    assert_eq!(report.records, 1_501);
    let bad = report.findings.iter().filter(|finding| finding.problem.contains("too few"));
    assert_eq!(bad.count(), 500);
    assert_eq!(report.findings.len(), 1_500, "the others name a batch that is missing");
}

/// Whatever happens to the file, opening ends in an error in words or in a store whose every
/// record is the right one or named as bad.
#[test]
fn a_damaged_file_is_refused_in_words_or_read_with_care() {
    let disk = OnDisk::new();
    for raw in 0..40u128 {
        disk.commit(&[put(memo(raw, 1), &long(2_000, 7))]);
        // Some are merged, some are in the log only.
        disk.store.flush().expect("sound");
    }
    let OnDisk { folder, store, .. } = disk;
    drop(store);
    let mut refused = [0; 2];
    for round in 0..48usize {
        let copy = tempfile::tempdir().expect("a scratch folder");
        for name in ["conf", "made", "reached", "db", "log-even", "log-odd"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).expect("room");
        }
        let name = ["db", "log-even", "db", "log-odd"][round / 3 % 4];
        let mut bytes = std::fs::read(folder.path().join(name)).expect("a file");
        let place = (round * 7_919 * 31) % bytes.len();
        match round % 3 {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 0x55,
            _ => bytes[place..].iter_mut().take(4_096).for_each(|byte| *byte = 0),
        }
        std::fs::write(copy.path().join(name), &bytes).expect("room");
        match Sled::open(copy.path()) {
            Ok(store) => {
                for raw in 0..40u128 {
                    let found = store.get(&memo(raw, 1));
                    let expected = Record::Memo(long(2_000, 7));
                    let honest = match &found {
                        Ok(Some(record)) => *record == expected,
                        Ok(None) | Err(StoreError::Corrupt { .. }) => true,
                        Err(_) => false,
                    };
                    assert!(honest, "round {round}, {raw}: {found:?}");
                }
            }
            Err(error) => {
                refused[usize::from(name == "db")] += 1;
                let text = error.to_string();
                assert!(text.contains("restore a backup"), "round {round}: {text}");
            }
        }
    }
    assert!(refused[0] > 0 && refused[1] > 0, "no damage was ever noticed at open: {refused:?}");
}
