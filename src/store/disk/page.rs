//! Pages: many rows of one family in one value of sled's.
//!
//! sled keeps at most 16 values in a leaf and writes a leaf anew whenever it splits, so a row of
//! its own costs many times its bytes. Rows that are made, read and removed next to each other
//! share a page. A page is named by a key that none of its rows comes before; it keeps that name
//! when its first row goes. From the name of the next page on its rows are *void*: a page that is
//! divided has them until it is written anew, which comes last.

use sled::IVec;

use super::layers::Entry;
use crate::store::key;

/// Private family: `f4 name`, a page.
pub(super) const PAGE: u8 = 0xf4;
/// The layout of a page.
const VERSION: u8 = 1;
/// A page that outgrows this is divided, unless it has one row. The larger the pages, the more
/// sled keeps in memory beyond what its cache should hold: it drops a leaf, of about ten pages,
/// only when it has noted 64 looks in one of 256 places. The smaller, the more leaves there are,
/// and each takes 150 bytes of memory for ever.
pub(super) const PAGE_BYTES_MAX: usize = 1_536;
/// What a row takes in a page beside its key and its value.
const ROW_BYTES: usize = 4;

/// Whether the row of this key is in a page.
pub(super) fn is_paged(key: &[u8]) -> bool {
    key.first().is_some_and(|family| key::PAGED.contains(family))
}

/// What sled has a page under.
pub(super) fn place(name: &[u8]) -> Vec<u8> {
    [&[PAGE], name].concat()
}

/// A key and a row of a page.
pub(super) type Keyed<'a> = (Vec<u8>, &'a [u8]);

/// A page that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A row of a page where it stands, and its key for as long as nobody goes on.
type At<'k, 'a> = (&'k [u8], &'a [u8]);

/// The rows of a page, one after the other.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
    broken: bool,
}

impl<'a> Rows<'a> {
    /// The rows of `page`.
    pub(super) fn of(page: &'a [u8]) -> Self {
        match page.split_first() {
            Some((&VERSION, rest)) => Self { rest, key: Vec::with_capacity(56), broken: false },
            _ => Self { rest: &[], key: Vec::new(), broken: true },
        }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<At<'_, 'a>>, Broken> {
        if self.broken {
            return Err(Broken);
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        match self.step() {
            Some(row) => Ok(Some((&self.key, row))),
            None => {
                self.broken = true;
                Err(Broken)
            }
        }
    }

    fn step(&mut self) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_first_chunk::<ROW_BYTES>()?;
        let [shared, own, len @ ..] = *head;
        let (shared, own) = (usize::from(shared), usize::from(own));
        let (suffix, rest) = rest.split_at_checked(own)?;
        let (row, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(len)))?;
        // Keys ascend: where the last one goes on, this one is higher.
        let ascends = match self.key.get(shared..)? {
            [] => own > 0,
            [before, ..] => suffix.first().is_some_and(|first| first > before),
        };
        if !ascends {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        self.rest = rest;
        Some(row)
    }
}

/// The row of `key` in a page.
pub(super) fn find(page: &[u8], key: &[u8]) -> Result<Option<IVec>, Broken> {
    let mut rows = Rows::of(page);
    while let Some((at, row)) = rows.next()? {
        if at >= key {
            return Ok((at == key).then(|| IVec::from(row)));
        }
    }
    Ok(None)
}

/// All rows of a page.
pub(super) fn all(page: &[u8]) -> Result<Vec<Keyed<'_>>, Broken> {
    let mut rows = Rows::of(page);
    let mut all = Vec::new();
    while let Some((key, row)) = rows.next()? {
        all.push((key.to_vec(), row));
    }
    Ok(all)
}

/// All rows of a page, for whoever begins at the last one.
#[derive(Debug)]
pub(super) struct Spread<'a> {
    /// The keys, one behind the other.
    keys: Vec<u8>,
    /// Where each key ends, and its row.
    rows: Vec<(usize, &'a [u8])>,
}

impl<'a> Spread<'a> {
    /// The rows of `page`.
    pub(super) fn of(page: &'a [u8]) -> Result<Self, Broken> {
        let mut rows = Rows::of(page);
        let mut spread =
            Self { keys: Vec::with_capacity(page.len()), rows: Vec::with_capacity(64) };
        while let Some((key, row)) = rows.next()? {
            spread.keys.extend_from_slice(key);
            spread.rows.push((spread.keys.len(), row));
        }
        Ok(spread)
    }

    /// The rows, the last one first.
    pub(super) fn backwards(&self) -> impl Iterator<Item = At<'_, 'a>> {
        (0..self.rows.len()).rev().map(|at| {
            let begins = at.checked_sub(1).map_or(0, |before| self.rows[before].0);
            let (ends, row) = self.rows[at];
            (&self.keys[begins..ends], row)
        })
    }
}

