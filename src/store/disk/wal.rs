//! The write-ahead log: what has been committed and is not in the tree yet.
//!
//! Commits that are flushed together are one *group*: the rows they changed, and the seal after
//! them. A group is written with one call behind the one before it and made durable with one
//! fdatasync; to the tree its rows go later, with many others. What is read again at a start gives
//! the layers again.
//!
//! There are two files, which take turns: a *generation* of the log is written over the one before
//! the last, whose rows are durable in the tree by then. A group carries its generation and the
//! checksum of the group before it, the first one that of the last group of the generation before:
//! so what is left of older ones is told from it, and a generation of which only the beginning is
//! left is not taken for all of it. Where the groups end, a crash ended them, or damage; then the
//! count of commits does not reach what it did (`seal.rs`).

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sled::IVec;

use super::guard::io;
use super::layers::{Entry, Layer};
use super::seal::Seal;
use crate::store::StoreError;

/// The files, by the lowest bit of the generation.
pub(super) const NAMES: [&str; 2] = ["log-even", "log-odd"];
/// A file grows by this: a flush of bytes that were there before is the cheaper one.
const GROW_BYTES: u64 = if cfg!(debug_assertions) { 16 << 10 } else { 1 << 20 };
/// A generation with more bytes than this should end.
const GENERATION_BYTES_MAX: u64 = if cfg!(debug_assertions) { 32 << 10 } else { 4 << 20 };
/// The layout of a group.
const VERSION: u32 = 1;
/// Version, bytes of the changes, generation, seal, checksum of the group before it and its own.
const HEAD_BYTES: usize = 4 + 4 + 8 + 8 + 8 + 4 + CHECK_BYTES;
const CHECK_BYTES: usize = 4;
/// The length of a row that there is none of any more.
const GONE: u16 = u16::MAX;
/// What a change takes in a group beside its key and its row.
const CHANGE_BYTES: usize = 3;

/// The log of a store.
#[derive(Debug)]
pub(super) struct Wal {
    files: [Arc<LogFile>; 2],
    generation: u64,
    /// Where the next group goes.
    at: u64,
    /// The checksum of the group before it, be it in this generation or the one before.
    before: u32,
    /// Bytes of the file that is written to.
    length: u64,
}

/// One of the files.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    inode: u64,
}

/// What a log says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What the generation before the newest says.
    pub(super) old: Layer,
    /// What the newest generation says.
    pub(super) young: Layer,
    /// The seal after the newest group; none where there is no group.
    pub(super) seal: Option<Seal>,
}

/// What a file says.
#[derive(Debug, Default)]
struct Generation {
    number: u64,
    layer: Layer,
    seal: Option<Seal>,
    end: u64,
    /// The checksum of its last group.
    before: u32,
    /// The checksum of the last group of the generation before it.
    follows: u32,
}

impl Wal {
    /// Opens the log in the store's folder, and reads it.
    ///
    /// # Errors
    /// `Corrupt` when its files do not fit together; `Disk`.
    pub(super) fn open(folder: &Path) -> Result<(Self, Told), StoreError> {
        let [even, odd] = NAMES.map(|name| LogFile::open(folder.join(name)));
        let files = [Arc::new(even?), Arc::new(odd?)];
        let (even, odd) = (files[0].read(0)?, files[1].read(1)?);
        let (older, newest) = if even.number < odd.number { (even, odd) } else { (odd, even) };
        if older.number != 0 && older.number + 1 != newest.number {
            let problem = format!("generation {} is gone", older.number + 1);
            return Err(StoreError::Corrupt { key: "the store's log".to_owned(), problem });
        }
        // Of one that the next but one has begun to be written over the beginning may still be
        // there. Its rows are all merged, and those of its beginning are older than that.
        let whole = newest.follows == 0 || newest.follows == older.before;
        let old = if whole { older.layer } else { Layer::default() };
        let told = Told { old, young: newest.layer, seal: newest.seal };
        let mut wal = Self {
            files,
            generation: newest.number,
            at: newest.end,
            before: newest.before,
            length: 0,
        };
        wal.length = wal.current().file.metadata().map_err(io("open the log"))?.len();
        if wal.generation == 0 {
            wal.turn()?;
        }
        Ok((wal, told))
    }

