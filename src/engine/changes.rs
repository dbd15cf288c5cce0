//! What clients and operators change, and the removal of accounts.

use std::sync::Arc;

use super::core::Core;
use super::inputs::Claimed;
use super::interface::{Asking, Change, ChangeError, Changed, EngineError};
use crate::machine::Refusal;
use crate::model::{
    AccountId, Batch, BatchId, CancelReason, Content, ContentIx, Cursor, Event, PostId, RequestId,
    SCHEDULE_LEAD_MIN, TargetIx, Timestamp,
};
use crate::store::{Key, Order, Record, StoreError, Write};
use crate::wire::{self, Reply, post_status};

/// Timers of one page of a scan.
const PAGE: usize = 1_024;

impl Core {
    /// Changes one post, and keeps the reply under its claim in the same commit. An equal claim
    /// that came first gets its own reply again, and nothing changes.
    pub(super) fn change(
        &mut self,
        post: PostId,
        change: Change,
        asking: Asking,
    ) -> Result<Result<Changed, ChangeError>, StoreError> {
        let Some(Record::Post(place)) = self.store.get(&Key::Post(post))? else {
            return Ok(Err(ChangeError::Unknown));
        };
        let Some(batch) = self.load(place.batch)? else { return Ok(Err(ChangeError::Unknown)) };
        let Some(target) = batch.target(place.ix) else { return Ok(Err(ChangeError::Unknown)) };
        let ix = place.ix;
        let mut extra = Vec::new();
        if let Some(claim) = asking.claim {
            match self.claimed(claim)? {
                Claimed::Free(cleared) => extra = cleared,
                Claimed::Replied(reply) => {
                    return Ok(Ok(Changed { batch, ix, reply, replayed: true }));
                }
                Claimed::Running(_) => return Ok(Err(EngineError::InProgress.into())),
                Claimed::Mismatch => return Ok(Err(EngineError::Mismatch.into())),
            }
        }
        let events = match self.events(&batch, ix, &change, &asking) {
            Ok(events) => events,
            Err(refused) => return Ok(Err(refused)),
        };
        let plan = match self.plan(place.batch, events)? {
            Ok(plan) => plan,
            Err(Refusal::Window) => return Ok(Err(ChangeError::Window)),
            Err(Refusal::Doubtful) => return Ok(Err(ChangeError::Doubtful)),
            Err(_) => return Ok(Err(ChangeError::Status { status: post_status(target) })),
        };
        let reply = self.changed_reply(&plan.batch, ix, &change, &asking)?;
        if let Some(claim) = asking.claim {
            extra.extend(self.reply_writes(claim, &reply));
        }
        let batch = self.carry_through(plan, extra, asking.request.as_ref())?;
        Ok(Ok(Changed { batch, ix, reply, replayed: false }))
    }

    fn events(
        &self,
        batch: &Batch,
        ix: TargetIx,
        change: &Change,
        asking: &Asking,
    ) -> Result<Vec<Event>, ChangeError> {
        match change {
            Change::Patch { due, content } => {
                self.patch(batch, ix, *due, content.clone(), asking.request.clone())
            }
            Change::Cancel { reason } => Ok(vec![Event::Canceled { ix, reason: *reason }]),
            Change::Rule { ruling } => Ok(vec![Event::Ruled { ix, ruling: ruling.clone() }]),
            Change::Retry { due, force } => {
                let soonest = self.moment.at.plus(SCHEDULE_LEAD_MIN);
                let due = due.unwrap_or(soonest);
                if due < soonest {
                    return Err(ChangeError::TooSoon);
                }
                let request = asking.request.clone();
                Ok(vec![Event::Retried { ix, due, request, force: *force }])
            }
        }
    }

    /// What the client of a change is told.
    fn changed_reply(
        &self,
        batch: &Arc<Batch>,
        ix: TargetIx,
        change: &Change,
        asking: &Asking,
    ) -> Result<Reply, StoreError> {
        let Some(target) = batch.target(ix) else {
            return Ok(Reply { status: 200, body: Vec::new() });
        };
        let body = match change {
            Change::Cancel { .. } => wire::cancel_body(target.post),
            Change::Retry { .. } => wire::retry_body(target),
            Change::Patch { .. } | Change::Rule { .. } => {
                let account = match self.store.get(&Key::Account(target.account))? {
                    Some(Record::Account(account)) => Some(account),
                    _ => None,
                };
                let mut shown = Batch::clone(batch);
                if let Some(target) = shown.targets.get_mut(usize::from(ix.0)) {
                    Arc::make_mut(target).warnings.extend_from_slice(&asking.warnings);
                }
                wire::post_body(&shown, ix, account.as_ref(), None, &self.options.links)
            }
        };
        Ok(Reply { status: 200, body })
    }

    fn patch(
        &self,
        batch: &Batch,
        ix: TargetIx,
        due: Option<Timestamp>,
        content: Option<(ContentIx, Content)>,
        request: Option<RequestId>,
    ) -> Result<Vec<Event>, ChangeError> {
        let Some(target) = batch.target(ix) else { return Err(ChangeError::Unknown) };
        match target.cursor {
            Cursor::Queued { due } if due <= self.moment.at => return Err(ChangeError::Window),
            Cursor::Queued { .. } => {}
            _ => return Err(ChangeError::Status { status: post_status(target) }),
        }
        let mut events = Vec::new();
        if let Some(due) = due {
            if due < self.moment.at.plus(SCHEDULE_LEAD_MIN) {
                return Err(ChangeError::TooSoon);
            }
            events.push(Event::Rescheduled { ix, due, request });
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
