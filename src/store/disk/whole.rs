//! The sum over all rows, by themselves.

use std::ops::Bound;

use super::database::Database;
use super::guard::{guarded_read, io};
use super::seal::{self, Seal};
use super::{Sled, View};
use crate::store::pack::Rows;
use crate::store::{Order, StoreError, key};

/// Rows that are added up before somebody may commit.
const ROWS_AT_ONCE: usize = 10_000;

/// The seal that a format before the log keeps as a row.
pub(super) fn old_seal(db: &Database) -> Result<Option<Seal>, StoreError> {
    let row = guarded_read(|| db.get(seal::KEY))?;
    Ok(row.and_then(|row| Seal::of(&row)))
}

impl Sled {
    /// The seal of all rows as they are, by themselves.
    pub(super) fn sealed_anew(&self) -> Result<Seal, StoreError> {
        // Batches and what is told of them are about half of all rows, and a sum has no order.
        let middle: &[u8] = &[key::MIDDLE];
        let (below, above) = std::thread::scope(|scope| {
            let below = || self.sum(&[], Bound::Excluded(middle));
            let below = std::thread::Builder::new().spawn_scoped(scope, below);
            let above = self.sum(middle, Bound::Unbounded);
            (below.map(std::thread::ScopedJoinHandle::join), above)
        });
        let below = below.map_err(io("start a thread"))?;
        let below = below.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Seal { sum: below.wrapping_add(above?), ..Seal::default() })
    }

    fn sum(&self, from: &[u8], to: Bound<&[u8]>) -> Result<u64, StoreError> {
        let mut seal = Seal::default();
        let mut last: Option<Vec<u8>> = None;
        loop {
            let layers = self.layers();
            let view = View { tree: &self.tree, layers: &layers };
            let mut from = Bound::Included(from);
            let before = last.take();
            if let Some(before) = &before {
                from = Bound::Excluded(before);
            }
            let mut rows = 0;
            view.visit(from, to, Order::Ascending, &mut |key, row| {
                seal.add(key, row);
                rows += 1;
                if rows == ROWS_AT_ONCE {
                    last = Some(key.to_vec());
                }
                Ok(rows < ROWS_AT_ONCE)
            })?;
            if last.is_none() {
                return Ok(seal.sum);
            }
        }
    }
}