    /// The file that is written to, for who makes it durable.
    pub(super) fn current(&self) -> &Arc<LogFile> {
        &self.files[usize::from(self.generation % 2 == 1)]
    }

    /// Whether this generation is large enough.
    pub(super) const fn is_full(&self) -> bool {
        self.at > GENERATION_BYTES_MAX
    }

    /// Begins the next generation. What the one before this one says is lost.
    ///
    /// # Errors
    /// `Disk`.
    pub(super) fn turn(&mut self) -> Result<(), StoreError> {
        self.generation += 1;
        self.at = 0;
        self.length = self.current().file.metadata().map_err(io("turn the log"))?.len();
        Ok(())
    }

    /// Writes a group; returns its bytes. Durable only when the file is.
    ///
    /// # Errors
    /// `Disk`.
    pub(super) fn write(&mut self, layer: &Layer, seal: Seal) -> Result<usize, StoreError> {
        let group = self.group(layer, seal);
        let end = self.at + group.len() as u64;
        let op = "write the log";
        if end > self.length {
            let grown = end.next_multiple_of(GROW_BYTES);
            let zeros = vec![0; usize::try_from(grown - self.length).unwrap_or_default()];
            self.current().file.write_all_at(&zeros, self.length).map_err(io(op))?;
            self.length = grown;
        }
        self.current().file.write_all_at(&group, self.at).map_err(io(op))?;
        self.at = end;
        self.before = check_of(&group);
        Ok(group.len())
    }

    fn group(&self, layer: &Layer, seal: Seal) -> Vec<u8> {
        let mut group = Vec::with_capacity(HEAD_BYTES + layer.bytes());
        group.extend_from_slice(&[0; HEAD_BYTES]);
        for (key, Entry { row, .. }) in layer.rows() {
            group.push(u8::try_from(key.len()).expect("a key has at most 60 bytes"));
            let len = row.as_ref().map(|row| u16::try_from(row.len()));
            let len = len.map_or(GONE, |len| len.expect("a row has at most 3,584 bytes"));
            group.extend_from_slice(&len.to_be_bytes());
            group.extend_from_slice(key);
            group.extend_from_slice(row.as_deref().unwrap_or_default());
        }
        let bytes = u32::try_from(group.len() - HEAD_BYTES).expect("a group is far smaller");
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend_from_slice(&VERSION.to_be_bytes());
        head.extend_from_slice(&bytes.to_be_bytes());
        for number in [self.generation, seal.commits, seal.sum] {
            head.extend_from_slice(&number.to_be_bytes());
        }
        head.extend_from_slice(&self.before.to_be_bytes());
        head.extend_from_slice(&checksum(&head, &group[HEAD_BYTES..]).to_be_bytes());
        group[..HEAD_BYTES].copy_from_slice(&head);
        group
    }
}

/// The checksum that is the last part of a group's head.
fn check_of(group: &[u8]) -> u32 {
    let check = group[..HEAD_BYTES].last_chunk();
    u32::from_be_bytes(*check.expect("a head is longer than that"))
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

impl LogFile {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let op = "open the log";
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(io(op))?;
        let inode = file.metadata().map_err(io(op))?.ino();
        Ok(Self { file, path, inode })
    }

    /// Flushes it to the platter, and makes sure that it is still the one in the folder.
    ///
    /// # Errors
    /// `Disk`.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let op = "flush the log";
        self.file.sync_data().map_err(io(op))?;
        let there = std::fs::metadata(&self.path).map_err(io(op))?;
        if there.ino() == self.inode {
            return Ok(());
        }
        let problem = "the log in the folder is not the one that is written to".to_owned();
        Err(StoreError::Disk { op, problem })
    }

    /// The groups of the generation in it, which has this lowest bit.
    fn read(&self, bit: u64) -> Result<Generation, StoreError> {
        let mut bytes = Vec::new();
        (&self.file).read_to_end(&mut bytes).map_err(io("read the log"))?;
        let mut generation = Generation::default();
        let mut rest = bytes.as_slice();
        while let Some((group, after)) = Group::of(rest) {
            let first = generation.seal.is_none();
            let follows = if first {
                generation.follows = group.before;
                group.generation != 0 && group.generation % 2 == bit
            } else {
                group.generation == generation.number && group.before == generation.before
            };
            if !follows {
                break;
            }
            generation.number = group.generation;
            generation.seal = Some(group.seal);
            generation.before = group.check;
            generation.end = (bytes.len() - after.len()) as u64;
            group.replay(&mut generation.layer).ok_or_else(|| StoreError::Corrupt {
                key: format!("the store's log, {}", self.path.display()),
                problem: format!("its group of commit {} makes no sense", group.seal.commits),
            })?;
            rest = after;
        }
        Ok(generation)
    }
}

