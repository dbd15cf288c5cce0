//! What rings, and who begins.

use std::sync::Arc;

use super::core::Core;
use crate::machine::Refusal;
use crate::model::{Batch, BatchId, Cursor, Event, ReplyState, TargetIx, Timestamp};
use crate::store::StoreError;

impl Core {
    /// Rings every alarm that is due.
    pub(super) fn ring(&mut self) -> Result<(), StoreError> {
        let mut again = Vec::new();
        while let Some(id) = self.alarms.ring(self.moment.at) {
            if let Some(later) = self.ring_batch(id)? {
                again.push((id, later));
            }
        }
        for (id, later) in again {
            let earliest = self.alarms.of(id).map_or(later, |at| at.min(later));
            self.alarms.set(id, Some(earliest));
        }
        Ok(())
    }

    /// Applies to a batch whatever is due in it. Returns when to look again if an attempt of
    /// this life only seems overdue because the wall clock jumped.
    fn ring_batch(&mut self, id: BatchId) -> Result<Option<Timestamp>, StoreError> {
        let Some(batch) = self.load(id)? else {
            tracing::error!(batch.id = %id, "a timer names a batch that is not stored");
            return Ok(None);
        };
        let mut again = None;
        for (ix, target) in batch.places() {
            match self.due_event(&batch, ix) {
                Due::Event(event) => self.apply_expected(id, event)?,
                Due::Enter => {
                    self.enter_lane(&batch, ix, target)?;
                    self.hot.entry(id).or_insert_with(|| Arc::clone(&batch));
                }
                Due::Later(at) => again = again.into_iter().chain([at]).min(),
                Due::Nothing => {}
            }
        }
        if let ReplyState::Pending { by } = batch.reply
            && by <= self.moment.at
        {
            self.apply_expected(id, Event::ReplyDue)?;
        }
        if !self.alarms.has(id)
            && let Some(current) = self.hot.get(&id)
        {
            let wake = crate::machine::live_wake(current);
            let ahead = wake.filter(|at| *at > self.moment.at);
            self.alarms.set(id, ahead);
        }
        Ok(again)
    }

    fn due_event(&self, batch: &Batch, ix: TargetIx) -> Due {
        let now = self.moment.at;
        let Some(target) = batch.target(ix) else { return Due::Nothing };
        match target.cursor {
            Cursor::Queued { due } if due > now => Due::Nothing,
            Cursor::Queued { due } if now.since(due) > self.options.max_lateness => {
                Due::Event(Event::Missed { ix })
            }
            Cursor::Queued { .. } => Due::Event(Event::Woke { ix }),
            Cursor::Waiting { until, .. } | Cursor::Doubtful { until, .. } if until > now => {
                Due::Nothing
            }
            Cursor::Waiting { .. } | Cursor::Doubtful { .. } => Due::Event(Event::Woke { ix }),
            Cursor::Ready { .. } => Due::Enter,
            Cursor::Running(attempt) if attempt.epoch != self.epoch => {
                Due::Event(Event::Recovered { ix })
            }
            Cursor::Running(attempt) if attempt.deadline > now => Due::Nothing,
            Cursor::Running(_) => match self.deadlines.get(&(batch.id, ix)) {
                Some(limit) if *limit > self.moment.uptime => {
                    let left = crate::model::Millis(limit.0 - self.moment.uptime.0);
                    Due::Later(now.plus(left))
                }
                _ => Due::Event(Event::Woke { ix }),
            },
            Cursor::Held { .. } | Cursor::Ended(_) => Due::Nothing,
        }
    }

    /// Begins attempts as long as slots and waiters last.
    pub(super) fn hand_out_slots(&mut self) -> Result<(), StoreError> {
        if self.draining {
            return Ok(());
        }
        while let Some((account, waiter)) = self.lanes.next() {
            let begun = self.apply(waiter.batch, vec![Event::Begun { ix: waiter.ix }], vec![])?;
            match begun {
                Ok(batch) => {
                    if let Some(target) = batch.target(waiter.ix)
                        && let Cursor::Running(attempt) = target.cursor
                    {
                        let span = attempt.deadline.since(attempt.began_at);
                        let limit = crate::model::Millis(self.moment.uptime.0 + span.0);
                        self.deadlines.insert((waiter.batch, waiter.ix), limit);
                    }
                }
                Err(refusal) => {
                    self.lanes.release(account);
                    report_refusal(waiter.batch, &refusal);
                }
            }
        }
        Ok(())
    }

    /// Applies an event that the engine itself decided on; a refusal is a mistake of ours.
    pub(super) fn apply_expected(&mut self, id: BatchId, event: Event) -> Result<(), StoreError> {
        if let Err(refusal) = self.apply(id, vec![event], vec![])? {
            report_refusal(id, &refusal);
        }
        Ok(())
    }
}

enum Due {
    Event(Event),
    Enter,
    Later(Timestamp),
    Nothing,
}

fn report_refusal(batch: BatchId, refusal: &Refusal) {
    tracing::error!(batch.id = %batch, %refusal, "an event of our own was refused");
}
