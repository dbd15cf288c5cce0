//! What clients and operators change, and the removal of accounts.

use std::sync::Arc;

use super::core::Core;
use super::interface::{Change, ChangeError, Changed};
use crate::machine::Refusal;
use crate::model::{
    AccountId, Batch, BatchId, CancelReason, Content, ContentIx, Cursor, Event, PostId,
    SCHEDULE_LEAD_MIN, Target, TargetIx, Timestamp,
};
use crate::store::{Key, Order, Record, StoreError, Write};

/// Timers of one page of a scan.
const PAGE: usize = 1_024;

impl Core {
    /// Changes one post.
    pub(super) fn change(
        &mut self,
        post: PostId,
        change: Change,
    ) -> Result<Result<Changed, ChangeError>, StoreError> {
        let Some(Record::Post(place)) = self.store.get(&Key::Post(post))? else {
            return Ok(Err(ChangeError::Unknown));
        };
        let Some(batch) = self.load(place.batch)? else { return Ok(Err(ChangeError::Unknown)) };
        let Some(target) = batch.target(place.ix) else { return Ok(Err(ChangeError::Unknown)) };
        let ix = place.ix;
        let events = match change {
            Change::Patch { due, content } => match self.patch(&batch, ix, due, content) {
                Ok(events) => events,
                Err(refused) => return Ok(Err(refused)),
            },
            Change::Cancel { reason } => vec![Event::Canceled { ix, reason }],
            Change::Rule { ruling } => vec![Event::Ruled { ix, ruling }],
        };
        let status = status_of(&batch, target);
        Ok(match self.apply(place.batch, events, vec![])? {
            Ok(batch) => Ok(Changed { batch, ix }),
            Err(Refusal::Window) => Err(ChangeError::Window),
            Err(_) => Err(ChangeError::Status { status }),
        })
    }

    fn patch(
        &self,
        batch: &Batch,
        ix: TargetIx,
        due: Option<Timestamp>,
        content: Option<(ContentIx, Content)>,
    ) -> Result<Vec<Event>, ChangeError> {
        let Some(target) = batch.target(ix) else { return Err(ChangeError::Unknown) };
        match target.cursor {
            Cursor::Queued { due } if due <= self.moment.at => return Err(ChangeError::Window),
            Cursor::Queued { .. } => {}
            _ => return Err(ChangeError::Status { status: status_of(batch, target) }),
        }
        let mut events = Vec::new();
        if let Some(due) = due {
            if due < self.moment.at.plus(SCHEDULE_LEAD_MIN) {
                return Err(ChangeError::TooSoon);
            }
            events.push(Event::Rescheduled { ix, due });
        }
        if let Some((from, content)) = content {
            if target.content != from {
                return Err(ChangeError::Raced);
            }
            let next = batch.contents.keys().next_back().map_or(0, |place| place.0 + 1);
            let place = ContentIx(next);
            events.push(Event::Edited { ix, place, content: Arc::new(content) });
        }
        Ok(events)
    }

    /// Cancels what is queued for an account, then forgets the account. False when there is none.
    /// The account goes last, so that a crash in between leaves it there to be removed again.
    pub(super) fn remove_account(&mut self, account: AccountId) -> Result<bool, StoreError> {
        if self.store.get(&Key::Account(account))?.is_none() {
            return Ok(false);
        }
        let mut from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
        loop {
            let page = self.store.scan(&from, &Key::LAST_TIMER, Order::Ascending, PAGE)?;
            for (key, _) in &page {
                if let Key::Timer(_, batch) = key {
                    self.cancel_for(*batch, account)?;
                }
            }
            match page.last() {
                Some((Key::Timer(at, batch), _)) if page.len() == PAGE => {
                    from = Key::timer_after(*at, *batch);
                }
                _ => break,
            }
        }
        let gone = [Key::Account(account), Key::Credential(account), Key::Park(account)];
        self.store.commit(self.epoch, &gone.map(Write::Delete))?;
        self.dirty = true;
        Ok(true)
    }

    fn cancel_for(&mut self, id: BatchId, account: AccountId) -> Result<(), StoreError> {
        let Some(batch) = self.load(id)? else { return Ok(()) };
        for (ix, target) in batch.places() {
            if target.account == account {
                let reason = CancelReason::AccountRemoved;
                // What has begun and may be live finishes by itself.
                let _ = self.apply(id, vec![Event::Canceled { ix, reason }], vec![])?;
            }
        }
        Ok(())
    }
}

fn status_of(batch: &Batch, target: &Target) -> &'static str {
    crate::wire::post_status(target, batch.scheduled_at.is_some())
}
