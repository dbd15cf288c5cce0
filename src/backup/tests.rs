//! Backups of small servers: made, spoilt in every way, restored, pruned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::read::{Nothing, read};
use super::*;
use crate::engine::Options;
use crate::media::Media;
use crate::model::{Dice, Digest, KeyId, MediaId, MediaObject, Millis, ProfileId, Timestamp};
use crate::store::{Framed, Key, Order, Record, Sled, Still, Store, UpkeepRecord, Write};
use crate::wire::Links;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn dice() -> Dice {
    let count = AtomicU64::new(1);
    Arc::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed)))
}

fn options() -> Options {
    Options {
        sync_wait: Millis(1_000),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 0,
        platform_slots_max: 1,
        links: Links { base: "http://test".to_owned() },
    }
}

/// A server's folder, and its store.
struct House {
    folder: tempfile::TempDir,
    store: Arc<Sled>,
    epoch: u64,
    backups: Backups,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        std::fs::write(data.join("secret-key"), "sealed with this").expect("written");
        std::fs::create_dir(data.join("sandbox")).expect("a folder");
        std::fs::write(data.join("sandbox/landings.log"), "{}\n").expect("written");
        let store = Arc::new(Sled::open(&data.join("store")).expect("a new store"));
        let epoch = store.begin_epoch().expect("an epoch");
        let backups = Backups {
            store: Arc::clone(&store) as Arc<dyn Store>,
            media: Arc::new(Media::open(data.join("media"), dice()).expect("a folder")),
            folder: folder.path().join("backups"),
            data,
            instance: "this one".to_owned(),
            has_secret_key: true,
            free_bytes_min: 0,
        };
        Self { folder, store, epoch, backups }
    }

    fn commit(&self, writes: &[Write]) {
        self.store.commit(self.epoch, writes).expect("a sound disk");
    }

    fn note(&self, n: u8, report: &str) {
        let record =
            UpkeepRecord { name: format!("task {n}"), ran_at: NOW, report: report.to_owned() };
        self.commit(&[Write::Put(Key::Upkeep(Digest([n; 32])), Record::Upkeep(record))]);
    }

    /// Keeps bytes as an upload.
    fn upload(&self, bytes: &[u8]) -> Digest {
        let digest = self.backups.media.put(bytes).expect("kept");
        let id = MediaId::fresh(u128::from(digest.0[0]));
        let object = MediaObject {
            id,
            profile: ProfileId::from_raw(1),
            digest,
            mime: "image/png".to_owned(),
            bytes: bytes.len() as u64,
            created_at: NOW,
        };
        let place = Write::Put(Key::MediaByTime(NOW, id), Record::Mark);
        self.commit(&[Write::Put(Key::Media(id), Record::Media(object)), place]);
        digest
    }

    fn make(&self, at: Timestamp) -> PathBuf {
        self.backups.create(None, at, 100).expect("it is made").path
    }

    /// A small one, with a bit of everything.
    fn sample(&self) -> PathBuf {
        self.note(1, "done");
        self.commit(&[Write::Put(Key::KeyUse(KeyId::from_raw(1)), Record::KeyUse(NOW))]);
        self.upload(b"\x89PNG a picture");
        self.make(NOW)
    }

    fn restore(&self, from: &Path, to: &str) -> Result<Restored, BackupError> {
        restore(Restore {
            from,
            to: &self.folder.path().join(to),
            lost_at: None,
            despite_findings: false,
            now: NOW.plus(Millis(1_000)),
            dice: dice(),
            options: options(),
        })
    }
}

fn rows(store: &dyn Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let still = Still::of(store).expect("the only one");
    let page = still.page(usize::MAX).expect("sound");
    page.into_iter().map(|Framed { key, frame, .. }| (key.encode(), frame)).collect()
}

fn check(path: &Path) -> Result<Contents, BackupError> {
    read(path, &mut Nothing)
}

