//! From writes to rows small enough for the tree.
//!
//! sled keeps its promises only for small values and small batches, so a frame takes one of three
//! shapes: *whole* in its own row, in *parts* over numbered rows of a private family, or in a
//! *file* named by its SHA-256, with a private row that tells which record names it. The first
//! byte of a row says which; a frame's own first byte is its version, far below.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Key, Order, StoreError, Write, key, record};
use crate::model::Digest;

/// A frame above this is refused: no request of ours comes near.
const FRAME_BYTES_MAX: usize = 8 << 20;
/// A row's value stays below 4 KiB: above, sled moves pages to blob files that it never syncs.
const PART_BYTES_MAX: usize = 3_584;
/// All rows of one commit: a batch of 25 targets fits, and what is longer belongs into files.
pub(super) const COMMIT_BYTES_MAX: usize = 60 << 10;
/// Frames up to this size are never worth a file of their own.
const SPILL_BYTES_MIN: usize = 512;
/// What sled adds to a row in its log, generously.
pub(super) const ROW_OVERHEAD_BYTES: usize = 24;

const IN_PARTS: u8 = 0xf1;
const IN_FILE: u8 = 0xf2;

/// Stands for the rows of a page that makes no sense, or what is left of them.
pub(super) const BROKEN_PAGE: [u8; 1] = [0xf3];
/// What is then wrong.
pub(super) const BROKEN_PAGE_WORDS: &str = "rows from here on share a page that makes no sense";

/// Private family: `f0 key part`, a piece of the frame of `key`.
const PART: u8 = 0xf0;
/// Private family: `f1 digest key`, an empty row: `key` is stored in that file.
const NAMED: u8 = 0xf1;
/// From here on there are no rows, but what a store on disk keeps for itself.
pub(super) const NO_ROWS_FROM: u8 = 0xf2;

/// No key of a record begins with this byte or a higher one.
pub(super) const PRIVATE_FROM: u8 = PART;

/// Takes a row; says whether it wants another.
pub(super) type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError> + 'a;

/// Rows and files as they stand, for reading.
pub(super) trait Rows {
    /// A value.
    type Row: AsRef<[u8]>;
    /// The value under `key`.
    fn row(&self, key: &[u8]) -> Result<Option<Self::Row>, StoreError>;
    /// The content of the file named by `digest`.
    fn file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// Hands over the rows between the bounds in `order`, until `each` says no.
    fn visit(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        each: &mut Visitor<'_>,
    ) -> Result<(), StoreError>;
}

/// One commit, ready to be applied.
#[derive(Debug)]
pub(super) struct Plan<R> {
    /// What becomes of the row of each key, in the order of the keys.
    pub(super) rows: Vec<(Vec<u8>, Change<R>)>,
    /// What becomes of rows of the private families; `None` removes one.
    pub(super) beside: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The files that must be durable before the rows are written.
    pub(super) files: BTreeMap<Digest, Vec<u8>>,
    /// Files that a record named and names no longer; another record may still name them.
    pub(super) loosened: Vec<Digest>,
}

/// What becomes of a row.
#[derive(Debug)]
pub(super) struct Change<R> {
    /// The row, or none any more.
    pub(super) row: Option<Vec<u8>>,
    /// What it was, if it was anything.
    pub(super) before: Option<R>,
}

/// What is to stand under a key.
#[derive(Debug)]
struct Framed {
    key: Vec<u8>,
    /// The frame, if there is to be one.
    frame: Option<Vec<u8>>,
    /// Whether the caller knows that there is nothing now.
    new: bool,
}

/// Lays out `writes`; of several writes to one key the last one counts.
pub(super) fn plan<R: Rows>(rows: &R, writes: &[Write]) -> Result<Plan<R::Row>, StoreError> {
    let frames = frames(writes);
    let largest = frames.iter().filter_map(|framed| Some(framed.frame.as_ref()?.len())).max();
    if let Some(bytes) = largest.filter(|bytes| *bytes > FRAME_BYTES_MAX) {
        return Err(StoreError::TooLarge { bytes, max: FRAME_BYTES_MAX });
    }
    let mut plan = Plan {
        rows: Vec::with_capacity(frames.len()),
        beside: BTreeMap::new(),
        files: BTreeMap::new(),
        loosened: Vec::new(),
    };
    let mut before = Vec::with_capacity(frames.len());
    for Framed { key, new, .. } in &frames {
        before.push(match new {
            true => nothing_there(rows, key)?,
            false => plan.vacate(rows, key)?,
        });
    }
    let vacated: usize = plan.beside.keys().map(|key| key.len() + ROW_OVERHEAD_BYTES).sum();
    let room = COMMIT_BYTES_MAX.saturating_sub(vacated);
    let spilled_from = spill_threshold(&frames, room)
        .map_err(|bytes| StoreError::TooLarge { bytes: bytes + vacated, max: COMMIT_BYTES_MAX })?;
    for (Framed { key, frame, .. }, before) in frames.into_iter().zip(before) {
        let row = match frame {
            Some(frame) if frame.len() >= spilled_from => Some(plan.put_in_file(&key, frame)),
            Some(frame) if frame.len() > PART_BYTES_MAX => Some(plan.put_in_parts(&key, &frame)),
            whole_or_none => whole_or_none,
        };
        plan.rows.push((key, Change { row, before }));
    }
    Ok(plan)
}

