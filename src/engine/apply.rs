//! How an event becomes a commit: the machine's answer, the journal entry, the timer, the indexes
//! and the idempotency record, all in one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::{Core, Release};
use super::interface::{Call, EngineError, NewNotice, Submitted};
use super::lanes::Waiter;
use super::owned;
use super::plan::Plan;
use crate::machine::{self, Effects, Refusal, Tidings};
use crate::model::{
    Batch, BatchId, Content, Cursor, Errand, Event, JournalEntry, MediaId, MediaSource, Millis,
    RequestId, Target, TargetIx, Timestamp,
};
use crate::store::{
    ClaimRecord, ClaimState, Key, Order, ParkRecord, Record, StoreError, TimerRecord, Write,
    batch_writes, load_batch,
};
use crate::wire;

/// A batch that is not woken within this many milliseconds need not stay in memory.
const HOT_MS: u64 = 2_000;
/// How far before a doubtful sending a post of ours may have landed and still match it: as far as a
/// read-back looks where the clock is not to be relied on, and two hours.
const OWNED_BEFORE: Millis = Millis::from_secs(40 * 3_600);
/// How much further is looked, for the next one asks about a moment before or after.
const OWNED_MARGIN: Millis = Millis::from_secs(180);

impl Core {
    /// The batch as it stands, from memory or from the store.
    pub(super) fn load(&self, id: BatchId) -> Result<Option<Arc<Batch>>, StoreError> {
        match self.hot.get(&id) {
            Some(batch) => Ok(Some(Arc::clone(batch))),
            None => Ok(load_batch(self.store.as_ref(), id)?.map(Arc::new)),
        }
    }

