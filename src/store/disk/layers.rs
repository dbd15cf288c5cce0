//! What the tree does not hold yet, in three layers over it.
//!
//! Commits that are flushed together change many rows more than once, and a post that goes out at
//! once changes the same rows again a moment later. So commits *wait* until they are flushed; then
//! they are *young*, in the log (`wal.rs`) and here; when there is enough of that it becomes *old*
//! and is merged into the tree, piece by piece (`merge.rs`). A row is read in the newest layer that
//! speaks of it. A commit is in one layer as a whole, so what a crash takes away it takes whole.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::Bound;

use sled::IVec;

use super::tree::Tree;
use crate::model::Digest;
use crate::store::pack::{Change, ROW_OVERHEAD_BYTES, Rows, Visitor};
use crate::store::{Order, StoreError};

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The row, or none any more.
    pub(super) row: Option<IVec>,
    /// Whether nothing below this layer holds the key.
    pub(super) fresh: bool,
}

/// Rows by their keys.
pub(super) type Entries = BTreeMap<Vec<u8>, Entry>;

/// One layer.
#[derive(Debug, Default)]
pub(super) struct Layer {
    rows: Entries,
    bytes: usize,
}

impl Layer {
    /// What became of each row.
    pub(super) const fn rows(&self) -> &Entries {
        &self.rows
    }

    /// Bytes of the keys and rows, generously.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a newer change in.
    pub(super) fn put(&mut self, key: Vec<u8>, newer: Entry) {
        let bytes = row_bytes(&key, newer.row.as_deref());
        match self.rows.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(newer);
            }
            btree_map::Entry::Occupied(mut place) => {
                self.bytes -= row_bytes(place.key(), place.get().row.as_deref());
                if place.get().fresh && newer.row.is_none() {
                    // As if it had never been.
                    place.remove();
                    return;
                }
                place.get_mut().row = newer.row;
            }
        }
        self.bytes += bytes;
    }
}

/// What a change takes, generously.
pub(super) fn row_bytes(key: &[u8], row: Option<&[u8]>) -> usize {
    key.len() + row.map_or(0, <[u8]>::len) + ROW_OVERHEAD_BYTES
}

/// All layers.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Commits that sled has not been given.
    pub(super) waiting: Layer,
    /// How many those are.
    pub(super) commits: u64,
    /// Commits that are in the log.
    pub(super) young: Layer,
    /// Older ones, on their way into the tree.
    pub(super) old: Layer,
}

impl Layers {
    /// Takes a commit in.
    pub(super) fn add(&mut self, changes: Vec<(Vec<u8>, Change<IVec>)>) {
        self.commits += 1;
        for (key, Change { row, before }) in changes {
            let fresh = before.is_none();
            self.waiting.put(key, Entry { row: row.map(IVec::from), fresh });
        }
    }

    /// What waited is in the log.
    pub(super) fn logged(&mut self) {
        self.commits = 0;
        for (key, entry) in std::mem::take(&mut self.waiting).rows {
            self.young.put(key, entry);
        }
    }
}

/// The tree as it will be when it holds all layers.
pub(super) struct View<'a> {
    pub(super) tree: &'a Tree,
    pub(super) layers: &'a Layers,
}

impl<'a> View<'a> {
    pub(super) const fn newest_first(&self) -> [&'a Layer; 3] {
        [&self.layers.waiting, &self.layers.young, &self.layers.old]
    }
}

/// Hands over the rows of these layers and of what is `below` them, all between the same bounds.
pub(super) fn visit_over(
    layers: [Option<&Layer>; 3],
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    order: Order,
    each: &mut Visitor<'_>,
    below: impl FnOnce(&mut Visitor<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut ranges = layers.map(|layer| {
        let range = layer.map(|layer| layer.rows.range::<[u8], _>((from, to)));
        Walk { range: range.unwrap_or_default(), order }.peekable()
    });
    if ranges.iter_mut().all(|range| range.peek().is_none()) {
        return below(each);
    }
    let mut over = Over { ranges, order };
    let mut wanted = true;
    below(&mut |key, row| {
        while let Some((at, entry)) = over.before(Some(key)) {
            if let Some(row) = &entry.row {
                wanted = each(at, row)?;
            }
            if !wanted || at == key {
                return Ok(wanted);
            }
        }
        wanted = each(key, row)?;
        Ok(wanted)
    })?;
    while wanted && let Some((at, entry)) = over.before(None) {
        if let Some(row) = &entry.row {
            wanted = each(at, row)?;
        }
    }
    Ok(())
}

impl Rows for View<'_> {
    type Row = IVec;

    fn row(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        for layer in self.newest_first() {
            if let Some(entry) = layer.rows.get(key) {
                return Ok(entry.row.clone());
            }
        }
        self.tree.row(key)
    }

    fn file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.tree.file(digest)
    }

    fn visit(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        each: &mut Visitor<'_>,
    ) -> Result<(), StoreError> {
        visit_over(self.newest_first().map(Some), (from, to), order, each, |each| {
            self.tree.visit(from, to, order, each)
        })
    }
}

/// A part of a layer, either way.
struct Walk<'a> {
    range: btree_map::Range<'a, Vec<u8>, Entry>,
    order: Order,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Vec<u8>, &'a Entry);

    fn next(&mut self) -> Option<Self::Item> {
        match self.order {
            Order::Ascending => self.range.next(),
            Order::Descending => self.range.next_back(),
        }
    }
}

/// A part of all layers as one.
struct Over<'a> {
    ranges: [Peekable<Walk<'a>>; 3],
    order: Order,
}

impl<'a> Over<'a> {
    /// The next change, unless `key` comes before it.
    fn before(&mut self, key: Option<&[u8]>) -> Option<(&'a Vec<u8>, &'a Entry)> {
        let order = self.order;
        let mut first: Option<(&Vec<u8>, &Entry)> = None;
        for range in &mut self.ranges {
            // Of equal keys the newest layer's, which is asked first.
            if let Some(next) = range.peek()
                && first.is_none_or(|first| comes_first(next.0, first.0, order))
            {
                first = Some(*next);
            }
        }
        let first = first.filter(|(at, _)| key.is_none_or(|key| !comes_first(key, at, order)))?;
        for range in &mut self.ranges {
            range.next_if(|next| next.0 == first.0);
        }
        Some(first)
    }
}

fn comes_first(one: &[u8], other: &[u8], order: Order) -> bool {
    match order {
        Order::Ascending => one < other,
        Order::Descending => one > other,
    }
}
