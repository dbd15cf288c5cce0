//! What an engine does once with a store that was restored from a backup, before anything runs.

use super::core::Core;
use crate::machine::Refusal;
use crate::model::{BatchId, Cursor, Event, Target, Timestamp};
use crate::store::{Key, Order, StoreError};

/// Records of one page of a scan.
const PAGE: usize = 1_024;

/// How the posts that had not settled go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Not touched: their time came after the server was lost.
    pub ahead: u64,
    /// Sent once more: the platform knows them by their key.
    pub repeated: u64,
    /// Read back first.
    pub read_back: u64,
    /// Held for an operator's ruling.
    pub held: u64,
    /// Over: the post was live already, and only its comment is not known.
    pub ended: u64,
}

/// Why a restored store cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch does not go on under this program.
    #[error("restore {batch}: {refusal}; use the program that made the backup")]
    Refused {
        /// The batch.
        batch: BatchId,
        /// Why.
        refusal: Refusal,
    },
}

impl Core {
    /// Puts in doubt whatever the server that made a backup at `since` may have carried out until
    /// it was lost. Durable when it returns.
    ///
    /// # Errors
    /// See `RestoreError`. The core must not be used again.
    pub fn restore(
        &mut self,
        since: Timestamp,
        lost_at: Timestamp,
    ) -> Result<Doubts, RestoreError> {
        let mut doubts = Doubts::default();
        // First all, then each: what is in doubt gets another timer.
        for batch in self.unsettled()? {
            self.restore_batch(batch, since, lost_at, &mut doubts)?;
        }
        self.store.flush()?;
        self.dirty = false;
        Ok(doubts)
    }

    fn restore_batch(
        &mut self,
        id: BatchId,
        since: Timestamp,
        lost_at: Timestamp,
        doubts: &mut Doubts,
    ) -> Result<(), RestoreError> {
        let Some(batch) = self.load(id)? else { return Ok(()) };
        let mut doubted = Vec::new();
        for (ix, target) in batch.places().filter(|(_, target)| !target.cursor.is_settled()) {
            if may_have_gone_on(target, lost_at) {
                let overdue = self.is_overdue(target);
                doubted.push(Event::Restored { ix, since, overdue });
            } else {
                doubts.ahead += 1;
            }
        }
        if doubted.is_empty() {
            return Ok(());
        }
        let places: Vec<_> = doubted.iter().filter_map(place).collect();
        let after = self
            .apply(id, doubted, Vec::new())?
            .map_err(|refusal| RestoreError::Refused { batch: id, refusal })?;
        for target in places.into_iter().filter_map(|ix| after.target(ix)) {
            match target.cursor {
                Cursor::Held { .. } => doubts.held += 1,
                Cursor::Doubtful { .. } => doubts.read_back += 1,
                Cursor::Ended(_) => doubts.ended += 1,
                Cursor::Queued { .. }
                | Cursor::Ready { .. }
                | Cursor::Running(_)
                | Cursor::Waiting { .. } => doubts.repeated += 1,
            }
        }
        Ok(())
    }

    /// As the ringing of its timer would find it.
    fn is_overdue(&self, target: &Target) -> bool {
        let (now, max) = (self.moment.at, self.options.max_lateness);
        matches!(target.cursor, Cursor::Queued { due } if now.since(due) > max)
    }

    fn unsettled(&self) -> Result<Vec<BatchId>, StoreError> {
        let mut found = Vec::new();
        let mut from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
        loop {
            let page = self.store.scan(&from, &Key::LAST_TIMER, Order::Ascending, PAGE)?;
            for (key, _) in &page {
                if let Key::Timer(at, batch) = key {
                    found.push(*batch);
                    from = Key::timer_after(*at, *batch);
                }
            }
            if page.len() < PAGE {
                return Ok(found);
            }
        }
    }
}

/// Whether the server that was lost may have moved a target. One that waited for a later time than
/// its last has not been moved by it.
const fn may_have_gone_on(target: &Target, lost_at: Timestamp) -> bool {
    match &target.cursor {
        Cursor::Ready { .. } | Cursor::Running(_) => true,
        Cursor::Queued { due } => due.as_millis() <= lost_at.as_millis(),
        Cursor::Waiting { until, .. } | Cursor::Doubtful { until, .. } => {
            until.as_millis() <= lost_at.as_millis()
        }
        Cursor::Held { .. } | Cursor::Ended(_) => false,
    }
}

fn place(event: &Event) -> Option<crate::model::TargetIx> {
    match event {
        Event::Restored { ix, .. } => Some(*ix),
        _ => None,
    }
}
