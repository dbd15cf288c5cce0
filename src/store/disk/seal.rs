//! The seal: how many commits there have been, and the sum over all rows there are.
//!
//! Where sled's log is damaged, sled reads past it or stops before it, in silence: what it then
//! shows is whole, but older, here or there or everywhere. So every group of our own log has the
//! seal. Rows that are older than they were, or gone, do not add up to it; and a count below the
//! one that was reached, which is kept beside the tree, says that the newest commits are gone.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sled::IVec;

use super::guard::io;
use crate::store::StoreError;
use crate::store::pack::{Change, NO_ROWS_FROM};

/// Where formats before the log keep the seal.
pub(super) const KEY: [u8; 1] = [NO_ROWS_FROM];
/// The layout of that row.
const VERSION: u8 = 1;
/// The file of how many commits are known to be durable.
const REACHED: &str = "reached";

/// The seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seal {
    /// Commits so far.
    pub(super) commits: u64,
    /// The sum over all rows but this one, modulo 2^64.
    pub(super) sum: u64,
}

impl Seal {
    /// The row that formats before the log keep it in.
    #[cfg(test)]
    pub(super) fn row(self) -> Vec<u8> {
        let mut row = vec![VERSION];
        row.extend_from_slice(&self.commits.to_be_bytes());
        row.extend_from_slice(&self.sum.to_be_bytes());
        row
    }

    /// The seal of a row; `None` when the row holds none.
    pub(super) fn of(row: &[u8]) -> Option<Self> {
        let (&version, rest) = row.split_first()?;
        let (commits, sum) = rest.split_first_chunk()?;
        let sum = u64::from_be_bytes(sum.try_into().ok()?);
        (version == VERSION).then_some(Self { commits: u64::from_be_bytes(*commits), sum })
    }

    /// The seal after one more commit.
    pub(super) fn after(mut self, changes: &[(Vec<u8>, Change<IVec>)]) -> Self {
        self.commits += 1;
        for (key, Change { row, before }) in changes {
            if let Some(before) = before {
                self.take(key, before);
            }
            if let Some(row) = row {
                self.add(key, row);
            }
        }
        self
    }

    /// Counts a row in.
    pub(super) fn add(&mut self, key: &[u8], row: &[u8]) {
        self.sum = self.sum.wrapping_add(weight(key, row));
    }

    /// Counts a row out.
    pub(super) fn take(&mut self, key: &[u8], row: &[u8]) {
        self.sum = self.sum.wrapping_sub(weight(key, row));
    }
}

/// What a row adds to the sum: its checksum, spread over all bits so that sums do not cancel.
fn weight(key: &[u8], row: &[u8]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(row);
    let lengths = (key.len() as u64) << 48 ^ (row.len() as u64) << 32;
    let z = (u64::from(hasher.finalize()) ^ lengths).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How many commits are known to be durable, kept beside the tree. It is written after they are
/// and is never synced: whatever a crash leaves of it says no more than was true.
#[derive(Debug)]
pub(super) struct Reached {
    file: File,
    commits: AtomicU64,
}

impl Reached {
    /// The one of a store.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let op = "open the count of commits";
        let path = folder.join(REACHED);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(io(op))?;
        let mut bytes = [0; 12];
        // One that cannot be read says nothing.
        let commits = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => count_of(&bytes),
            Err(_) => None,
        };
        Ok(Self { file, commits: AtomicU64::new(commits.unwrap_or(0)) })
    }

    /// The count.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Notes that so many commits are durable.
    pub(super) fn note(&self, commits: u64) -> Result<(), StoreError> {
        if self.commits.fetch_max(commits, Ordering::AcqRel) >= commits {
            return Ok(());
        }
        let written = self.file.write_all_at(&count_bytes(commits), 0);
        written.map_err(io("note the count of commits"))
    }
}

fn count_bytes(commits: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (count, sum) = bytes.split_at_mut(8);
    count.copy_from_slice(&commits.to_be_bytes());
    sum.copy_from_slice(&crc32fast::hash(count).to_be_bytes());
    bytes
}

fn count_of(bytes: &[u8; 12]) -> Option<u64> {
    let count = u64::from_be_bytes(*bytes.first_chunk()?);
    (count_bytes(count) == *bytes).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_survives_its_row_and_nothing_else_is_one() {
        let seal = Seal { commits: 7, sum: u64::MAX - 3 };
        assert_eq!(Seal::of(&seal.row()), Some(seal));
        for row in [&[][..], &[1], &[1; 16], &[1; 18], &[2; 17]] {
            assert_eq!(Seal::of(row), None, "{row:?}");
        }
    }

    #[test]
    fn rows_add_up_in_any_order_and_no_two_weigh_the_same() {
        let rows = [(&b"a"[..], &b"bc"[..]), (b"ab", b"c"), (b"a", b""), (b"", b"a")];
        let mut seal = Seal::default();
        for (key, row) in rows {
            seal.add(key, row);
        }
        let whole = seal.sum;
        for (key, row) in rows.into_iter().rev() {
            let before = seal.sum;
            seal.take(key, row);
            assert_ne!(seal.sum, before);
        }
        assert_eq!(seal.sum, 0);
        assert_ne!(whole, 0);
        let weights: std::collections::BTreeSet<u64> =
            rows.iter().map(|(key, row)| weight(key, row)).collect();
        assert_eq!(weights.len(), rows.len());
    }

    #[test]
    fn the_count_only_grows_and_garbage_says_nothing() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let count = |commits| {
            let reached = Reached::open(folder.path()).expect("room");
            reached.note(commits).expect("room");
            reached.commits()
        };
        assert_eq!((count(5), count(3), count(9)), (5, 5, 9));
        for garbage in [&b""[..], b"short", &[0; 12], &[9; 40]] {
            std::fs::write(folder.path().join(REACHED), garbage).expect("room");
            let reached = Reached::open(folder.path()).expect("room");
            assert_eq!(reached.commits(), 0, "{garbage:?}");
        }
    }
}
