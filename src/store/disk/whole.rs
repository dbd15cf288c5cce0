//! The sum over all rows, by themselves.

use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::database::Database;
use super::guard::{guarded_read, io};
use super::seal::{self, Seal};
use super::{Sled, View};
use crate::store::claims::{self, ClaimIndex, Place};
use crate::store::pack::{PRIVATE_FROM, Rows};
use crate::store::{Order, Store as _, StoreError};

/// Rows that are added up before somebody may commit.
const ROWS_AT_ONCE: usize = 10_000;

/// Stretches that the rows of a family are divided into.
const STRETCHES: u128 = 8;

/// What rows add up to.
#[derive(Debug, Default)]
struct Stretch {
    seal: Seal,
    claims: Vec<Place>,
}

/// What a key goes on with after its family, as a number.
fn place(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(key.iter().skip(1)).for_each(|(to, from)| *to = *from);
    u128::from_be_bytes(bytes)
}

/// The seal that a format before the log keeps as a row.
pub(super) fn old_seal(db: &Database) -> Result<Option<Seal>, StoreError> {
    let row = guarded_read(|| db.get(seal::KEY))?;
    Ok(row.and_then(|row| Seal::of(&row)))
}

impl Sled {
    /// The seal of all rows as they are, by themselves, and where the claims among them are.
    pub(super) fn read_through(&self) -> Result<(Seal, ClaimIndex), StoreError> {
        // A sum has no order, so the stretches are added up side by side.
        let edges = self.edges()?;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut all = Stretch::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(from) = edges.get(n) else { return Ok(all) };
                let to = edges.get(n + 1).map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
                self.add_up(from, to, &mut all)?;
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
        let all = sums.into_iter().collect::<Result<Vec<Stretch>, StoreError>>()?;
        let sum = all.iter().fold(0, |sum: u64, stretch| sum.wrapping_add(stretch.seal.sum));
        let claims = all.into_iter().flat_map(|stretch| stretch.claims).collect();
        Ok((Seal { sum, ..Seal::default() }, claims))
    }

    /// Where stretches of rows begin, none of them a large part of all.
    fn edges(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut edges = vec![Vec::new()];
        for family in 0..PRIVATE_FROM {
            let end = |order| {
                let found = self.scan_checked(&[family], &[family + 1], order, 1)?;
                Ok::<u128, StoreError>(found.first().map_or(0, |row| place(&row.bytes)))
            };
            // Most keys go on with an id, an instant or a digest, and those are evenly spread.
            let (first, last) = (end(Order::Ascending)?, end(Order::Descending)?);
            let step = last.saturating_sub(first) / STRETCHES;
            let starts = (0..STRETCHES).map(|n| first + n * step);
            edges.extend(starts.map(|start| [&[family][..], &start.to_be_bytes()].concat()));
        }
        edges.dedup();
        Ok(edges)
    }

    fn add_up(&self, from: &[u8], to: Bound<&[u8]>, sum: &mut Stretch) -> Result<(), StoreError> {
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
                sum.seal.add(key, row);
                sum.claims.extend(claims::place_of(key));
                rows += 1;
                if rows == ROWS_AT_ONCE {
                    last = Some(key.to_vec());
                }
                Ok(rows < ROWS_AT_ONCE)
            })?;
            if last.is_none() {
                return Ok(());
            }
        }
    }
}