/// A group that is read.
struct Group<'a> {
    generation: u64,
    seal: Seal,
    before: u32,
    check: u32,
    body: &'a [u8],
}

impl<'a> Group<'a> {
    /// The group at the beginning of `bytes`, and what comes after it; none where there is none or
    /// not the whole of it.
    fn of(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let (fields, check) = head.split_at(HEAD_BYTES - CHECK_BYTES);
        let check = u32::from_be_bytes(check.try_into().ok()?);
        let (version, fields_left) = fields.split_first_chunk::<4>()?;
        let (len, fields_left) = fields_left.split_first_chunk::<4>()?;
        let (generation, fields_left) = fields_left.split_first_chunk::<8>()?;
        let (commits, fields_left) = fields_left.split_first_chunk::<8>()?;
        let (sum, before) = fields_left.split_first_chunk::<8>()?;
        if u32::from_be_bytes(*version) != VERSION {
            return None;
        }
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (body, after) = rest.split_at_checked(len)?;
        if checksum(fields, body) != check {
            return None;
        }
        let group = Self {
            generation: u64::from_be_bytes(*generation),
            seal: Seal { commits: u64::from_be_bytes(*commits), sum: u64::from_be_bytes(*sum) },
            before: u32::from_be_bytes(before.try_into().ok()?),
            check,
            body,
        };
        Some((group, after))
    }

    /// Makes its changes in a layer.
    fn replay(&self, layer: &mut Layer) -> Option<()> {
        let mut rest = self.body;
        while !rest.is_empty() {
            let (head, after) = rest.split_first_chunk::<CHANGE_BYTES>()?;
            let [key, len @ ..] = *head;
            let (key, after) = after.split_at_checked(usize::from(key))?;
            let (row, after) = match u16::from_be_bytes(len) {
                GONE => (None, after),
                len => {
                    let (row, after) = after.split_at_checked(usize::from(len))?;
                    (Some(IVec::from(row)), after)
                }
            };
            // What is below it was not looked at.
            layer.put(key.to_vec(), Entry { row, fresh: false });
            rest = after;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(n: u8) -> Layer {
        let mut layer = Layer::default();
        for key in 0..=n % 3 {
            let row = (n != 4).then(|| IVec::from(vec![n; usize::from(n) * 9]));
            layer.put(vec![7, key], Entry { row, fresh: false });
        }
        layer
    }

    const fn seal(n: u8) -> Seal {
        Seal { commits: n as u64, sum: 100 - n as u64 }
    }

    fn written(folder: &Path, groups: std::ops::RangeInclusive<u8>) {
        let (mut wal, _) = Wal::open(folder).expect("sound");
        for n in groups {
            wal.write(&layer(n), seal(n)).expect("room");
        }
    }

    fn sealed(folder: &Path) -> Option<u64> {
        Wal::open(folder).expect("sound").1.seal.map(|seal| seal.commits)
    }

    #[test]
    fn what_was_written_is_read_again_and_gone_on_from() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        assert_eq!(sealed(folder.path()), None);
        written(folder.path(), 1..=3);
        assert_eq!(sealed(folder.path()), Some(3));
        written(folder.path(), 4..=6);
        let (_, told) = Wal::open(folder.path()).expect("sound");
        assert_eq!(told.seal, Some(seal(6)));
        let mut expected = Layer::default();
        for n in 1..=6 {
            for (key, entry) in layer(n).rows() {
                expected.put(key.clone(), entry.clone());
            }
        }
        assert_eq!(told.young.rows(), expected.rows());
        assert!(told.old.rows().is_empty());
    }

    #[test]
    fn a_generation_is_written_over_the_one_before_the_last() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for n in (1..=9).step_by(2) {
            written(folder.path(), n..=n + 1);
            let (mut wal, told) = Wal::open(folder.path()).expect("sound");
            let rows = |n: u8| layer(n + 1).rows().len().max(layer(n).rows().len());
            assert_eq!(told.young.rows().len(), rows(n));
            assert_eq!(told.old.rows().len(), if n == 1 { 0 } else { rows(n - 2) });
            wal.turn().expect("sound");
            // Nothing of it is there yet, and the one before the last still is.
            assert_eq!(sealed(folder.path()), Some(u64::from(n) + 1));
            wal.write(&layer(n), seal(n + 1)).expect("room");
        }
    }

