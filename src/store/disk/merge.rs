//! The way of rows from the old layer into the tree.
//!
//! It is gone in small steps, each a batch of sled's, by those who flush: for what they add. A step
//! that is lost in a crash is made again, for the log still has its rows.

use std::ops::Bound;

use super::layers::{Entries, Entry, row_bytes};
use super::page;
use super::tree::{Tree, broken_page};
use crate::store::StoreError;

/// Bytes of one batch at the most, but for one page more. sled may write twenty times as many, and
/// what it writes at once must stay below a segment of its log.
const BATCH_BYTES_MAX: usize = 24 << 10;

/// A step.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// What sled is to do.
    pub(super) batch: sled::Batch,
    /// Bytes of the rows that it moves.
    pub(super) taken: usize,
    /// The key behind the last one of it; none when it was the last step.
    pub(super) next: Option<Vec<u8>>,
    /// Bytes of the batch.
    written: usize,
}

/// The next step: from the key `from` on, about `bytes` of rows.
///
/// # Errors
/// `Corrupt` when a page that it changes makes no sense; `Disk`.
pub(super) fn step(
    tree: &Tree,
    rows: &Entries,
    from: &[u8],
    bytes: usize,
) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut changes = rows.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).peekable();
    while let Some((key, entry)) = changes.next_if(|_| step.has_room(bytes)) {
        step.taken += row_bytes(key, entry.row.as_deref());
        if !page::is_paged(key) {
            step.put(key.clone(), entry.row.as_deref().map(<[u8]>::to_vec));
            continue;
        }
        let page = tree.page_of(key)?;
        let after = tree.page_after(key)?;
        let mut group = vec![(key, entry)];
        while let Some((key, entry)) = changes.next_if(|(next, _)| {
            let here = next[0] == key[0] && after.as_ref().is_none_or(|after| next[..] < after[..]);
            here && step.has_room(bytes)
        }) {
            step.taken += row_bytes(key, entry.row.as_deref());
            group.push((key, entry));
        }
        let page = page.as_ref().map(|(name, page)| (name.as_ref(), page.as_ref()));
        step.change(page, &group)?;
    }
    step.next = changes.peek().map(|(key, _)| (*key).clone());
    Ok(step)
}

impl Step {
    fn has_room(&self, bytes: usize) -> bool {
        self.written < BATCH_BYTES_MAX && self.taken < bytes.min(BATCH_BYTES_MAX)
    }

    fn put(&mut self, place: Vec<u8>, value: Option<Vec<u8>>) {
        self.written += row_bytes(&place, value.as_deref());
        match value {
            Some(value) => self.batch.insert(place, value),
            None => self.batch.remove(place),
        }
    }

    /// Makes changes that all belong into one page.
    fn change(
        &mut self,
        page: Option<(&[u8], &[u8])>,
        group: &[(&Vec<u8>, &Entry)],
    ) -> Result<(), StoreError> {
        let rows = match page {
            None => Vec::new(),
            Some((name, page)) => page::all(page).map_err(|page::Broken| broken_page(name))?,
        };
        let rows = page::changed(rows, group);
        let name = page.map(|(name, _)| name);
        if let Some(name) = name.filter(|_| rows.is_empty()) {
            self.put(page::place(name), None);
        }
        for (name, page) in page::build(&rows, name) {
            self.put(page::place(&name), Some(page));
        }
        Ok(())
    }

    /// Moves the values of these keys themselves: of a family that was not paged before.
    fn and_remove(&mut self, rows: &Entries, from: &[u8]) {
        let to = self.next.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let moved = rows.range::<[u8], _>((Bound::Included(from), to));
        moved.for_each(|(key, _)| self.batch.remove(key.as_slice()));
    }
}

/// Lays the rows of paged families out in pages where an older program left them as values of their
/// own. `apply` is given one batch after the other; where it stops, the next start goes on.
///
/// # Errors
/// Those of `apply`; `Corrupt`; `Disk`.
pub(super) fn lay_out(
    tree: &Tree,
    mut apply: impl FnMut(sled::Batch) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for family in crate::store::key::PAGED {
        loop {
            let rows = tree.values_of(family, BATCH_BYTES_MAX / 2)?;
            if rows.is_empty() {
                break;
            }
            let mut from = Vec::new();
            loop {
                let mut step = step(tree, &rows, &from, usize::MAX)?;
                step.and_remove(&rows, &from);
                apply(step.batch)?;
                let Some(next) = step.next else { break };
                from = next;
            }
        }
    }
    Ok(())
}