/// The frames of a commit, in the order of their keys, each key once.
fn frames(writes: &[Write]) -> Vec<Framed> {
    let framed = |write: &Write| {
        let bytes = write.key().encode();
        let (frame, new) = match write {
            Write::Delete(_) => (None, false),
            Write::Put(key, put) => (Some(record::encode_at(key, &bytes, put)), false),
            Write::New(key, put) => (Some(record::encode_at(key, &bytes, put)), true),
        };
        Framed { key: bytes, frame, new }
    };
    let mut frames: Vec<Framed> = writes.iter().map(framed).collect();
    frames.sort_by(|one, other| one.key.cmp(&other.key));
    frames.dedup_by(|later, kept| {
        let same = later.key == kept.key;
        if same {
            std::mem::swap(later, kept);
            // What another write of the same commit speaks of may well be there.
            kept.new = false;
        }
        same
    });
    frames
}

/// Takes the caller's word that `key` holds nothing; builds with debug assertions look.
fn nothing_there<R: Rows>(rows: &R, key: &[u8]) -> Result<Option<R::Row>, StoreError> {
    if cfg!(debug_assertions) {
        let there = rows.row(key)?.is_some();
        assert!(!there, "{} was written as new, and is there", key::words(key));
    }
    Ok(None)
}

/// The size from which on frames must go to files so that the rest fits into `room`; the size of
/// what cannot be made to fit otherwise.
fn spill_threshold(frames: &[Framed], room: usize) -> Result<usize, usize> {
    let sizes = frames
        .iter()
        .map(|Framed { key, frame, .. }| (key.len(), frame.as_ref().map_or(0, Vec::len)));
    let mut total: usize = sizes.map(|(key, frame)| row_bytes(key, frame)).sum();
    let mut threshold = usize::MAX;
    if total <= room {
        return Ok(threshold);
    }
    let mut by_size: Vec<(usize, usize)> = frames
        .iter()
        .filter_map(|Framed { key, frame, .. }| Some((frame.as_ref()?.len(), key.len())))
        .filter(|(frame_bytes, _)| *frame_bytes > SPILL_BYTES_MIN)
        .collect();
    by_size.sort_unstable();
    while total > room {
        let Some((frame_bytes, key_bytes)) = by_size.pop() else { return Err(total) };
        total -= row_bytes(key_bytes, frame_bytes);
        total += file_bytes(key_bytes);
        threshold = frame_bytes;
    }
    Ok(threshold)
}

/// What a frame takes in the tree when it is not in a file.
const fn row_bytes(key_bytes: usize, frame_bytes: usize) -> usize {
    let parts = if frame_bytes > PART_BYTES_MAX { frame_bytes.div_ceil(PART_BYTES_MAX) } else { 0 };
    frame_bytes + (1 + parts) * (key_bytes + 8 + ROW_OVERHEAD_BYTES)
}

/// What a frame in a file takes in the tree: its row and the row that names it.
const fn file_bytes(key_bytes: usize) -> usize {
    2 * (key_bytes + 37 + ROW_OVERHEAD_BYTES)
}

impl<R: AsRef<[u8]>> Plan<R> {
    /// Plans the removal of what belongs to the present value of `key` beside its own row, which
    /// it returns.
    fn vacate(&mut self, rows: &impl Rows<Row = R>, key: &[u8]) -> Result<Option<R>, StoreError> {
        let row = rows.row(key)?;
        match row.as_ref().and_then(|row| Shape::of(row.as_ref())) {
            Some(Shape::Parts { count, .. }) => {
                self.beside.extend((0..count).map(|part| (part_key(key, part), None)));
            }
            Some(Shape::File { digest, .. }) => {
                self.beside.insert(named_key(&digest, key), None);
                self.loosened.push(digest);
            }
            Some(Shape::Whole | Shape::BrokenPage) | None => {}
        }
        Ok(row)
    }

    /// Plans the parts of a frame; the key's own row is returned.
    fn put_in_parts(&mut self, key: &[u8], frame: &[u8]) -> Vec<u8> {
        let mut row = vec![IN_PARTS];
        row.extend_from_slice(&len_bytes(frame));
        for (part, chunk) in (0..).zip(frame.chunks(PART_BYTES_MAX)) {
            self.beside.insert(part_key(key, part), Some(chunk.to_vec()));
        }
        row
    }

    /// Plans the file of a frame; the key's own row is returned.
    fn put_in_file(&mut self, key: &[u8], frame: Vec<u8>) -> Vec<u8> {
        let digest = sha256(&frame);
        let mut row = vec![IN_FILE];
        row.extend_from_slice(&len_bytes(&frame));
        row.extend_from_slice(&digest.0);
        self.beside.insert(named_key(&digest, key), Some(Vec::new()));
        self.files.insert(digest, frame);
        row
    }
}