#[test]
fn what_is_restored_is_what_was_there() {
    let house = House::new();
    let path = house.sample();
    house.note(2, &"too large for one row ".repeat(9_000));
    let digest = house.upload(&vec![7; 700_000]);
    let whole = house.make(NOW.plus(Millis(5)));
    assert_ne!(path, whole);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&whole).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "it holds the secret key");
    let verified = verify(&whole, &dice()).expect("it is sound");
    assert_eq!(verified.audit.report.findings, []);
    assert_eq!(verified.contents.header.instance, "this one");
    assert_eq!((verified.contents.rows, verified.contents.files), (7, 4));
    let restored = house.restore(&whole, "elsewhere").expect("it is restored");
    assert_eq!(restored.contents, verified.contents);
    let there = house.folder.path().join("elsewhere");
    let store = Sled::open(&there.join("store")).expect("a store");
    assert_eq!(rows(&store), rows(house.store.as_ref()));
    assert!(store.begin_epoch().expect("an epoch") > house.epoch + 1, "later than any before");
    for name in ["secret-key", "sandbox/landings.log"] {
        let read = |data: &Path| std::fs::read(data.join(name)).expect(name);
        assert_eq!(read(&there), read(&house.backups.data), "{name}");
    }
    let media = Media::open(there.join("media"), dice()).expect("a folder");
    assert_eq!(media.facts(&digest).expect("it is there").bytes, 700_000);
    let left = std::fs::read_dir(house.folder.path()).expect("a folder").count();
    assert_eq!(left, 3, "data, backups, elsewhere, and nothing half done");
}

#[test]
fn it_is_refused_wherever_it_is_cut() {
    let house = House::new();
    let path = house.sample();
    let whole = std::fs::read(&path).expect("it is there");
    assert!(check(&path).is_ok() && whole.len() < 4_000, "{}", whole.len());
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("written");
        let problem = check(&path).expect_err("it is cut");
        let said = matches!(problem, BackupError::Damaged { .. } | BackupError::Foreign { .. });
        assert!(said, "{length}: {problem}");
    }
    std::fs::write(&path, [&whole[..], b"x"].concat()).expect("written");
    let problem = check(&path).expect_err("something follows").to_string();
    assert!(problem.contains("behind its end"), "{problem}");
}

#[test]
fn it_is_refused_whatever_byte_is_changed() {
    let house = House::new();
    let path = house.sample();
    let whole = std::fs::read(&path).expect("it is there");
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 1 << (at % 8);
        std::fs::write(&path, &spoilt).expect("written");
        assert!(check(&path).is_err(), "byte {at} of {}", whole.len());
    }
}

/// Where each frame starts, and the end.
fn frames(whole: &[u8]) -> Vec<usize> {
    let mut at = whole.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
    let mut starts = vec![at];
    while at < whole.len() {
        let length: [u8; 4] = whole[at + 9..at + 13].try_into().expect("four bytes");
        at += 13 + usize::try_from(u32::from_be_bytes(length)).expect("small") + 4;
        starts.push(at);
    }
    starts
}

#[test]
fn it_is_refused_when_a_frame_is_left_out_doubled_or_moved() {
    let house = House::new();
    let path = house.sample();
    let whole = std::fs::read(&path).expect("it is there");
    let starts = frames(&whole);
    let count = starts.len() - 1;
    assert!(count > 8, "{count} frames");
    let frame = |n: usize| &whole[starts[n]..starts[n + 1]];
    for n in 0..count {
        let (before, after) = (&whole[..starts[n]], &whole[starts[n + 1]..]);
        let mut spoilt =
            vec![[before, after].concat(), [before, frame(n), frame(n), after].concat()];
        if n + 1 < count {
            let rest = &whole[starts[n + 2]..];
            spoilt.push([before, frame(n + 1), frame(n), rest].concat());
        }
        for bytes in spoilt {
            std::fs::write(&path, bytes).expect("written");
            assert!(check(&path).is_err(), "frame {n}");
        }
    }
}

#[test]
fn what_is_newer_or_something_else_is_said_in_words() {
    let house = House::new();
    let path = house.sample();
    let whole = std::fs::read(&path).expect("it is there");
    let newer = [b"fanfare backup 2\n", &whole[17..]].concat();
    std::fs::write(&path, newer).expect("written");
    let problem = check(&path).expect_err("it is newer").to_string();
    assert!(problem.contains("has format 2; this program knows format up to 1"), "{problem}");
    for other in [&b""[..], b"fanfare", b"hello, world, this is a text", b"fanfare backup \n"] {
        std::fs::write(&path, other).expect("written");
        let problem = check(&path).expect_err("it is none").to_string();
        assert!(problem.contains("it is no backup"), "{problem}");
    }
}

