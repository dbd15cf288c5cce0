//! Reading records out of rows: the same for every kind of store.

use std::ops::Bound;

use super::pack::{self, Rows};
use super::{Key, Order, Record, Scanned, StoreError, key, record};

/// The record under `key`.
pub(super) fn get(rows: &impl Rows, key: &Key) -> Result<Option<Record>, StoreError> {
    match rows.row(&key.encode())? {
        None => Ok(None),
        Some(row) => read(rows, key, row.as_ref()).map(Some),
    }
}

/// Up to `limit` rows between two keys, both included, each with what is wrong with it.
pub(super) fn scan(
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
        let record = match (Key::decode(bytes), pack::check_private(rows, bytes)) {
            (Some(key), _) => read(rows, &key, row).map(|record| (key, record)),
            (None, Some(Ok(()))) => return Ok(true),
            (None, Some(Err(error))) => Err(error),
            (None, None) => Err(StoreError::Corrupt {
                key: key::words(bytes),
                problem: "no key has these bytes".to_owned(),
            }),
        };
        if let Err(error @ StoreError::Disk { .. }) = record {
            return Err(error);
        }
        out.push(Scanned { bytes: bytes.to_vec(), record });
        Ok(out.len() < limit)
    })?;
    Ok(out)
}

fn read(rows: &impl Rows, key: &Key, row: &[u8]) -> Result<Record, StoreError> {
    record::decode(key, &pack::unpack(rows, key, row)?)
}
