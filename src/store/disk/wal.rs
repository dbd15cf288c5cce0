//! The log of what the tree does not hold yet.
//!
//! Commits that are flushed together are one *group*: the rows they changed and the seal after
//! them, cut into a few values of sled's. Reading the groups again in their order gives the young
//! layer again. A group goes when the tree holds its rows; the newest stays, for its seal.

use std::ops::RangeInclusive;

use sled::IVec;

use super::database::Database;
use super::guard::guarded_read;
use super::layers::{Entry, Layer};
use super::seal::Seal;
use crate::store::{FORMAT, StoreError};

/// Private family: `f3 n`, a piece of a group.
const LOG: u8 = 0xf3;
/// A piece stays below 4 KiB, like every value.
const PIECE_BYTES_MAX: usize = 3_584;
/// The first byte of a group's first piece, and of its others.
const FIRST: u8 = 1;
const NEXT: u8 = 2;
/// The kind, the store's format, the bytes of the changes, the seal, the checksum.
const HEAD_BYTES: usize = 1 + 4 + 4 + 8 + 8 + 4;
/// The length of a row that there is none of any more.
const GONE: u16 = u16::MAX;
/// What a change takes in a group beside its key and its row.
const CHANGE_BYTES: usize = 3;

/// What the log of a store says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The young layer.
    pub(super) young: Layer,
    /// The seal after the newest group; none where there is no group.
    pub(super) seal: Option<Seal>,
    /// The pieces there are.
    pub(super) pieces: Pieces,
}

/// Which pieces there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pieces {
    /// The oldest.
    pub(super) from: u64,
    /// The first of the newest group.
    pub(super) newest: u64,
    /// The number of the next one to be written.
    pub(super) next: u64,
}

/// Where a piece is.
pub(super) fn place(n: u64) -> [u8; 9] {
    let mut place = [LOG; 9];
    place[1..].copy_from_slice(&n.to_be_bytes());
    place
}

/// All places there are.
fn places() -> RangeInclusive<[u8; 9]> {
    place(0)..=place(u64::MAX)
}

/// A group as its pieces.
pub(super) fn pieces(layer: &Layer, seal: Seal) -> Vec<Vec<u8>> {
    let mut body = Vec::with_capacity(layer.bytes());
    for (key, Entry { row, .. }) in layer.rows() {
        body.push(u8::try_from(key.len()).expect("a key has at most 60 bytes"));
        let len = row.as_ref().map(|row| u16::try_from(row.len()));
        let len = len.map_or(GONE, |len| len.expect("a row has at most 3,584 bytes"));
        body.extend_from_slice(&len.to_be_bytes());
        body.extend_from_slice(key);
        body.extend_from_slice(row.as_deref().unwrap_or_default());
    }
    let len = u32::try_from(body.len()).expect("a group has at most 64 KiB");
    let mut piece = vec![FIRST];
    piece.extend_from_slice(&FORMAT.to_be_bytes());
    piece.extend_from_slice(&len.to_be_bytes());
    piece.extend_from_slice(&seal.commits.to_be_bytes());
    piece.extend_from_slice(&seal.sum.to_be_bytes());
    piece.extend_from_slice(&checksum(&piece[1..], &body).to_be_bytes());
    let (first, rest) = body.split_at(body.len().min(PIECE_BYTES_MAX - HEAD_BYTES));
    piece.extend_from_slice(first);
    let mut pieces = vec![piece];
    for rest in rest.chunks(PIECE_BYTES_MAX - 1) {
        pieces.push([&[NEXT], rest].concat());
    }
    pieces
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// Reads the log.
///
/// # Errors
/// `Corrupt` when it makes no sense; `TooNew` when a newer program wrote it.
pub(super) fn read(db: &Database) -> Result<Told, StoreError> {
    let mut told = Told::default();
    let mut group: Option<Group> = None;
    let mut range = guarded_read(|| Ok(db.range(places())))?;
    while let Some((place, piece)) = guarded_read(|| range.next().transpose())? {
        let n = place.last_chunk().map(|n| u64::from_be_bytes(*n)).unwrap_or_default();
        if told.pieces == Pieces::default() {
            told.pieces = Pieces { from: n, newest: n, next: n };
        }
        if n != told.pieces.next {
            return Err(damaged(n, "the piece before it is missing"));
        }
        told.pieces.next = n + 1;
        let whole = match (group.take(), piece.split_first()) {
            (None, Some((&FIRST, rest))) => {
                told.pieces.newest = n;
                Group::begin(n, rest)?
            }
            (Some(group), Some((&NEXT, rest))) => group.and(rest),
            _ => return Err(damaged(n, "it does not fit to the piece before it")),
        };
        if whole.body.len() < whole.bytes {
            group = Some(whole);
        } else {
            told.seal = Some(whole.seal);
            whole.replay(n, &mut told.young)?;
        }
    }
    match group {
        None => Ok(told),
        Some(_) => Err(damaged(told.pieces.next, "it is missing")),
    }
}

fn damaged(n: u64, problem: &str) -> StoreError {
    StoreError::Corrupt { key: format!("piece {n} of the log"), problem: problem.to_owned() }
}

/// A group that is being read.
struct Group {
    head: Vec<u8>,
    sum: u32,
    seal: Seal,
    bytes: usize,
    body: Vec<u8>,
}

impl Group {
    fn begin(n: u64, rest: &[u8]) -> Result<Self, StoreError> {
        let short = || damaged(n, "it is too short");
        let (head, body) = rest.split_at_checked(HEAD_BYTES - 1).ok_or_else(short)?;
        let (format, fields) = head.split_first_chunk::<4>().ok_or_else(short)?;
        let found = u32::from_be_bytes(*format);
        if found > FORMAT {
            return Err(StoreError::TooNew { found, known: FORMAT });
        }
        let (bytes, fields) = fields.split_first_chunk::<4>().ok_or_else(short)?;
        let (commits, fields) = fields.split_first_chunk::<8>().ok_or_else(short)?;
        let (sum, check) = fields.split_first_chunk::<8>().ok_or_else(short)?;
        let check = check.first_chunk::<4>().ok_or_else(short)?;
        Ok(Self {
            head: head[..head.len() - check.len()].to_vec(),
            sum: u32::from_be_bytes(*check),
            seal: Seal { commits: u64::from_be_bytes(*commits), sum: u64::from_be_bytes(*sum) },
            bytes: usize::try_from(u32::from_be_bytes(*bytes)).unwrap_or(usize::MAX),
            body: body.to_vec(),
        })
    }

    fn and(mut self, rest: &[u8]) -> Self {
        self.body.extend_from_slice(rest);
        self
    }

    fn replay(&self, n: u64, young: &mut Layer) -> Result<(), StoreError> {
        if checksum(&self.head, &self.body) != self.sum {
            return Err(damaged(n, "its checksum does not match"));
        }
        let mut rest = self.body.as_slice();
        while !rest.is_empty() {
            let (key, row, after) =
                change(rest).ok_or_else(|| damaged(n, "it ends in the middle of a row"))?;
            // What is below was not looked at.
            young.put(key.to_vec(), Entry { row: row.map(IVec::from), fresh: false });
            rest = after;
        }
        Ok(())
    }
}

/// The next change, and what comes after it.
fn change(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<CHANGE_BYTES>()?;
    let [key, len @ ..] = *head;
    let (key, rest) = rest.split_at_checked(usize::from(key))?;
    match u16::from_be_bytes(len) {
        GONE => Some((key, None, rest)),
        len => {
            let (row, rest) = rest.split_at_checked(usize::from(len))?;
            Some((key, Some(row), rest))
        }
    }
}
