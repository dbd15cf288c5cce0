//! A still: everything the store held after one commit, read page by page while others commit.
//!
//! A commit that is about to change a record which has not been handed over yet first puts aside
//! what the record was. So the reader gets the state of one instant, whole batches among it, and
//! whoever commits waits for no more than one page.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::pack::{self, Rows};
use super::{Key, Order, Record, Store, StoreError, Write, key, record};

/// Bytes of records put aside at the most: beyond it the store changes faster than it is read.
const ASIDE_BYTES_MAX: usize = 256 << 20;
/// What a record put aside takes beside its bytes, generously.
const ASIDE_OVERHEAD_BYTES: usize = 96;
/// Bytes of one page at the most, but for a single frame that is larger.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A record as it is stored: its key, its frame and what the frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// The key.
    pub key: Key,
    /// The frame: version, checksum and archive, as they stand in the store.
    pub frame: Vec<u8>,
    /// The record.
    pub record: Record,
}

impl Framed {
    /// The record of a key's bytes and a frame's bytes, wherever they come from.
    ///
    /// # Errors
    /// `Corrupt` when they do not hold; `TooNew` when a newer program wrote them.
    pub fn read(key_bytes: &[u8], frame: Vec<u8>) -> Result<Self, StoreError> {
        let key = Key::decode(key_bytes).ok_or_else(|| StoreError::Corrupt {
            key: key::words(key_bytes),
            problem: "no key has these bytes".to_owned(),
        })?;
        let record = record::decode(&key, &frame)?;
        Ok(Self { key, frame, record })
    }
}

/// What a store held when this was made. One at a time; dropping it ends it.
pub struct Still<'a> {
    store: &'a dyn Store,
}

impl std::fmt::Debug for Still<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Still")
    }
}

impl<'a> Still<'a> {
    /// Begins: whatever is committed from now on is not seen. All it shows is durable.
    ///
    /// # Errors
    /// `Still` when there is another; `Disk`.
    pub fn of(store: &'a dyn Store) -> Result<Self, StoreError> {
        store.begin_still()?;
        let still = Self { store };
        store.flush()?;
        Ok(still)
    }

    /// The next records in the order of their keys, about `rows` of them; none at the end. The
    /// store's own record is not among them.
    ///
    /// # Errors
    /// `Corrupt` when a record does not hold; `Still` when too much changed meanwhile; `Disk`.
    pub fn page(&self, rows: usize) -> Result<Vec<Framed>, StoreError> {
        let page = self.store.still_page(rows)?;
        page.into_iter().map(|(key, frame)| Framed::read(&key, frame)).collect()
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        self.store.end_still();
    }
}

/// A key's bytes and a frame's.
pub type RawFrame = (Vec<u8>, Vec<u8>);

/// Frames in the order of their keys.
type Frames = BTreeMap<Vec<u8>, Vec<u8>>;

/// The side of a still that lies in the store.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// The lowest key that has not been handed over.
    from: Vec<u8>,
    /// What records ahead of `from` were before they changed; `None` where there was none.
    before: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    /// Why it cannot go on.
    broken: Option<StoreError>,
}

impl Aside {
    /// Puts aside what these writes are about to change.
    pub(super) fn note(&mut self, rows: &impl Rows, writes: &[Write]) {
        for write in writes {
            let key = write.key();
            let bytes = key.encode();
            let ahead = bytes >= self.from && *key != Key::Meta;
            if self.broken.is_some() || !ahead || self.before.contains_key(&bytes) {
                continue;
            }
            match frame_of(rows, key, &bytes) {
                Ok(frame) => {
                    let size = frame.as_ref().map_or(0, Vec::len);
                    self.bytes += bytes.len() + size + ASIDE_OVERHEAD_BYTES;
                    self.before.insert(bytes, frame);
                }
                Err(problem) => self.give_up(problem),
            }
        }
        if self.bytes > ASIDE_BYTES_MAX {
            let problem = "more changed meanwhile than can be kept aside; try at a quieter time";
            self.give_up(StoreError::Still { problem: problem.to_owned() });
        }
    }

    fn give_up(&mut self, problem: StoreError) {
        self.broken = Some(problem);
        self.before.clear();
        self.bytes = 0;
    }

    /// The next frames in the order of their keys.
    pub(super) fn page(
        &mut self,
        rows: &impl Rows,
        limit: usize,
    ) -> Result<Vec<RawFrame>, StoreError> {
        loop {
            if let Some(problem) = &self.broken {
                return Err(problem.clone());
            }
            let (page, end) = self.stretch(rows, limit)?;
            // A stretch may hold nothing but what came later.
            if end || !page.is_empty() {
                return Ok(page.into_iter().collect());
            }
        }
    }

    /// The frames of about `limit` rows, and whether those were the last.
    fn stretch(&mut self, rows: &impl Rows, limit: usize) -> Result<(Frames, bool), StoreError> {
        let mut page = Frames::new();
        let (mut seen, mut bytes) = (0, 0);
        let mut last: Option<Vec<u8>> = None;
        let to = [pack::PRIVATE_FROM];
        let bounds = (Bound::Included(self.from.as_slice()), Bound::Excluded(&to[..]));
        rows.visit(bounds.0, bounds.1, Order::Ascending, &mut |key, row| {
            seen += 1;
            last = Some(key.to_vec());
            let own = Key::decode(key);
            if own != Some(Key::Meta) && !self.before.contains_key(key) {
                let frame = match own {
                    Some(own) => pack::unpack(rows, &own, row)?.into_owned(),
                    // Whoever reads it says what is wrong.
                    None => row.to_vec(),
                };
                bytes += frame.len();
                page.insert(key.to_vec(), frame);
            }
            Ok(seen < limit.max(1) && bytes < PAGE_BYTES_MAX)
        })?;
        let full = seen >= limit.max(1) || bytes >= PAGE_BYTES_MAX;
        let next = match last {
            Some(last) if full => [last.as_slice(), &[0]].concat(),
            _ => to.to_vec(),
        };
        let ahead = self.before.split_off(&next);
        for (key, frame) in std::mem::replace(&mut self.before, ahead) {
            let size = frame.as_ref().map_or(0, Vec::len);
            self.bytes = self.bytes.saturating_sub(key.len() + size + ASIDE_OVERHEAD_BYTES);
            page.extend(frame.map(|frame| (key, frame)));
        }
        self.from = next;
        Ok((page, !full))
    }
}

fn frame_of(rows: &impl Rows, key: &Key, bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    match rows.row(bytes)? {
        None => Ok(None),
        Some(row) => Ok(Some(pack::unpack(rows, key, row.as_ref())?.into_owned())),
    }
}

/// The side of a still that is under way, or why there is none.
pub(super) fn under_way(aside: &mut Option<Aside>) -> Result<&mut Aside, StoreError> {
    let none = || StoreError::Still { problem: "none is under way".to_owned() };
    aside.as_mut().ok_or_else(none)
}

/// Begins one where there is none.
pub(super) fn begin(aside: &mut Option<Aside>) -> Result<(), StoreError> {
    if aside.is_some() {
        let problem = "another copy of it is being made; try again when that is done".to_owned();
        return Err(StoreError::Still { problem });
    }
    *aside = Some(Aside::default());
    Ok(())
}