/// How a row holds its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    BrokenPage,
    Parts { bytes: usize, count: u16 },
    File { bytes: usize, digest: Digest },
}

impl Shape {
    fn of(row: &[u8]) -> Option<Self> {
        let (first, rest) = row.split_first()?;
        match *first {
            IN_PARTS => {
                let bytes = len_of(rest.try_into().ok()?);
                let count = u16::try_from(bytes.div_ceil(PART_BYTES_MAX)).ok()?;
                Some(Self::Parts { bytes, count })
            }
            IN_FILE => {
                let (len, digest) = rest.split_first_chunk()?;
                let digest = Digest(digest.try_into().ok()?);
                Some(Self::File { bytes: len_of(*len), digest })
            }
            _ if *row == BROKEN_PAGE => Some(Self::BrokenPage),
            _ => Some(Self::Whole),
        }
    }
}

/// The frame that the row of `key` holds or points to.
pub(super) fn unpack<'a>(
    rows: &impl Rows,
    key: &Key,
    row: &'a [u8],
) -> Result<Cow<'a, [u8]>, StoreError> {
    let corrupt =
        |problem: &str| StoreError::Corrupt { key: key.to_string(), problem: problem.to_owned() };
    let (frame, bytes) = match Shape::of(row) {
        None => return Err(corrupt("its row has no known shape")),
        Some(Shape::Whole) => return Ok(Cow::Borrowed(row)),
        Some(Shape::BrokenPage) => return Err(corrupt(BROKEN_PAGE_WORDS)),
        Some(Shape::Parts { bytes, count }) => {
            let encoded = key.encode();
            let mut frame = Vec::new();
            for part in 0..count {
                let Some(chunk) = rows.row(&part_key(&encoded, part))? else {
                    return Err(corrupt(&format!("part {part} of {count} is missing")));
                };
                frame.extend_from_slice(chunk.as_ref());
            }
            (frame, bytes)
        }
        Some(Shape::File { bytes, digest }) => match rows.file(&digest)? {
            Some(frame) => (frame, bytes),
            None => return Err(corrupt(&format!("its file spill/{digest} is missing"))),
        },
    };
    if frame.len() == bytes {
        Ok(Cow::Owned(frame))
    } else {
        Err(corrupt(&format!("it has {} bytes instead of {bytes}", frame.len())))
    }
}

/// Whether any record is stored in the file named by `digest`.
pub(super) fn is_named(rows: &impl Rows, digest: &Digest) -> Result<bool, StoreError> {
    let first = named_key(digest, &[]);
    let last = named_key(digest, &[0xff]);
    let mut named = false;
    let bounds = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
    rows.visit(bounds.0, bounds.1, Order::Ascending, &mut |_, _| {
        named = true;
        Ok(false)
    })?;
    Ok(named)
}

/// Checks a row of a private family; `None` when `key` is of no private family.
pub(super) fn check_private(rows: &impl Rows, key: &[u8]) -> Option<Result<(), StoreError>> {
    let (private, owner) = Private::of(key)?;
    let check = || {
        let row = rows.row(owner)?;
        let owned = match (private, row.as_ref().and_then(|row| Shape::of(row.as_ref()))) {
            (Private::Part(part), Some(Shape::Parts { count, .. })) => part < count,
            (Private::Named(file), Some(Shape::File { digest, .. })) => file == digest,
            _ => false,
        };
        if owned {
            return Ok(());
        }
        let owner = key::words(owner);
        let key = match private {
            Private::Part(part) => format!("part {part} of {owner}"),
            Private::Named(digest) => format!("file spill/{digest} of {owner}"),
        };
        Err(StoreError::Corrupt { key, problem: "no record owns it".to_owned() })
    };
    Some(check())
}

/// What a row of a private family stands for.
#[derive(Debug, Clone, Copy)]
enum Private {
    Part(u16),
    Named(Digest),
}

impl Private {
    /// The meaning of a private key, and the key of the record it serves.
    fn of(key: &[u8]) -> Option<(Self, &[u8])> {
        match key.split_first()? {
            (&PART, rest) => {
                let (owner, part) = rest.split_last_chunk()?;
                Some((Self::Part(u16::from_be_bytes(*part)), owner))
            }
            (&NAMED, rest) => {
                let (digest, owner) = rest.split_first_chunk()?;
                Some((Self::Named(Digest(*digest)), owner))
            }
            _ => None,
        }
    }
}

/// The SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    Digest(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
}

fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    [&[PART], key, &part.to_be_bytes()].concat()
}

fn named_key(digest: &Digest, key: &[u8]) -> Vec<u8> {
    [&[NAMED], digest.0.as_slice(), key].concat()
}

fn len_bytes(frame: &[u8]) -> [u8; 4] {
    u32::try_from(frame.len()).expect("a frame is at most 8 MiB").to_be_bytes()
}

fn len_of(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
}
