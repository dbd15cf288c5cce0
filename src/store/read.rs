//! Reading records out of rows: the same for every kind of store.

use std::ops::Bound;

use super::pack::{self, Rows, Visitor};
use super::{Key, Order, Record, Scanned, StoreError, key, record};

/// Records for which a scan makes room at once.
const ROOM: usize = 64;

/// The record under `key`.
pub(super) fn get(rows: &impl Rows, key: &Key) -> Result<Option<Record>, StoreError> {
    let bytes = key.encode();
    match rows.row(&bytes)? {
        None => Ok(None),
        Some(row) => read(rows, key, &bytes, row.as_ref()).map(Some),
    }
}

/// Up to `limit` records between two keys, both included.
pub(super) fn scan(
    rows: &impl Rows,
    from: &[u8],
    to: &[u8],
    order: Order,
    limit: usize,
) -> Result<Vec<(Key, Record)>, StoreError> {
    let mut out = Vec::with_capacity(limit.min(ROOM));
    if limit == 0 || from > to {
        return Ok(out);
    }
    rows.visit(Bound::Included(from), Bound::Included(to), order, &mut |bytes, row| {
        if let Some(record) = met(rows, bytes, row) {
            out.push(record?);
        }
        Ok(out.len() < limit)
    })?;
    Ok(out)
}

/// Up to `limit` rows between two keys, both included, each with what is wrong with it.
pub(super) fn scan_checked(
    rows: &impl Rows,
    from: &[u8],
    to: &[u8],
    order: Order,
    limit: usize,
) -> Result<Vec<Scanned>, StoreError> {
    let mut out = Vec::new();
    if limit == 0 || from > to {
        return Ok(out);
    }
    rows.visit(Bound::Included(from), Bound::Included(to), order, &mut |bytes, row| {
        let Some(record) = met(rows, bytes, row) else { return Ok(true) };
        if let Err(error @ StoreError::Disk { .. }) = record {
            return Err(error);
        }
        out.push(Scanned { bytes: bytes.to_vec(), record });
        Ok(out.len() < limit)
    })?;
    Ok(out)
}

/// Up to `limit` records of a stretch that `visit` goes along, and what is wrong with it, which is
/// the last that is said.
pub(super) fn stretch(
    rows: &impl Rows,
    limit: usize,
    each: &mut dyn FnMut(Result<(Key, Record), StoreError>),
    visit: impl FnOnce(&mut Visitor<'_>) -> Result<(), StoreError>,
) {
    let mut left = limit;
    let visited = visit(&mut |bytes, row| {
        if left == 0 {
            return Ok(false);
        }
        if let Some(record) = met(rows, bytes, row) {
            left -= 1;
            each(Ok(record?));
        }
        Ok(left > 0)
    });
    if let Err(error) = visited {
        each(Err(error));
    }
}

/// What stands in a row; `None` where the store keeps it for itself.
fn met(rows: &impl Rows, bytes: &[u8], row: &[u8]) -> Option<Result<(Key, Record), StoreError>> {
    if let Some(key) = Key::decode(bytes) {
        return Some(read(rows, &key, bytes, row).map(|record| (key, record)));
    }
    match pack::check_private(rows, bytes) {
        Some(Ok(())) => None,
        Some(Err(error)) => Some(Err(error)),
        None => Some(Err(StoreError::Corrupt {
            key: key::words(bytes),
            problem: "no key has these bytes".to_owned(),
        })),
    }
}

fn read(rows: &impl Rows, key: &Key, bytes: &[u8], row: &[u8]) -> Result<Record, StoreError> {
    record::decode_at(key, bytes, &pack::unpack(rows, key, row)?)
}