#[test]
fn media_that_is_spoilt_or_gone_is_named_and_left_out() {
    let house = House::new();
    let (spoilt, gone) = (house.upload(b"\x89PNG one"), house.upload(b"\x89PNG two"));
    std::fs::write(house.backups.media.path(&spoilt), "other bytes").expect("written");
    std::fs::remove_file(house.backups.media.path(&gone)).expect("it was there");
    let made = house.backups.create(None, NOW, 100).expect("it is made all the same");
    let named: Vec<_> = made.contents.missing.iter().map(|one| one.key.clone()).collect();
    let mut expected = [format!("media {spoilt}"), format!("media {gone}")];
    expected.sort();
    assert_eq!(named, expected);
    let restored = house.restore(&made.path, "elsewhere").expect("the rest is sound");
    assert_eq!(restored.contents.missing.len(), 2);
    let media = Media::open(house.folder.path().join("elsewhere/media"), dice()).expect("a folder");
    assert!(media.facts(&spoilt).expect_err("left out").is_missing());
}

#[test]
fn nothing_is_made_of_a_store_that_does_not_hold() {
    let house = House::new();
    let good = house.sample();
    let bad = Write::Put(Key::MediaByTime(NOW, MediaId::fresh(77)), Record::Mark);
    house.commit(&[bad]);
    let made = house.make(NOW.plus(Millis(1)));
    let verified = verify(&made, &dice()).expect("it is whole");
    assert_eq!(verified.audit.report.findings.len(), 1, "and says that an upload is missing");
    let problem = house.restore(&made, "elsewhere").expect_err("it does not fit together");
    assert!(problem.to_string().contains("there is no such upload"), "{problem}");
    assert!(!house.folder.path().join("elsewhere").exists());
    let forced = restore(Restore {
        from: &made,
        to: &house.folder.path().join("forced"),
        lost_at: None,
        despite_findings: true,
        now: NOW.plus(Millis(1_000)),
        dice: dice(),
        options: options(),
    });
    assert_eq!(forced.expect("asked for").audit.report.findings.len(), 1);
    assert!(check(&good).is_ok());
}

#[test]
fn nothing_is_overwritten() {
    let house = House::new();
    let path = house.sample();
    let again = house.backups.create(Some(&path), NOW, 100).expect_err("it is there");
    assert!(again.to_string().contains("there is a file already"), "{again}");
    let full = house.restore(&path, "data").expect_err("a store is there");
    assert!(full.to_string().contains("there is a store already"), "{full}");
    std::fs::create_dir(house.folder.path().join("other")).expect("a folder");
    std::fs::write(house.folder.path().join("other/file"), "x").expect("written");
    let other = house.restore(&path, "other").expect_err("something is there");
    assert!(other.to_string().contains("not empty"), "{other}");
    std::fs::create_dir(house.folder.path().join("empty")).expect("a folder");
    house.restore(&path, "empty/").expect("an empty one will do");
    std::fs::create_dir(house.folder.path().join("new.restoring")).expect("a folder");
    let busy = house.restore(&path, "new").expect_err("another is under way");
    assert!(busy.to_string().contains("broke off"), "{busy}");
}

