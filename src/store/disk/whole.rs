//! The sum over all rows, by themselves.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::database::Database;
use super::guard::{guarded_read, io};
use super::seal::{self, Seal};
use super::{Sled, View};
use crate::model::BatchId;
use crate::store::pack::Rows;
use crate::store::{Key, Order, Store as _, StoreError, key};

/// Rows that are added up before somebody may commit.
const ROWS_AT_ONCE: usize = 10_000;

/// Stretches that the rows of batches are divided into.
const STRETCHES: u128 = 8;

/// The seal that a format before the log keeps as a row.
pub(super) fn old_seal(db: &Database) -> Result<Option<Seal>, StoreError> {
    let row = guarded_read(|| db.get(seal::KEY))?;
    Ok(row.and_then(|row| Seal::of(&row)))
}

impl Sled {
    /// The seal of all rows as they are, by themselves.
    pub(super) fn sealed_anew(&self) -> Result<Seal, StoreError> {
        // A sum has no order, so the stretches are added up side by side.
        let edges = self.edges()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut sum = 0_u64;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(from) = edges.get(n) else { return Ok(sum) };
                let to = edges.get(n + 1).map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
                sum = sum.wrapping_add(self.sum(from, to)?);
            }
        };
        let hands = std::thread::available_parallelism().map_or(1, usize::from);
        let sums = std::thread::scope(|scope| {
            let others = 1..hands.min(edges.len());
            let others: Result<Vec<_>, _> =
                others.map(|_| std::thread::Builder::new().spawn_scoped(scope, work)).collect();
            let mut sums = vec![work()];
            for other in others.map_err(io("start a thread"))? {
                sums.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Ok(sums)
        })?;
        let sums: Result<Vec<u64>, StoreError> = sums.into_iter().collect();
        Ok(Seal { sum: sums?.into_iter().fold(0, u64::wrapping_add), ..Seal::default() })
    }

    /// Where stretches of rows begin that are about equally long.
    fn edges(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let (low, high) = (Key::Batch(BatchId::from_raw(0)), Key::LAST_BATCH);
        let end = |order| {
            let found = self.scan_checked(&low.encode(), &high.encode(), order, 1)?;
            let id = |bytes: &[u8]| bytes.get(1..17)?.try_into().ok().map(u128::from_be_bytes);
            Ok::<u128, StoreError>(found.first().and_then(|row| id(&row.bytes)).unwrap_or(0))
        };
        // Most rows are of batches, and those are as evenly spread as their ids.
        let (first, last) = (end(Order::Ascending)?, end(Order::Descending)?);
        let step = last.saturating_sub(first) / STRETCHES;
        let mut edges = vec![Vec::new()];
        let starts = (1..STRETCHES).map(|n| BatchId::from_raw(first + n * step));
        edges.extend(starts.map(|id| Key::Batch(id).encode()));
        edges.push(vec![key::MIDDLE]);
        edges.dedup();
        Ok(edges)
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
