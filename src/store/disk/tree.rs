//! sled's tree and the files beside it, read as rows.
//!
//! The rows of some families share pages (`page.rs`), all others are values of their own. From
//! `f2` on lies what is no row: the seal of older formats, the log, the pages.

use std::ops::Bound;

use sled::IVec;

use super::database::Database;
use super::guard::guarded_read;
use super::layers::{Entries, Entry, row_bytes};
use super::merge::Put;
use super::page::{self, PAGE};
use super::spill::SpillFolder;
use crate::model::Digest;
use crate::store::pack::{self, NO_ROWS_FROM, Rows, Visitor};
use crate::store::{Order, StoreError, key};

/// The tree and the files beside it.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) db: Database,
    pub(super) spill: SpillFolder,
}

/// A walk over more pages than this would fill the memory, for sled drops nothing before it has
/// noted many looks, and a walk looks at each leaf once.
const LONG: usize = 256;
/// So each so many pages are looked at again: about five of a leaf.
pub(super) const LOOK_AGAIN: usize = 2;

/// A name and its page.
pub(super) type Named = (IVec, IVec);

impl Tree {
    /// The page that has the row of `key`, if there is one.
    pub(super) fn page_of(&self, key: &[u8]) -> Result<Option<Named>, StoreError> {
        let (family, place) = (page::place(&key[..1]), page::place(key));
        let found = guarded_read(|| self.db.range(family..=place).next_back().transpose())?;
        Ok(found.map(named))
    }

    /// The page before the one that is called `name`, in the same family.
    pub(super) fn page_before(&self, name: &[u8]) -> Result<Option<Named>, StoreError> {
        let (family, place) = (page::place(&name[..1]), page::place(name));
        let found = guarded_read(|| self.db.range(family..place).next_back().transpose())?;
        Ok(found.map(named))
    }

    /// The name of the first page behind `key`, in the same family.
    pub(super) fn page_after(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        let end = [PAGE, key[0] + 1];
        let place = page::place(key);
        let behind = (Bound::Excluded(place.as_slice()), Bound::Excluded(&end[..]));
        let found = guarded_read(|| self.db.range::<&[u8], _>(behind).next().transpose())?;
        Ok(found.map(|found| named(found).0))
    }

    /// Puts one value after the other.
    pub(super) fn put(&self, puts: Vec<Put>) -> sled::Result<()> {
        for Put { place, value } in puts {
            match value {
                Some(value) => self.db.insert(place, value)?,
                None => self.db.remove(place)?,
            };
        }
        Ok(())
    }

    /// Values of their own in a paged family, up to so many bytes of them: only an older program
    /// leaves any.
    pub(super) fn values_of(&self, family: u8, bytes: usize) -> Result<Entries, StoreError> {
        let mut found = guarded_read(|| Ok(self.db.range([family]..[family + 1])))?;
        let mut rows = Entries::new();
        let mut read = 0;
        while read < bytes
            && let Some((key, row)) = guarded_read(|| found.next().transpose())?
        {
            read += row_bytes(&key, Some(&row));
            rows.insert(key.to_vec(), Entry { row: Some(row), fresh: false });
        }
        Ok(rows)
    }

