//! What rings, and who begins.
//!
//! What has become due stays where it is, and waits for a slot in its account's lane. Once it has
//! one it wakes and begins in one commit: to wake it before would write down what the time says
//! already.

use std::sync::Arc;

use super::core::Core;
use super::lanes::Waiter;
use crate::machine::{self, Refusal};
use crate::model::{
    AccountId, Batch, BatchId, Cursor, Digest, Event, Millis, ReplyState, StepRef, TargetIx,
    Timestamp,
};
use crate::store::StoreError;
use crate::workflow::Doubt;

/// Events of one batch that happen in one commit: with their targets and notices they stay far
/// below its limit.
pub(super) const EVENTS_MAX: usize = 8;
/// Batches rung in one turn: where very many become due at once, the first ones go out while the
/// others are looked at.
const RINGS_MAX: usize = 256;

impl Core {
    /// Rings the alarms that are due, or as many as one turn may: the others are due at once in the
    /// next one.
    pub(super) fn ring(&mut self) -> Result<(), StoreError> {
        let mut again = Vec::new();
        for _ in 0..RINGS_MAX {
            let Some(id) = self.alarms.ring(self.moment.at) else { break };
            if let Some(later) = self.ring_batch(id)? {
                again.push((id, later));
            }
        }
        for (id, later) in again {
            self.alarms.bring_forward(id, later);
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
        let mut due = Vec::new();
        for (ix, target) in batch.places() {
            match self.due_event(&batch, ix) {
                Due::Event(event) => due.push(event),
                Due::Enter => {
                    self.enter_lane(&batch, ix, target);
                    self.hot.entry(id).or_insert_with(|| Arc::clone(&batch));
                }
                Due::Later(at) => again = again.into_iter().chain([at]).min(),
                Due::Nothing => {}
            }
        }
        for events in due.chunks(EVENTS_MAX) {
            self.apply_expected(id, events.to_vec())?;
        }
        if let ReplyState::Pending { by } = batch.reply
            && by <= self.moment.at
        {
            self.apply_expected(id, vec![Event::ReplyDue])?;
        }
        if !self.alarms.has(id)
            && let Some(current) = self.hot.get(&id)
        {
            let next = machine::next_wake(current, self.moment.at);
            self.alarms.set(id, next);
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
            Cursor::Waiting { until, .. } | Cursor::Doubtful { until, .. } if until > now => {
                Due::Nothing
            }
            Cursor::Queued { .. } | Cursor::Waiting { .. } | Cursor::Ready { .. } => Due::Enter,
            // A clock that was set forward takes nothing off the time in which it may still land.
            Cursor::Doubtful { step, .. } => {
                let known = self.graces.get(&(batch.id, ix)).copied();
                self.woken(ix, known.or_else(|| self.grace(&target.definition, step)))
            }
            Cursor::Running(attempt) if attempt.epoch != self.epoch => {
                Due::Event(Event::Recovered { ix })
            }
            Cursor::Running(attempt) if attempt.deadline > now => Due::Nothing,
            Cursor::Running(_) => self.woken(ix, self.deadlines.get(&(batch.id, ix)).copied()),
            Cursor::Held { .. } | Cursor::Ended(_) => Due::Nothing,
        }
    }

    /// The waking of a target, unless it is not to be woken yet by the process's own time.
    fn woken(&self, ix: TargetIx, limit: Option<Millis>) -> Due {
        match limit {
            Some(limit) if limit > self.moment.uptime => {
                let left = Millis(limit.0 - self.moment.uptime.0);
                Due::Later(self.moment.at.plus(left))
            }
            _ => Due::Event(Event::Woke { ix }),
        }
    }

    /// How long a target is waited for that another process life left in doubt: nobody knows how
    /// long that was ago, for the clock may have been set meanwhile.
    fn grace(&self, definition: &Digest, step: StepRef) -> Option<Millis> {
        match self.catalog.get(definition)?.step(step)?.on_doubt {
            Doubt::Probe { grace, .. } => Some(grace),
            Doubt::Repeat | Doubt::Hold => None,
        }
    }

    /// Takes slots for those targets of a new batch that find one at once.
    pub(super) fn take_slots(&mut self, batch: &Batch) -> Vec<(AccountId, TargetIx)> {
        let mut taken = Vec::new();
        for (ix, target) in batch.places() {
            if let Cursor::Ready { .. } = target.cursor {
                self.open_lane(target);
                if self.lanes.take_at_once(target.account) {
                    taken.push((target.account, ix));
                }
            }
        }
        taken
    }

    /// Begins attempts as long as slots and waiters last.
    pub(super) fn hand_out_slots(&mut self) -> Result<(), StoreError> {
        if self.draining {
            return Ok(());
        }
        loop {
            let mut begins: Vec<(BatchId, Vec<(AccountId, TargetIx)>)> = Vec::new();
            while let Some((account, Waiter { since, batch, ix })) = self.lanes.next() {
                if since > self.moment.at && self.is_early(batch, ix)? {
                    self.lanes.release(account);
                    self.alarms.bring_forward(batch, since);
                    continue;
                }
                match begins.iter_mut().rev().find(|(other, _)| *other == batch) {
                    Some((_, targets)) => targets.push((account, ix)),
                    None => begins.push((batch, vec![(account, ix)])),
                }
            }
            if begins.is_empty() {
                return Ok(());
            }
            for (batch, targets) in begins {
                for targets in targets.chunks(EVENTS_MAX) {
                    self.begin(batch, targets)?;
                }
            }
        }
    }

    /// Whether it is too early for a target that is next; its batch's alarm lets it in again.
    fn is_early(&self, id: BatchId, ix: TargetIx) -> Result<bool, StoreError> {
        let batch = self.load(id)?;
        let target = batch.as_ref().and_then(|batch| batch.target(ix));
        Ok(target.is_some_and(|target| machine::is_early(target, self.moment.at)))
    }

    /// Begins attempts of one batch, which have their slots.
    fn begin(&mut self, id: BatchId, targets: &[(AccountId, TargetIx)]) -> Result<(), StoreError> {
        let mut events = Vec::with_capacity(2 * targets.len());
        if let Some(batch) = self.load(id)? {
            for (_, ix) in targets {
                events.extend(self.first_events(&batch, *ix));
            }
        }
        match (self.apply(id, events, vec![])?, targets) {
            (Ok(batch), _) => {
                self.note_begun(&batch, targets);
                Ok(())
            }
            (Err(refusal), [(account, _)]) => {
                self.lanes.release(*account);
                report_refusal(id, &refusal);
                Ok(())
            }
            // One of them is refused; the others need not suffer for it.
            (Err(_), many) => many.chunks(1).try_for_each(|one| self.begin(id, one)),
        }
    }

    /// What happens to a target that has a slot.
    fn first_events(&self, batch: &Batch, ix: TargetIx) -> Vec<Event> {
        let ready = batch.target(ix).is_some_and(|it| matches!(it.cursor, Cursor::Ready { .. }));
        match self.due_event(batch, ix) {
            Due::Enter if ready => vec![Event::Begun { ix }],
            Due::Enter => vec![Event::Woke { ix }, Event::Begun { ix }],
            // It has waited too long for its slot.
            Due::Event(event) => vec![event],
            Due::Later(_) | Due::Nothing => Vec::new(),
        }
    }

    /// Notes until when attempts may take that have just begun; a slot that none of them took is
    /// free again.
    pub(super) fn note_begun(&mut self, batch: &Batch, targets: &[(AccountId, TargetIx)]) {
        for (account, ix) in targets {
            match batch.target(*ix).map(|target| &target.cursor) {
                Some(Cursor::Running(attempt)) => {
                    let span = attempt.deadline.since(attempt.began_at);
                    let limit = Millis(self.moment.uptime.0 + span.0);
                    self.deadlines.insert((batch.id, *ix), limit);
                }
                _ => self.lanes.release(*account),
            }
        }
    }

    /// Applies events that the engine itself decided on; a refusal is a mistake of ours.
    fn apply_expected(&mut self, id: BatchId, events: Vec<Event>) -> Result<(), StoreError> {
        match self.apply(id, events.clone(), vec![])? {
            Ok(_) => Ok(()),
            Err(_) if events.len() > 1 => {
                events.into_iter().try_for_each(|event| self.apply_expected(id, vec![event]))
            }
            Err(refusal) => {
                report_refusal(id, &refusal);
                Ok(())
            }
        }
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