#[test]
fn a_server_is_lost_after_its_backup_and_before_now() {
    let house = House::new();
    let path = house.sample();
    for lost_at in [NOW.minus(Millis(1)), NOW.plus(Millis(2_000))] {
        let refused = restore(Restore {
            from: &path,
            to: &house.folder.path().join("elsewhere"),
            lost_at: Some(lost_at),
            despite_findings: false,
            now: NOW.plus(Millis(1_000)),
            dice: dice(),
            options: options(),
        });
        let problem = refused.expect_err("it cannot be").to_string();
        assert!(problem.contains("cannot have been lost at"), "{problem}");
    }
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let mut house = House::new();
    house.backups.free_bytes_min = u64::MAX;
    house.note(1, "done");
    let problem = house.backups.create(None, NOW, 100).expect_err("there is no room");
    assert!(problem.to_string().contains("server.disk_free_bytes_min"), "{problem}");
    assert_eq!(std::fs::read_dir(&house.backups.folder).expect("a folder").count(), 0);
    house.backups.free_bytes_min = 0;
    house.make(NOW);
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_is_being_made_is_not() {
    let house = House::new();
    let first = house.sample();
    let half = |name: &str| house.backups.folder.join(format!("{name}.backup.partial"));
    std::fs::write(half("dead"), "half").expect("written");
    std::fs::write(half("alive"), "half").expect("written");
    let alive = std::fs::File::open(half("alive")).expect("it is there");
    alive.try_lock().expect("it is ours");
    house.make(NOW.plus(Millis(1)));
    assert!(!half("dead").exists() && half("alive").exists());
    let listed = house.backups.list(None).expect("a folder");
    assert_eq!(listed.len(), 2, "what is half made is none");
    assert_eq!(listed[1].path, first, "the newest comes first");
}

fn pruned(house: &House, copies: Option<usize>, younger_than: Option<Millis>) -> Pruned {
    let later = NOW.plus(Millis::from_secs(100));
    house.backups.prune(None, Keep { copies, younger_than }, later).expect("it is pruned")
}

#[test]
fn the_newest_stay_and_only_ours_go() {
    let mut house = House::new();
    house.note(1, "done");
    let at = |seconds: u64| NOW.plus(Millis::from_secs(seconds));
    house.backups.instance = "another server".to_owned();
    let foreign = house.make(at(0));
    house.backups.instance = "this one".to_owned();
    let made: Vec<PathBuf> = [10, 20, 30, 40].map(|seconds| house.make(at(seconds))).into();
    let text = house.backups.folder.join("notes.txt");
    std::fs::write(&text, "mine").expect("written");
    let none = house.backups.prune(None, Keep { copies: None, younger_than: None }, at(100));
    assert!(none.is_err(), "no rule is no reason to remove anything");
    assert_eq!(pruned(&house, Some(3), None).removed, [made[0].clone()]);
    assert_eq!(pruned(&house, Some(2), Some(Millis::from_secs(90))).removed, [] as [PathBuf; 0]);
    assert_eq!(pruned(&house, None, Some(Millis::from_secs(75))).removed, [made[1].clone()]);
    let last = pruned(&house, Some(0), None);
    assert_eq!((last.removed, last.kept), (vec![made[2].clone()], vec![made[3].clone()]));
    assert!(foreign.exists() && text.exists());
}

#[test]
fn the_newest_sound_one_stays_and_without_one_nothing_goes() {
    let house = House::new();
    house.note(1, "done");
    let at = |seconds: u64| NOW.plus(Millis::from_secs(seconds));
    let made: Vec<PathBuf> = [10, 20, 30].map(|seconds| house.make(at(seconds))).into();
    let spoil = |path: &Path| {
        let mut bytes = std::fs::read(path).expect("it is there");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).expect("written");
    };
    spoil(&made[2]);
    spoil(&made[1]);
    let one = pruned(&house, Some(1), None);
    assert_eq!(one.newest_sound.as_ref(), Some(&made[0]));
    assert_eq!(one.removed, [made[1].clone()], "the one asked for and the one that is sound stay");
    assert_eq!(one.unsound.len(), 2);
    spoil(&made[0]);
    let none = pruned(&house, Some(0), None);
    assert_eq!((none.removed, none.newest_sound), (vec![], None));
}

#[test]
fn no_name_in_a_backup_leads_out_of_the_folder() {
    use super::piece::Piece;
    for name in ["../x", "/etc/passwd", "media/../../x", "media/", "sandbox/../secret-key", ""] {
        assert_eq!(name.parse::<Piece>(), Err(()), "{name}");
    }
    let digest = Digest([0xab; 32]);
    for piece in super::piece::SMALL.into_iter().chain([Piece::Media(digest)]) {
        assert_eq!(piece.to_string().parse(), Ok(piece));
    }
}

#[test]
fn commits_go_on_while_it_is_made() {
    let house = House::new();
    for n in 0..200 {
        house.note(n, "before");
    }
    let expected = rows(house.store.as_ref());
    let still = Still::of(house.store.as_ref()).expect("the only one");
    let second = house.backups.create(None, NOW, 100).expect_err("one at a time");
    assert!(second.to_string().contains("another copy"), "{second}");
    drop(still);
    let store = Arc::clone(&house.store);
    let epoch = house.epoch;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let mut count = 0u64;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let key = Key::Upkeep(Digest([u8::try_from(count % 251).expect("small"); 32]));
            let (name, report) = ("w".to_owned(), count.to_string());
            let record = Record::Upkeep(UpkeepRecord { name, ran_at: NOW, report });
            store.commit(epoch, &[Write::Put(key, record)]).expect("a sound disk");
            count += 1;
        }
    });
    let path = house.backups.create(None, NOW, 3).expect("it is made").path;
    drop(stop);
    writer.join().expect("it ends");
    let made = verify(&path, &dice()).expect("it is sound");
    assert!(made.contents.rows >= expected.len() as u64);
    let everything = house.store.scan_checked(&[], &[0xff], Order::Ascending, usize::MAX);
    assert!(everything.expect("sound").len() > expected.len(), "commits went on");
}
