//! Commits that sled has not been given yet.
//!
//! What a commit costs is mostly its rows, and commits that are flushed together change many rows
//! more than once: the head of a batch, its timer, the seal. So commits gather here until they are
//! flushed, or until no more fit into one batch of sled's, and a row that several of them change is
//! written once. They are read here as if they were in the tree; a batch never holds a part of a
//! commit, so what a crash takes away it takes whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use sled::IVec;

use super::Tree;
use crate::model::Digest;
use crate::store::pack::{Change, Plan, ROW_OVERHEAD_BYTES, Rows, Visitor};
use crate::store::{Order, StoreError};

/// The rows of commits that wait.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// What becomes of each row, and what the tree holds there.
    rows: BTreeMap<Vec<u8>, Waiting>,
    bytes: usize,
    commits: u64,
}

/// A row that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The row, or none any more.
    pub(super) row: Option<IVec>,
    /// What the tree holds in its place.
    pub(super) before: Before,
}

/// What the tree holds.
#[derive(Debug)]
pub(super) enum Before {
    /// This, or nothing.
    Known(Option<IVec>),
    /// Nobody has looked.
    Unread,
}

impl Pending {
    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.commits == 0
    }

    /// How many commits wait.
    pub(super) const fn commits(&self) -> u64 {
        self.commits
    }

    /// The rows that wait.
    pub(super) const fn rows(&self) -> &BTreeMap<Vec<u8>, Waiting> {
        &self.rows
    }

    /// Bytes that they take in a batch, at the most.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a commit in.
    pub(super) fn add(
        &mut self,
        rows: Vec<(Vec<u8>, Change<IVec>)>,
        beside: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) {
        self.commits += 1;
        for (key, Change { row, before }) in rows {
            self.put(key, row, Before::Known(before));
        }
        for (key, row) in beside {
            self.put(key, row, Before::Unread);
        }
    }

    fn put(&mut self, key: Vec<u8>, row: Option<Vec<u8>>, before: Before) {
        self.bytes += row_bytes(&key, row.as_deref());
        let row = row.map(IVec::from);
        match self.rows.entry(key) {
            Entry::Vacant(place) => drop(place.insert(Waiting { row, before })),
            // What the tree holds is known since the first of them.
            Entry::Occupied(mut place) => {
                self.bytes -= row_bytes(place.key(), place.get().row.as_deref());
                place.get_mut().row = row;
            }
        }
    }
}

/// What a commit takes in a batch.
pub(super) fn bytes_of<R>(plan: &Plan<R>) -> usize {
    let rows = plan.rows.iter().map(|(key, change)| row_bytes(key, change.row.as_deref()));
    let beside = plan.beside.iter().map(|(key, row)| row_bytes(key, row.as_deref()));
    rows.chain(beside).sum()
}

fn row_bytes(key: &[u8], row: Option<&[u8]>) -> usize {
    key.len() + row.map_or(0, <[u8]>::len) + ROW_OVERHEAD_BYTES
}

/// The tree as it will be when it holds what waits.
pub(super) struct View<'a> {
    pub(super) tree: &'a Tree,
    pub(super) pending: &'a Pending,
}

impl Rows for View<'_> {
    type Row = IVec;

    fn row(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.pending.rows.get(key) {
            Some(waiting) => Ok(waiting.row.clone()),
            None => self.tree.row(key),
        }
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
        let mut over = self.pending.rows.range::<[u8], _>((from, to));
        let mut pull = move || match order {
            Order::Ascending => over.next(),
            Order::Descending => over.next_back(),
        };
        let mut ahead = pull();
        let mut wanted = true;
        self.tree.visit(from, to, order, &mut |key, row| {
            while let Some((at, waiting)) = ahead
                && comes_first(at, key, order)
            {
                ahead = pull();
                if let Some(row) = &waiting.row {
                    wanted = each(at, row)?;
                    if !wanted {
                        return Ok(false);
                    }
                }
            }
            wanted = match ahead {
                Some((at, waiting)) if at == key => {
                    ahead = pull();
                    waiting.row.as_ref().map_or(Ok(true), |row| each(at, row))?
                }
                _ => each(key, row)?,
            };
            Ok(wanted)
        })?;
        while let Some((at, waiting)) = ahead.filter(|_| wanted) {
            ahead = pull();
            if let Some(row) = &waiting.row {
                wanted = each(at, row)?;
            }
        }
        Ok(())
    }
}

fn comes_first(one: &[u8], other: &[u8], order: Order) -> bool {
    match order {
        Order::Ascending => one < other,
        Order::Descending => one > other,
    }
}
