//! Idempotency records are found by their ids.

use std::collections::BTreeSet;

use super::support::*;
use crate::model::Digest;
use crate::store::pack::sha256;
use crate::store::{ClaimRecord, ClaimState, Key, Record, Sled, Store, Write, verify};

fn id(n: u32) -> Digest {
    sha256(&n.to_be_bytes())
}

/// A record that expires `n` milliseconds on, with a reply of so many bytes.
fn claim(n: u32, bytes: usize) -> Record {
    Record::Claim(ClaimRecord {
        fingerprint: Digest([1; 32]),
        created_at: at(0),
        expires_at: at(i64::from(n)),
        batch: None,
        state: ClaimState::Replied { status: 400, body: long(bytes, u64::from(n)).into_bytes() },
    })
}

fn key(n: u32) -> Key {
    Key::Claim(at(i64::from(n)), id(n))
}

/// Which of the ids below `end` are claimed.
fn claimed(store: &dyn Store, end: u32) -> BTreeSet<u32> {
    let is = |n: &u32| store.claim(&id(*n)).expect("sound").map(|(key, _)| key) == Some(key(*n));
    let known = |n: &u32| store.claim(&id(*n)).expect("sound").is_some();
    let claimed: BTreeSet<u32> = (0..end).filter(known).collect();
    assert!(claimed.iter().all(is), "each under its own key");
    claimed
}

/// Makes each of these claims in a commit of its own.
fn make(disk: &OnDisk, claims: impl Iterator<Item = u32>) {
    for n in claims {
        disk.commit(&[Write::New(key(n), claim(n, 300))]);
    }
    disk.store.flush().expect("sound");
}

#[test]
fn claims_are_found_whenever_somebody_asks_first() {
    let mut disk = OnDisk::new();
    // Some are in the tree after these, and some in the log.
    make(&disk, 0..200);
    let mut all: BTreeSet<u32> = (0..200).collect();
    assert_eq!(claimed(&disk.store, 300), all, "asked for after they were made");
    make(&disk, 200..220);
    all.extend(200..220);
    disk.commit(&[Write::Delete(key(7)), Write::Delete(key(210))]);
    disk.store.flush().expect("sound");
    all.retain(|n| ![7, 210].contains(n));
    assert_eq!(claimed(&disk.store, 300), all, "made and removed after they were asked for");
    disk = disk.reopen();
    assert_eq!(claimed(&disk.store, 300), all, "after a restart");
    disk = disk.reopen();
    disk.store.check_whole().expect("it is");
    assert_eq!(claimed(&disk.store, 300), all, "after a look at all rows");
    make(&disk, 220..230);
    all.extend(220..230);
    assert_eq!(claimed(&disk.store, 300), all, "made after that look");
}

#[test]
fn of_two_claims_that_begin_alike_and_expire_together_one_may_go() {
    let disk = OnDisk::new();
    let alike = |last: u8| {
        let mut id = [5; 32];
        id[31] = last;
        Digest(id)
    };
    let key = |last| Key::Claim(at(9), alike(last));
    assert_eq!(disk.store.claim(&alike(1)), Ok(None));
    disk.commit(&[Write::New(key(1), claim(9, 10)), Write::New(key(2), claim(9, 10))]);
    disk.commit(&[Write::Delete(key(1))]);
    assert_eq!(disk.store.claim(&alike(1)), Ok(None));
    let other = disk.store.claim(&alike(2)).expect("sound").map(|(key, _)| key);
    assert_eq!(other, Some(key(2)), "the place of both is still taken");
    disk.commit(&[Write::Delete(key(2))]);
    assert_eq!(disk.store.claim_places(&alike(2)), Ok(Vec::new()));
}

#[test]
fn claims_of_an_older_format_are_moved_when_it_is_opened() {
    let mut disk = OnDisk::new();
    for n in 0..300 {
        // Every third one has been moved already, by a start that was cut short. A long reply is
        // in parts, or in a file.
        let key = if n % 3 == 0 { key(n) } else { Key::OldClaim(id(n)) };
        let bytes = [200, 9_000, 80_000][usize::from(n % 50 == 1) + usize::from(n % 100 == 1)];
        let expiry = Write::New(Key::ClaimExpiry(at(i64::from(n)), id(n)), Record::Mark);
        disk.commit(&[Write::New(key, claim(n, bytes)), expiry]);
        disk.store.flush().expect("sound");
    }
    disk.store.make_older();
    let OnDisk { folder, store, epoch } = disk;
    drop(store);
    let store = Sled::open(folder.path()).expect("the same store");
    disk = OnDisk { folder, store, epoch };
    for round in ["moved", "opened again"] {
        assert_eq!(claimed(&disk.store, 400), (0..300).collect(), "{round}");
        for n in [1, 101, 200] {
            assert_eq!(disk.store.get(&Key::OldClaim(id(n))), Ok(None), "{round}");
            assert_eq!(
                disk.store.get(&Key::ClaimExpiry(at(i64::from(n)), id(n))),
                Ok(None),
                "{round}"
            );
        }
        let long = disk.store.get(&key(101)).expect("sound");
        assert!(long == Some(claim(101, 80_000)), "{round}");
        assert_eq!(disk.store.check_whole(), Ok(()), "{round}");
        disk = disk.reopen();
    }
}

#[test]
fn a_damaged_claim_of_an_older_format_is_left_for_who_looks_for_damage() {
    let disk = OnDisk::new();
    disk.commit(&[1, 2].map(|n| Write::New(Key::OldClaim(id(n)), claim(n, 10))));
    disk.store.flush().expect("sound");
    disk.store.damage(&Key::OldClaim(id(1)).encode(), b"bad");
    disk.store.make_older();
    let OnDisk { folder, store, epoch } = disk;
    drop(store);
    let store = Sled::open(folder.path()).expect("the same store");
    let disk = OnDisk { folder, store, epoch };
    let found = verify(&disk.store).expect("it is read").findings;
    assert!(found.iter().any(|it| it.key == Key::OldClaim(id(1)).to_string()), "{found:?}");
    assert!(disk.store.check_whole().is_err(), "no server starts on it");
    assert_eq!(claimed(&disk.store, 3), [2].into());
}