    /// Applies events to one batch in one commit, with `extra` writes beside. All happen or none.
    pub(super) fn apply(
        &mut self,
        id: BatchId,
        events: Vec<Event>,
        extra: Vec<Write>,
    ) -> Result<Result<Arc<Batch>, Refusal>, StoreError> {
        match self.plan(id, events)? {
            Ok(plan) => self.carry_through(plan, extra, None).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Makes a batch under an id that was never given out, with `extra` writes beside. Those of its
    /// targets that find a slot at once begin in the same commit.
    pub(super) fn found(
        &mut self,
        batch: Batch,
        extra: Vec<Write>,
    ) -> Result<Result<(), EngineError>, StoreError> {
        let id = batch.id;
        let begun = self.take_slots(&batch);
        let begins = begun.iter().map(|(_, ix)| Event::Begun { ix: *ix });
        let events = [Event::Accepted(Box::new(batch))].into_iter().chain(begins).collect();
        let problem = match self.plan_on(None, id, events) {
            Err(refusal) => EngineError::Refused(refusal.to_string()),
            Ok(plan) => match self.carry_through(plan, extra, None) {
                Ok(batch) => {
                    self.note_begun(&batch, &begun);
                    return Ok(Ok(()));
                }
                Err(StoreError::TooLarge { bytes, max }) => EngineError::TooLarge(format!(
                    "the request needs {bytes} bytes in one commit, at most {max}"
                )),
                Err(other) => return Err(other),
            },
        };
        begun.iter().for_each(|(account, _)| self.lanes.release(*account));
        Ok(Err(problem))
    }

    /// What events make of a batch. Nothing has happened yet.
    pub(super) fn plan(
        &mut self,
        id: BatchId,
        events: Vec<Event>,
    ) -> Result<Result<Plan, Refusal>, StoreError> {
        let old = self.load(id)?;
        Ok(self.plan_on(old, id, events))
    }

    /// What events make of the batch that stands as `old`.
    pub(super) fn plan_on(
        &mut self,
        old: Option<Arc<Batch>>,
        id: BatchId,
        events: Vec<Event>,
    ) -> Result<Plan, Refusal> {
        let mut batch = old.clone();
        let mut entries = Vec::with_capacity(events.len());
        let mut effects = Vec::with_capacity(events.len());
        for event in events {
            let stamp = self.stamp();
            match machine::transition(batch.as_deref(), &stamp, &event, &self.catalog) {
                Err(refusal) => return Err(refusal),
                Ok((next, effect)) => {
                    let n = next.entries - 1;
                    let entry = JournalEntry { batch: id, n, stamp, event };
                    entries.push(Write::New(Key::Entry(id, n), Record::Entry(Box::new(entry))));
                    batch = Some(Arc::new(next));
                    effects.push(effect);
                }
            }
        }
        let Some(batch) = batch else { return Err(Refusal::NoBatch) };
        Ok(Plan { old, batch, entries, effects })
    }

    /// Makes a plan happen, with `extra` writes beside, in one commit. `request` asked for it.
    pub(super) fn carry_through(
        &mut self,
        mut plan: Plan,
        extra: Vec<Write>,
        request: Option<&RequestId>,
    ) -> Result<Arc<Batch>, StoreError> {
        let mut writes = extra;
        writes.reserve(plan.writes_about());
        let batch = Arc::clone(&plan.batch);
        self.plan_writes(&mut plan, request, &mut writes)?;
        self.store.commit(self.epoch, &writes)?;
        self.dirty = true;
        self.follow(plan)?;
        Ok(batch)
    }

    /// Makes several plans, each for another batch, happen in one commit.
    pub(super) fn carry_all_through(
        &mut self,
        mut plans: Vec<Plan>,
        extra: Vec<Write>,
    ) -> Result<(), StoreError> {
        let mut writes = extra;
        writes.reserve(plans.iter().map(Plan::writes_about).sum());
        for plan in &mut plans {
            self.plan_writes(plan, None, &mut writes)?;
        }
        self.store.commit(self.epoch, &writes)?;
        self.dirty = true;
        plans.into_iter().try_for_each(|plan| self.follow(plan))
    }

    fn plan_writes(
        &mut self,
        plan: &mut Plan,
        request: Option<&RequestId>,
        writes: &mut Vec<Write>,
    ) -> Result<(), StoreError> {
        let Plan { old, batch, entries, effects } = plan;
        let old = old.as_deref();
        writes.append(entries);
        writes.extend(batch_writes(old, batch));
        self.timer_writes(old, batch, writes);
        upload_writes(old, batch, writes);
        self.effect_writes(batch, effects, request, writes)
    }

    /// What follows in memory once a plan is committed.
    fn follow(&mut self, plan: Plan) -> Result<(), StoreError> {
        self.remember(plan.old.as_deref(), &plan.batch);
        let settled = plan.effects.iter().any(|effect| effect.settled);
        self.owned.follow(&plan.batch, settled, self.moment.at);
        self.follow_effects(&plan.batch, &plan.effects)
    }

    fn timer_writes(&self, old: Option<&Batch>, new: &Batch, writes: &mut Vec<Write>) {
        let before = old.and_then(timer_of);
        let after = timer_of(new);
        if before == after {
            return;
        }
        if let Some((at, _)) = before {
            writes.push(Write::Delete(Key::Timer(at, new.id)));
        }
        if let Some((at, running)) = after {
            // Of one and the same key both writes speak, and so the store looks.
            let record = Record::Timer(TimerRecord { running });
            writes.push(Write::New(Key::Timer(at, new.id), record));
        }
    }

    fn effect_writes(
        &mut self,
        batch: &Arc<Batch>,
        effects: &[Effects],
        request: Option<&RequestId>,
        writes: &mut Vec<Write>,
    ) -> Result<(), StoreError> {
        for effect in effects {
            for (ix, tidings) in &effect.tidings {
                writes.extend(self.told(batch, *ix, tidings, request));
            }
            if let Some((account, until)) = effect.park {
                let record = Record::Park(ParkRecord { until });
                writes.push(Write::Put(Key::Park(account), record));
            }
            if effect.settled {
                writes.push(Write::Put(Key::Settled(self.moment.at, batch.id), Record::Mark));
            }
            if effect.reply.is_some() {
                self.reply(batch, writes)?;
            }
        }
        Ok(())
    }

    /// The notice of what is told of a post. Without a request that asked right now, it is put down
    /// to the one that gave the post its time.
    fn told(
        &mut self,
        batch: &Batch,
        ix: TargetIx,
        tidings: &Tidings,
        request: Option<&RequestId>,
    ) -> Option<Write> {
        let links = &self.options.links;
        let (kind, data) = wire::post_notice(batch, ix, tidings, self.moment.at, links)?;
        let timed_by = batch.target(ix).and_then(|target| target.timed_by.as_ref());
        let request = request.or(timed_by).unwrap_or(&batch.request_id).clone();
        Some(self.notice(NewNotice { kind, request: Some(request), data }))
    }

    /// Decides the answer of the creating request: rendered once, kept under its claim, told to
    /// everybody who waits.
    fn reply(&mut self, batch: &Arc<Batch>, writes: &mut Vec<Write>) -> Result<(), StoreError> {
        let reply = wire::batch_reply(batch, &self.options.links);
        if let Some(claim) = batch.claim {
            // The accepting commit brings its own record in the same writes; afterwards the
            // stored one is completed.
            let pending = writes.iter_mut().find_map(|write| match write {
                Write::Put(Key::Claim(_, id), Record::Claim(record))
                | Write::New(Key::Claim(_, id), Record::Claim(record))
                    if *id == claim =>
                {
                    Some(record)
                }
                _ => None,
            });
            let state = ClaimState::Replied { status: reply.status, body: reply.body.clone() };
            match pending {
                Some(record) => record.state = state,
                None => {
                    if let Some((key, record)) = self.store.claim(&claim)? {
                        let record = ClaimRecord { state, ..record };
                        writes.push(Write::Put(key, Record::Claim(record)));
                    }
                }
            }
        }
        for waiting in self.waiters.remove(&batch.id).unwrap_or_default() {
            let answer = Submitted { reply: reply.clone(), replayed: waiting.replayed };
            self.tell(move || (waiting.tell)(Ok(answer)));
        }
        Ok(())
    }

    /// Keeps lanes, alarms and the memory of hot batches in step with the new state.
    fn remember(&mut self, old: Option<&Batch>, new: &Arc<Batch>) {
        for (ix, target) in new.places() {
            let before = old.and_then(|batch| batch.target(ix));
            if before.is_some_and(|before| Arc::ptr_eq(before, target)) {
                continue;
            }
            if let Some(before) = before {
                self.leave_lane(new.id, ix, before);
                self.note_doubt((new.id, ix), before, target);
            }
            if let Cursor::Ready { .. } = target.cursor {
                self.enter_lane(new, ix, target);
            }
            if let Cursor::Doubtful { until, .. } = target.cursor {
                let limit = self.moment.uptime.0 + until.since(self.moment.at).0;
                self.graces.insert((new.id, ix), Millis(limit));
            }
        }
        let busy = is_busy(new);
        let wake = machine::live_wake(new, self.moment.at);
        let near = wake.is_some_and(|at| self.is_near(at));
        let soon = wake.is_some_and(|at| at.since(self.moment.at).0 < HOT_MS);
        // What stays in memory has its alarm there: nobody looks for it in the store.
        self.alarms.set(new.id, if busy || near || soon { wake } else { None });
        if busy || (soon && !new.is_settled()) {
            self.hot.insert(new.id, Arc::clone(new));
        } else {
            self.hot.remove(&new.id);
        }
    }

    /// Keeps in mind what of this life is in doubt.
    fn note_doubt(&mut self, place: (BatchId, TargetIx), before: &Target, after: &Target) {
        let sent_now = matches!(before.cursor, Cursor::Running(it) if it.epoch == self.epoch);
        if after.doubt_since.is_none() {
            self.doubts.remove(&place);
        } else if before.doubt_since.is_none() && sent_now {
            self.doubts.insert(place);
        }
    }

    fn leave_lane(&mut self, batch: BatchId, ix: TargetIx, before: &Target) {
        if let Some(since) = waits_since(before) {
            self.lanes.leave(before.account, Waiter { since, batch, ix });
        }
        match before.cursor {
            Cursor::Running(attempt) if attempt.epoch == self.epoch => {
                self.deadlines.remove(&(batch, ix));
                self.lanes.release(before.account);
            }
            Cursor::Doubtful { .. } => {
                self.graces.remove(&(batch, ix));
            }
            Cursor::Running(_)
            | Cursor::Ready { .. }
            | Cursor::Queued { .. }
            | Cursor::Waiting { .. }
            | Cursor::Held { .. }
            | Cursor::Ended(_) => {}
        }
    }

    /// Puts a target that wants a slot into its account's lane.
    pub(super) fn enter_lane(&mut self, batch: &Batch, ix: TargetIx, target: &Target) {
        if let Some(since) = waits_since(target) {
            self.open_lane(target);
            self.lanes.enter(target.account, Waiter { since, batch: batch.id, ix });
        }
    }

    /// Sees to it that the target's account has a lane.
    pub(super) fn open_lane(&mut self, target: &Target) {
        let slots = self.catalog.get(&target.definition).map_or(1, |def| def.account_slots);
        self.lanes.open(target.account, target.platform, slots);
    }

    fn follow_effects(
        &mut self,
        batch: &Arc<Batch>,
        effects: &[Effects],
    ) -> Result<(), StoreError> {
        for effect in effects {
            if let Some((account, until)) = effect.park {
                self.lanes.park(account, until);
            }
            if let Some(ix) = effect.call {
                let owned = self.owned(batch, ix)?;
                let doubtful = batch.target(ix).is_some_and(|it| it.doubt_since.is_some());
                let inherited = doubtful && !self.doubts.contains(&(batch.id, ix));
                let call = Call { batch: Arc::clone(batch), ix, owned, inherited };
                self.releases.push(Release::Call(call));
            }
        }
        Ok(())
    }

    /// For a read-back: the addresses of other posts of ours on the same account that may have
    /// landed in the same span of time.
    pub(super) fn owned(&mut self, batch: &Batch, ix: TargetIx) -> Result<Vec<String>, StoreError> {
        let Some(target) = batch.target(ix) else { return Ok(Vec::new()) };
        let probing =
            matches!(target.cursor, Cursor::Running(attempt) if attempt.errand == Errand::Probe);
        let Some(since) = target.doubt_since.filter(|_| probing) else { return Ok(Vec::new()) };
        let from = since.minus(OWNED_BEFORE);
        self.recall_settled(from)?;
        let (account, own) = (target.account, (batch.id, ix));
        let mut owned: Vec<String> = self.owned.on(account, from, own).map(str::to_owned).collect();
        let mut gather = |other: &Batch| {
            for (place, post) in other.places() {
                if post.account == account && (other.id, place) != own {
                    owned.extend(post.receipt.iter().filter_map(|receipt| receipt.uri.clone()));
                    owned.extend(post.comment.iter().filter_map(|receipt| receipt.uri.clone()));
                }
            }
        };
        self.hot.values().for_each(|other| gather(other));
        gather(batch);
        Ok(owned)
    }

    /// Sees to it that whatever settled from this instant on is in memory.
    fn recall_settled(&mut self, from: Timestamp) -> Result<(), StoreError> {
        if self.owned.reaches(from) {
            return Ok(());
        }
        let from = from.minus(OWNED_MARGIN);
        let first = Key::Settled(from, BatchId::from_raw(0));
        let settled =
            self.store.scan(&first, &Key::LAST_SETTLED, Order::Descending, owned::BATCHES_MAX)?;
        for (key, _) in &settled {
            if let Key::Settled(at, id) = key
                && !self.owned.knows(*at, *id)
                && let Some(batch) = self.load(*id)?
            {
                self.owned.put(*at, &batch);
            }
        }
        self.owned.reach_to(from);
        Ok(())
    }
}

/// Keeps note of the uploads that a batch still needs.
fn upload_writes(old: Option<&Batch>, new: &Batch, writes: &mut Vec<Write>) {
    let named = |batch: &Batch| batch.contents.values().any(|content| names_uploads(content));
    if !named(new) && !old.is_some_and(named) {
        return;
    }
    let before = old.map(uploads).unwrap_or_default();
    let after = uploads(new);
    for id in before.difference(&after) {
        writes.push(Write::Delete(Key::MediaUse(*id, new.id)));
    }
    for id in after.difference(&before) {
        writes.push(Write::Put(Key::MediaUse(*id, new.id), Record::Mark));
    }
}

fn names_uploads(content: &Content) -> bool {
    content.media.iter().any(|item| matches!(item.source, MediaSource::Upload(_)))
}

fn uploads(batch: &Batch) -> BTreeSet<MediaId> {
    let unsettled = batch.targets.iter().filter(|target| !target.cursor.is_settled());
    let items = unsettled.flat_map(|target| &batch.content_of(target).media);
    items
        .filter_map(|item| match item.source {
            MediaSource::Upload(id) => Some(id),
            MediaSource::Url(_) | MediaSource::Inline(_) => None,
        })
        .collect()
}

/// Since when a target waits for a slot, if that is what it waits for: one whose time is still to
/// come does so from then on.
fn waits_since(target: &Target) -> Option<Timestamp> {
    match target.cursor {
        Cursor::Ready { since, .. } => Some(since),
        Cursor::Queued { due } => Some(due),
        Cursor::Waiting { until, .. } => Some(until),
        Cursor::Running(_) | Cursor::Doubtful { .. } | Cursor::Held { .. } | Cursor::Ended(_) => {
            None
        }
    }
}

/// Whether it has an attempt under way, or wants one.
fn is_busy(batch: &Batch) -> bool {
    let mut cursors = batch.targets.iter().map(|target| &target.cursor);
    cursors.any(|cursor| matches!(cursor, Cursor::Ready { .. } | Cursor::Running(_)))
}

fn timer_of(batch: &Batch) -> Option<(Timestamp, bool)> {
    machine::stored_wake(batch).map(|at| (at, is_busy(batch)))
}
