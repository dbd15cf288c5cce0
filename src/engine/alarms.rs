//! Which batches must be looked at when: the near part of the stored timers, in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{BatchId, Timestamp};

/// One alarm a batch, ordered by time.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    by_time: BTreeSet<(Timestamp, BatchId)>,
    by_batch: BTreeMap<BatchId, Timestamp>,
}

impl Alarms {
    /// Sets, moves or clears a batch's alarm.
    pub(super) fn set(&mut self, batch: BatchId, at: Option<Timestamp>) {
        let old = match at {
            Some(at) => self.by_batch.insert(batch, at),
            None => self.by_batch.remove(&batch),
        };
        if let Some(old) = old {
            self.by_time.remove(&(old, batch));
        }
        if let Some(at) = at {
            self.by_time.insert((at, batch));
        }
    }

    /// Whether the batch has an alarm.
    pub(super) fn has(&self, batch: BatchId) -> bool {
        self.by_batch.contains_key(&batch)
    }

    /// Sees to it that the batch's alarm rings at this time at the latest.
    pub(super) fn bring_forward(&mut self, batch: BatchId, at: Timestamp) {
        let earliest = self.by_batch.get(&batch).map_or(at, |set| at.min(*set));
        self.set(batch, Some(earliest));
    }

    /// Takes the earliest alarm that rings by `now`.
    pub(super) fn ring(&mut self, now: Timestamp) -> Option<BatchId> {
        let (at, batch) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.set(batch, None);
        Some(batch)
    }

    /// When the earliest alarm rings.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
