//! What clients and operators change, and the removal of accounts.

use std::sync::Arc;

use super::core::Core;
use super::inputs::Claimed;
use super::interface::{Asking, Change, ChangeError, Changed, EngineError};
use crate::machine::{self, Refusal};
use crate::model::{
    AccountId, Batch, BatchId, CancelReason, Content, ContentIx, Cursor, Event, PostId, RequestId,
    SCHEDULE_LEAD_MIN, TARGETS_MAX, TargetIx, Timestamp,
};
use crate::store::{Key, Order, Record, StoreError, Write};
use crate::wire::{self, Reply, post_status};

/// Timers of one page of a scan.
const PAGE: usize = 1_024;
/// Targets canceled in one commit: as many as one batch may have, so that it always fits.
const CANCELED_IN_ONE: usize = TARGETS_MAX;

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
            extra.push(self.reply_write(claim, &reply));
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

    /// Cancels what is queued for an account and forgets the account, in one commit. Where that is
    /// too much for one, a mark goes first, and a new process life finishes what it says.
    pub(super) fn remove_account(&mut self, account: AccountId) -> Result<bool, StoreError> {
        let mark = Key::Removing(account);
        let marked = self.store.get(&mark)?.is_some();
        if !marked && self.store.get(&Key::Account(account))?.is_none() {
            return Ok(false);
        }
        let mut waiting = self.waiting_for(account)?;
        let gone = [Key::Account(account), Key::Credential(account), Key::Park(account), mark];
        let gone: Vec<Write> = gone.map(Write::Delete).into();
        if share(&waiting) < waiting.len() {
            self.store.commit(self.epoch, &[Write::Put(mark, Record::Mark)])?;
        }
        while share(&waiting) < waiting.len() {
            let rest = waiting.split_off(share(&waiting));
            self.cancel_all(account, &waiting, Vec::new())?;
            waiting = rest;
        }
        self.cancel_all(account, &waiting, gone)?;
        self.lanes.forget_park(account);
        Ok(true)
    }

    /// Finishes removals that a process life could not.
    pub(super) fn finish_removals(&mut self) -> Result<(), StoreError> {
        let (from, to) = (AccountId::from_raw(0), AccountId::from_raw(u128::MAX));
        let (from, to) = (Key::Removing(from), Key::Removing(to));
        for (key, _) in self.store.scan(&from, &to, Order::Ascending, usize::MAX)? {
            if let Key::Removing(account) = key {
                self.remove_account(account)?;
            }
        }
        Ok(())
    }

    /// The unsettled batches that name an account, and in how many targets.
    fn waiting_for(&self, account: AccountId) -> Result<Vec<(BatchId, usize)>, StoreError> {
        let mut found = Vec::new();
        let mut from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
        loop {
            let page = self.store.scan(&from, &Key::LAST_TIMER, Order::Ascending, PAGE)?;
            for (key, _) in &page {
                let Key::Timer(_, id) = key else { continue };
                let Some(batch) = self.load(*id)? else { continue };
                let own = batch.targets.iter().filter(|target| target.account == account);
                match own.count() {
                    0 => {}
                    count => found.push((*id, count)),
                }
            }
            match page.last() {
                Some((Key::Timer(at, batch), _)) if page.len() == PAGE => {
                    from = Key::timer_after(*at, *batch);
                }
                _ => return Ok(found),
            }
        }
    }

    /// Cancels what these batches have waiting for an account, with `extra` writes beside, in one
    /// commit. What has begun and may be live finishes by itself.
    fn cancel_all(
        &mut self,
        account: AccountId,
        waiting: &[(BatchId, usize)],
        extra: Vec<Write>,
    ) -> Result<(), StoreError> {
        let reason = CancelReason::AccountRemoved;
        let mut plans = Vec::new();
        for (id, _) in waiting {
            let Some(batch) = self.load(*id)? else { continue };
            let own = batch.places().filter(|(_, target)| target.account == account);
            let events: Vec<Event> = own
                .filter(|(_, target)| machine::may_cancel(target, reason))
                .map(|(ix, _)| Event::Canceled { ix, reason })
                .collect();
            if events.is_empty() {
                continue;
            }
            match self.plan(*id, events)? {
                Ok(plan) => plans.push(plan),
                Err(refusal) => {
                    tracing::error!(batch.id = %id, %refusal, "a cancel of our own was refused");
                }
            }
        }
        self.carry_all_through(plans, extra)
    }
}

/// How many of these batches go into one commit, at least one.
fn share(waiting: &[(BatchId, usize)]) -> usize {
    let mut sum = 0;
    let fits = waiting.iter().take_while(|(_, targets)| {
        sum += targets;
        sum <= CANCELED_IN_ONE
    });
    fits.count().max(1)
}