    #[test]
    fn of_a_generation_that_is_being_written_over_the_beginning_is_not_read() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join(NAMES[1]);
        written(folder.path(), 1..=5);
        let before = std::fs::read(&path).expect("a file");
        let (mut wal, first) = Wal::open(folder.path()).expect("sound");
        wal.turn().expect("sound");
        wal.write(&layer(6), seal(6)).expect("room");
        wal.turn().expect("sound");
        let group = wal.write(&layer(7), seal(7)).expect("room");
        drop(wal);
        let after = std::fs::read(&path).expect("a file");
        let mut only_the_beginning = 0;
        for at in 0..=group {
            // Of the new group only what comes after `at` is on the disk.
            let bytes = [&before[..at], &after[at..]].concat();
            std::fs::write(&path, &bytes).expect("room");
            let told = Wal::open(folder.path()).expect("sound").1;
            let (old, young) = (told.old.rows(), told.young.rows());
            match told.seal.map(|seal| seal.commits) {
                Some(7) => assert_eq!((old, young), (layer(6).rows(), layer(7).rows())),
                Some(6) if at == group => assert_eq!(old, first.young.rows()),
                Some(6) => assert!(old.is_empty(), "at {at}: {old:?}"),
                other => panic!("at {at}: {other:?}"),
            }
            only_the_beginning += usize::from(Group::of(&bytes).is_some() && at < group);
        }
        assert!(only_the_beginning > 60, "{only_the_beginning}");
    }

    #[test]
    fn of_a_group_that_is_cut_or_changed_nothing_is_read_and_nothing_after_it() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        written(folder.path(), 1..=9);
        let path = folder.path().join(NAMES[1]);
        let sound = std::fs::read(&path).expect("a file");
        for at in 0..700 {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).expect("room");
            let flipped = sealed(folder.path());
            std::fs::write(&path, &sound[..at]).expect("room");
            let cut = sealed(folder.path());
            assert_eq!(cut, flipped, "at {at}");
            assert!(cut < Some(9), "at {at}");
        }
    }

    #[test]
    fn a_later_group_of_another_life_does_not_follow() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        written(folder.path(), 1..=3);
        let path = folder.path().join(NAMES[1]);
        // The second never reached the disk, the third did.
        let mut bytes = std::fs::read(&path).expect("a file");
        let first = HEAD_BYTES + CHANGE_BYTES * 2 + 4 + 2 * 9;
        let second = first + HEAD_BYTES + (CHANGE_BYTES + 2 + 18) * 3;
        bytes[first..second].fill(0);
        std::fs::write(&path, &bytes).expect("room");
        assert_eq!(sealed(folder.path()), Some(1));
        // The next life writes one of the same length in its place.
        let (mut wal, _) = Wal::open(folder.path()).expect("sound");
        wal.write(&layer(2), Seal { commits: 2, sum: 7 }).expect("room");
        assert_eq!(wal.at as usize, second);
        let told = Wal::open(folder.path()).expect("sound").1;
        assert_eq!(told.seal, Some(Seal { commits: 2, sum: 7 }));
    }
}