/// The rows of a page after these changes; both in the order of their keys.
pub(super) fn changed<'a>(
    rows: Vec<Keyed<'a>>,
    changes: &[(&'a Vec<u8>, &'a Entry)],
) -> Vec<Keyed<'a>> {
    let mut out = Vec::with_capacity(rows.len() + changes.len());
    let mut changes = changes.iter().peekable();
    let mut take = |before: Option<&[u8]>, out: &mut Vec<Keyed<'a>>| {
        while let Some((key, entry)) =
            changes.next_if(|(key, _)| before.is_none_or(|before| key.as_slice() <= before))
        {
            if let Some(row) = &entry.row {
                out.push(((*key).clone(), row.as_ref()));
            }
            if before == Some(key.as_slice()) {
                return true;
            }
        }
        false
    };
    for (key, row) in rows {
        if !take(Some(&key), &mut out) {
            out.push((key, row));
        }
    }
    take(None, &mut out);
    out
}

/// The pages of these rows, about equally full. The first one has the name that is given, if any.
pub(super) fn build(rows: &[Keyed<'_>], name: Option<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let total: usize = rows.iter().map(|(key, row)| ROW_BYTES + key.len() + row.len()).sum();
    let full = total.div_ceil(total.div_ceil(PAGE_BYTES_MAX).max(1));
    let mut pages: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut last: &[u8] = &[];
    for (key, row) in rows {
        let room = pages.last().is_some_and(|(_, page)| {
            page.len() < full && page.len() + ROW_BYTES + key.len() + row.len() <= PAGE_BYTES_MAX
        });
        if !room {
            let name = name.filter(|_| pages.is_empty()).unwrap_or(key);
            pages.push((name.to_vec(), vec![VERSION]));
            last = &[];
        }
        if let Some((_, page)) = pages.last_mut() {
            append(page, last, key, row);
        }
        last = key;
    }
    pages
}

fn append(page: &mut Vec<u8>, last: &[u8], key: &[u8], row: &[u8]) {
    let alike = last.iter().zip(key).take_while(|(one, other)| one == other).count();
    let shared = u8::try_from(alike).unwrap_or(u8::MAX);
    let suffix = &key[usize::from(shared)..];
    let own = u8::try_from(suffix.len()).expect("a key has at most 60 bytes");
    let len = u16::try_from(row.len()).expect("a row has at most 3,584 bytes");
    page.extend_from_slice(&[shared, own]);
    page.extend_from_slice(&len.to_be_bytes());
    page.extend_from_slice(suffix);
    page.extend_from_slice(row);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn any_map() -> impl Strategy<Value = Map> {
        let key = proptest::collection::vec(0u8..4, 1..6);
        let row = (0usize..3_000).prop_flat_map(|len| {
            let len = if len < 2_900 { len % 40 } else { len };
            proptest::collection::vec(any::<u8>(), len)
        });
        proptest::collection::btree_map(key, row, 0..60)
    }

    fn rows(map: &Map) -> Vec<Keyed<'_>> {
        map.iter().map(|(key, row)| (key.clone(), row.as_slice())).collect()
    }

    proptest! {
        #[test]
        fn what_is_built_is_read(map in any_map()) {
            let pages = build(&rows(&map), None);
            let mut read = Map::new();
            for (name, page) in &pages {
                prop_assert!(read.keys().next_back().is_none_or(|last| last < name));
                let rows = all(page).expect("sound");
                let spread = Spread::of(page).expect("sound");
                let backwards = spread.backwards().map(|(key, row)| (key.to_vec(), row));
                prop_assert!(backwards.eq(rows.iter().rev().cloned()));
                prop_assert_eq!(&rows[0].0, name);
                prop_assert!(page.len() <= PAGE_BYTES_MAX || rows.len() == 1);
                for (key, row) in rows {
                    prop_assert_eq!(find(page, &key), Ok(Some(IVec::from(row))));
                    read.insert(key, row.to_vec());
                }
            }
            prop_assert_eq!(read, map);
        }

        #[test]
        fn changes_are_made(map in any_map(), changes in any_map(), gone in any_map()) {
            let mut expected = map.clone();
            let mut entries = BTreeMap::new();
            for key in gone.keys() {
                expected.remove(key);
                entries.insert(key.clone(), Entry { row: None, fresh: false });
            }
            for (key, row) in &changes {
                expected.insert(key.clone(), row.clone());
                let row = Some(IVec::from(row.as_slice()));
                entries.insert(key.clone(), Entry { row, fresh: false });
            }
            let list: Vec<_> = entries.iter().collect();
            let got: Map = changed(rows(&map), &list)
                .into_iter()
                .map(|(key, row)| (key, row.to_vec()))
                .collect();
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn damage_is_seen_or_leaves_keys_in_order(
            map in any_map(),
            at in any::<prop::sample::Index>(),
            flip in 1u8..=255,
            cut in any::<bool>(),
        ) {
            for (_, mut page) in build(&rows(&map), None) {
                let at = at.index(page.len());
                if cut {
                    page.truncate(at);
                } else {
                    page[at] ^= flip;
                }
                prop_assert_eq!(all(&page).is_ok(), Spread::of(&page).is_ok());
                if let Ok(rows) = all(&page) {
                    prop_assert!(rows.is_sorted_by(|one, other| one.0 < other.0));
                }
            }
        }
    }
}