    fn visit_own(&self, range: Range<'_>, each: &mut Visitor<'_>) -> Result<bool, StoreError> {
        let Range { from, to, order, .. } = range;
        let mut found = guarded_read(|| Ok(self.db.range::<&[u8], _>((from, to))))?;
        while let Some((key, row)) = guarded_read(|| next(&mut found, order))? {
            if !each(&key, &row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn visit_pages(
        &self,
        family: u8,
        range: Range<'_>,
        each: &mut Visitor<'_>,
    ) -> Result<bool, StoreError> {
        let Range { mut from, to, order, .. } = range;
        let low = match from {
            Bound::Included(key) | Bound::Excluded(key) if key.len() > 1 => self.page_of(key)?,
            _ => None,
        };
        let low = low.map_or_else(|| page::place(&[family]), |(name, _)| page::place(&name));
        let high = match to {
            Bound::Included(key) => Bound::Included(page::place(key)),
            Bound::Excluded(key) => Bound::Excluded(page::place(key)),
            Bound::Unbounded => Bound::Excluded(vec![PAGE, family + 1]),
        };
        let pages = (Bound::Included(low), high);
        let mut found = guarded_read(|| Ok(self.db.range(pages)))?;
        let mut count = 0_usize;
        let mut last: Option<Named> = None;
        loop {
            let found = guarded_read(|| next(&mut found, order))?;
            count += 1;
            if let Some((place, _)) = &found
                && count > LONG
                && count.is_multiple_of(LOOK_AGAIN)
            {
                guarded_read(|| self.db.contains_key(place))?;
            }
            let found = found.map(named);
            // Where a page ends is known once the next one is.
            let (now, next) = match order {
                Order::Ascending => (&last, &found),
                Order::Descending => (&found, &last),
            };
            let void_from = next.as_ref().map(|(name, _)| name.as_ref());
            if let Some((name, page)) = now
                && !visit_page(name, page, Range { from, to, void_from, order }, each)?
            {
                return Ok(false);
            }
            if now.is_some() && order == Order::Ascending {
                // The pages after the first begin behind that bound.
                from = Bound::Unbounded;
            }
            if found.is_none() {
                return Ok(true);
            }
            last = found;
        }
    }
}

pub(super) fn named((place, page): (IVec, IVec)) -> Named {
    (place.subslice(1, place.len() - 1), page)
}

fn next(range: &mut sled::Iter, order: Order) -> sled::Result<Option<(IVec, IVec)>> {
    match order {
        Order::Ascending => range.next(),
        Order::Descending => range.next_back(),
    }
    .transpose()
}

/// A part of the keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<'a> {
    pub(super) from: Bound<&'a [u8]>,
    pub(super) to: Bound<&'a [u8]>,
    /// Where the next page begins.
    pub(super) void_from: Option<&'a [u8]>,
    pub(super) order: Order,
}

impl Range<'_> {
    fn starts_before(&self, key: &[u8]) -> bool {
        match self.from {
            Bound::Included(from) => from <= key,
            Bound::Excluded(from) => from < key,
            Bound::Unbounded => true,
        }
    }

    fn ends_behind(&self, key: &[u8]) -> bool {
        // The next page begins within the range.
        if let Some(void) = self.void_from {
            return key < void;
        }
        match self.to {
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
            Bound::Unbounded => true,
        }
    }
}

pub(super) fn visit_page(
    name: &[u8],
    page: &[u8],
    range: Range<'_>,
    each: &mut Visitor<'_>,
) -> Result<bool, StoreError> {
    let wanted = |key: &[u8]| range.starts_before(key) && range.ends_behind(key);
    let broken = |each: &mut Visitor<'_>| each(name, &pack::BROKEN_PAGE);
    if range.order == Order::Descending {
        let Ok(rows) = page::Spread::of(page) else { return broken(each) };
        for (key, row) in rows.backwards().filter(|(key, _)| wanted(key)) {
            if !each(key, row)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let mut rows = page::Rows::of(page);
    loop {
        match rows.next() {
            Err(page::Broken) => return broken(each),
            Ok(None) => return Ok(true),
            Ok(Some((key, _))) if !range.ends_behind(key) => return Ok(true),
            Ok(Some((key, row))) if range.starts_before(key) => {
                if !each(key, row)? {
                    return Ok(false);
                }
            }
            Ok(Some(_)) => {}
        }
    }
}

impl Rows for Tree {
    type Row = IVec;

    fn row(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        if !page::is_paged(key) {
            return guarded_read(|| self.db.get(key));
        }
        let Some((name, page)) = self.page_of(key)? else { return Ok(None) };
        page::find(&page, key).map_err(|page::Broken| broken_page(&name))
    }

    fn file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.spill.read(digest)
    }

    fn visit(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        each: &mut Visitor<'_>,
    ) -> Result<(), StoreError> {
        let whole = Range { from, to, void_from: None, order };
        // One paged family after the other, and the stretches between them.
        let mut edges: Vec<u8> =
            key::PAGED.iter().flat_map(|family| [*family, family + 1]).collect();
        edges.push(NO_ROWS_FROM);
        edges.dedup();
        let mut stretches: Vec<(u8, u8)> = Vec::with_capacity(edges.len());
        let mut low = 0;
        for edge in edges {
            stretches.push((low, edge));
            low = edge;
        }
        if order == Order::Descending {
            stretches.reverse();
        }
        for (low, high) in stretches {
            let (low, high) = ([low], [high]);
            // Keys are longer than the bound of a stretch, but for those that are one byte.
            if !whole.ends_behind(&low) || !reaches(from, &high) {
                continue;
            }
            let range = Range {
                from: if whole.starts_before(&low) { Bound::Included(&low[..]) } else { from },
                to: if whole.ends_behind(&high) { Bound::Excluded(&high[..]) } else { to },
                ..whole
            };
            let wanted = match page::is_paged(&low) {
                true => self.visit_pages(low[0], range, each)?,
                false => self.visit_own(range, each)?,
            };
            if !wanted {
                break;
            }
        }
        Ok(())
    }
}

/// Whether keys from this bound on can be below `high`.
fn reaches(from: Bound<&[u8]>, high: &[u8]) -> bool {
    match from {
        Bound::Included(from) | Bound::Excluded(from) => from < high,
        Bound::Unbounded => true,
    }
}

/// The refusal to read a page.
pub(super) fn broken_page(name: &[u8]) -> StoreError {
    StoreError::Corrupt { key: key::words(name), problem: pack::BROKEN_PAGE_WORDS.to_owned() }
}
