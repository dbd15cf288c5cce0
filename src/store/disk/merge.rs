//! The way of rows from the old layer into the tree.
//!
//! It is gone in small steps, as far as flushes have added: by who tidies up after them, or by a
//! flush itself where nobody does. A step that is lost in a crash is made again, for the log still
//! has its rows. sled is given one value after the other, for a batch of it costs two writes at
//! once, each of which wakes all its threads. So a crash may leave a step half done, and the order
//! of its values sees to it that no row is lost: of a page that is divided the last part comes
//! first, and before a page goes, the one before it has no void rows.

use std::ops::Bound;

use super::layers::{Entries, Entry, row_bytes};
use super::page::{self, Keyed};
use super::tree::{Tree, broken_page};
use crate::store::StoreError;

/// Bytes of one step at the most, but for one page more. sled may write twenty times as many, and
/// what it writes between two looks at its segments must stay below one of them.
const STEP_BYTES_MAX: usize = 24 << 10;

/// A step.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// What sled is to do, one after the other.
    pub(super) puts: Vec<Put>,
    /// Bytes of the rows that it moves.
    pub(super) taken: usize,
    /// The key behind the last one of it; none when it was the last step.
    pub(super) next: Option<Vec<u8>>,
    /// Bytes of what sled is to do.
    written: usize,
}

/// A value of sled's, or that there is to be none.
#[derive(Debug)]
pub(super) struct Put {
    /// What sled has it under.
    pub(super) place: Vec<u8>,
    /// The value.
    pub(super) value: Option<Vec<u8>>,
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
        step.change(tree, page, after.as_deref(), &group)?;
    }
    step.next = changes.peek().map(|(key, _)| (*key).clone());
    Ok(step)
}

impl Step {
    fn has_room(&self, bytes: usize) -> bool {
        self.written < STEP_BYTES_MAX && self.taken < bytes.min(STEP_BYTES_MAX)
    }

    fn put(&mut self, place: Vec<u8>, value: Option<Vec<u8>>) {
        self.written += row_bytes(&place, value.as_deref());
        self.puts.push(Put { place, value });
    }

    /// Makes changes that all belong into one page, which ends where the next begins.
    fn change(
        &mut self,
        tree: &Tree,
        page: Option<(&[u8], &[u8])>,
        next: Option<&[u8]>,
        group: &[(&Vec<u8>, &Entry)],
    ) -> Result<(), StoreError> {
        let mut rows = match page {
            None => Vec::new(),
            Some((name, page)) => page::all(page).map_err(|page::Broken| broken_page(name))?,
        };
        rows.retain(|(key, _)| next.is_none_or(|next| &key[..] < next));
        let rows = page::changed(rows, group);
        self.write(tree, page.map(|(name, _)| name), &rows)
    }

    /// Writes the rows of the page of this name, if there is one yet: it goes when it has none.
    fn write(
        &mut self,
        tree: &Tree,
        name: Option<&[u8]>,
        rows: &[Keyed<'_>],
    ) -> Result<(), StoreError> {
        if let Some(name) = name.filter(|_| rows.is_empty()) {
            self.clear_before(tree, name)?;
            self.put(page::place(name), None);
        }
        // Until the page itself is written anew, what it has of the others is void.
        for (name, page) in page::build(rows, name).into_iter().rev() {
            self.put(page::place(&name), Some(page));
        }
        Ok(())
    }

    /// Sees to it that the page before one that goes has no void rows: they would come back.
    fn clear_before(&mut self, tree: &Tree, name: &[u8]) -> Result<(), StoreError> {
        let Some((before, page)) = tree.page_before(name)? else { return Ok(()) };
        let place = page::place(&before);
        if self.puts.iter().any(|put| put.place == place) {
            return Ok(());
        }
        // Of one that makes no sense no row comes back.
        let Ok(mut rows) = page::all(&page) else { return Ok(()) };
        let all = rows.len();
        rows.retain(|(key, _)| &key[..] < name);
        if rows.len() < all { self.write(tree, Some(&before), &rows) } else { Ok(()) }
    }

    /// Moves the values of these keys themselves: of a family that was not paged before.
    fn and_remove(&mut self, rows: &Entries, from: &[u8]) {
        let to = self.next.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let moved = rows.range::<[u8], _>((Bound::Included(from), to));
        self.puts.extend(moved.map(|(key, _)| Put { place: key.clone(), value: None }));
    }
}

/// Lays the rows of paged families out in pages where an older program left them as values of their
/// own. `apply` is given one step after the other; where it stops, the next start goes on.
///
/// # Errors
/// Those of `apply`; `Corrupt`; `Disk`.
pub(super) fn lay_out(
    tree: &Tree,
    mut apply: impl FnMut(Vec<Put>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for family in crate::store::key::PAGED {
        loop {
            let rows = tree.values_of(family, STEP_BYTES_MAX / 2)?;
            if rows.is_empty() {
                break;
            }
            let mut from = Vec::new();
            loop {
                let mut step = step(tree, &rows, &from, usize::MAX)?;
                step.and_remove(&rows, &from);
                apply(step.puts)?;
                let Some(next) = step.next else { break };
                from = next;
            }
        }
    }
    Ok(())
}
