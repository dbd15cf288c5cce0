//! The engine's synchronous heart: turns.
//!
//! A turn applies its inputs, rings what is due, hands out slots, makes one commit for what happens
//! to a batch together and one flush for all, and returns what may leave. It owns no clock: the
//! moment is an argument. If the store refuses, the turn fails and the process must stop, because
//! memory may not run ahead of disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::alarms::Alarms;
use super::handle::{Input, Ticket};
use super::interface::{Call, EngineError, Health, NewNotice, Submitted};
use super::lanes::Lanes;
use super::leaps::Leaps;
use super::owned::Owned;
use crate::model::{
    AccountId, Batch, BatchId, Millis, Notice, NoticeId, Stamp, TargetIx, Timestamp, UlidFactory,
};
use crate::store::{Key, Order, Record, Store, StoreError, Write};
use crate::wire::Links;
use crate::workflow::Catalog;

/// Sequence numbers of one process life start at `epoch << EPOCH_SHIFT`, so that they grow across
/// restarts without being stored: room for 2^40 events a life.
const EPOCH_SHIFT: u32 = 40;
/// How far ahead stored timers are kept in memory.
const HORIZON: Millis = Millis::from_secs(60);
/// How long before the horizon it is moved on.
const HORIZON_REFILL: Millis = Millis::from_secs(30);
/// Records of one page of a scan.
const PAGE: usize = 1_024;
/// Rests that are ended in one commit: far below what it may hold.
const PARKS_MAX: usize = 256;

/// What an operator may set about the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long an immediate publish keeps its client waiting.
    pub sync_wait: Millis,
    /// How late a scheduled post may go out.
    pub max_lateness: Millis,
    /// How long an idempotency key is kept at least.
    pub claim_window: Millis,
    /// Attempts under way in all.
    pub slots_max: u32,
    /// Attempts under way on one platform.
    pub platform_slots_max: u32,
    /// Where error pages are.
    pub links: Links,
}

/// The instant of a turn, by both clocks, and its share of chance.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The wall clock: what schedules are made by. It may jump.
    pub at: Timestamp,
    /// Time since the process began: what deadlines of attempts under way are made by.
    pub uptime: Millis,
    /// Seeds the turn's randomness.
    pub entropy: u128,
}

/// What may leave after a turn, because the flush that recorded why is done.
pub enum Release {
    /// Carry out this attempt.
    Call(Call),
    /// Tell somebody who waits.
    Tell(Box<dyn FnOnce() + Send>),
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(call) => write!(f, "Call({} {})", call.batch.id, call.ix.0),
            Self::Tell(_) => f.write_str("Tell"),
        }
    }
}

/// How a client is told what became of its submission.
pub(super) type Teller = Box<dyn FnOnce(Result<Submitted, EngineError>) + Send>;

/// A client that waits for a batch to be answered.
pub(super) struct Waiting {
    pub tell: Teller,
    pub replayed: bool,
}

/// The engine's state. One thread owns it.
pub struct Core {
    pub(super) store: Arc<dyn Store>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) options: Options,
    pub(super) epoch: u64,
    seq: u64,
    pub(super) ulids: UlidFactory,
    /// Ids of notices grow across restarts and clock steps: they are the order of `GET /v1/events`.
    pub(super) notice_ids: UlidFactory,
    newest_notice: NoticeId,
    pub(super) hot: BTreeMap<BatchId, Arc<Batch>>,
    pub(super) alarms: Alarms,
    horizon: Timestamp,
    pub(super) lanes: Lanes,
    pub(super) leaps: Leaps,
    pub(super) owned: Owned,
    pub(super) deadlines: BTreeMap<(BatchId, TargetIx), Millis>,
    /// By the process's own time, until when what may still land is waited for before anybody looks
    /// whether it did.
    pub(super) graces: BTreeMap<(BatchId, TargetIx), Millis>,
    /// What was sent in this process life and is in doubt.
    pub(super) doubts: BTreeSet<(BatchId, TargetIx)>,
    pub(super) waiters: BTreeMap<BatchId, Vec<Waiting>>,
    pub(super) drains: Vec<Ticket<()>>,
    pub(super) draining: bool,
    pub(super) releases: Vec<Release>,
    pub(super) dirty: bool,
    pub(super) moment: Moment,
    entropy_drawn: u64,
    last_turn: Timestamp,
}

impl Core {
    /// Takes over what the store holds, as process life `epoch`.
    ///
    /// # Errors
    /// What the store said.
    pub fn open(
        store: Arc<dyn Store>,
        catalog: Arc<Catalog>,
        options: Options,
        epoch: u64,
        moment: Moment,
    ) -> Result<Self, StoreError> {
        let lanes = Lanes::new(options.slots_max, options.platform_slots_max);
        let newest = store.scan(&Key::FIRST_POST, &Key::LAST_POST, Order::Descending, 1)?;
        let last = match newest.first() {
            Some((Key::Post(post), Record::Post(place))) => post.raw().max(place.batch.raw()),
            _ => 0,
        };
        let first = Key::Notice(NoticeId::from_raw(0));
        let told = store.scan(&first, &Key::LAST_NOTICE, Order::Descending, 1)?;
        let newest_notice = match told.first() {
            Some((Key::Notice(id), _)) => *id,
            _ => NoticeId::from_raw(0),
        };
        // The newest may have been forgotten; what comes next must still come after it.
        let delivered = match store.get(&Key::NoticeCursor)? {
            Some(Record::NoticeCursor(id)) => id,
            _ => NoticeId::from_raw(0),
        };
        let newest_notice = newest_notice.max(delivered);
        let leaps = Leaps::read(store.as_ref(), epoch, moment.at, moment.uptime)?;
        let mut core = Self {
            store,
            catalog,
            options,
            epoch,
            seq: epoch << EPOCH_SHIFT,
            ulids: UlidFactory::above(last),
            notice_ids: UlidFactory::above(newest_notice.raw()),
            newest_notice,
            hot: BTreeMap::new(),
            alarms: Alarms::default(),
            horizon: moment.at.plus(HORIZON),
            lanes,
            leaps,
            owned: Owned::default(),
            deadlines: BTreeMap::new(),
            graces: BTreeMap::new(),
            doubts: BTreeSet::new(),
            waiters: BTreeMap::new(),
            drains: Vec::new(),
            draining: false,
            releases: Vec::new(),
            dirty: false,
            moment,
            entropy_drawn: 0,
            last_turn: moment.at,
        };
        core.adopt_parks()?;
        core.adopt_timers()?;
        core.finish_removals()?;
        Ok(core)
    }

    /// Runs one turn.
    ///
    /// # Errors
    /// What the store said. The core must not be used again.
    pub fn turn(
        &mut self,
        moment: Moment,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<Vec<Release>, StoreError> {
        self.decide(moment, inputs)?;
        self.settle()
    }

    /// The first half of a turn: all that is decided and committed in it.
    ///
    /// # Errors
    /// As `turn`.
    pub(super) fn decide(
        &mut self,
        moment: Moment,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<(), StoreError> {
        self.moment = moment;
        self.entropy_drawn = 0;
        // What the inputs ask is answered by how old keys are.
        self.note_leap()?;
        // Before the inputs: after a jump of the clock what they schedule may lie beyond the old
        // horizon and be due at once.
        self.move_horizon()?;
        self.take_all(inputs)?;
        self.ring()?;
        self.unpark()?;
        self.hand_out_slots()
    }

    /// The second half: makes it durable, and returns what may leave.
    ///
    /// # Errors
    /// As `turn`.
    pub(super) fn settle(&mut self) -> Result<Vec<Release>, StoreError> {
        if self.dirty {
            self.note_clock()?;
            self.store.flush()?;
            self.dirty = false;
        }
        self.last_turn = self.moment.at;
        self.settle_drain();
        Ok(std::mem::take(&mut self.releases))
    }

    /// Some of what turns leave to do that nobody waits for; how much is left.
    ///
    /// # Errors
    /// As `turn`.
    pub(super) fn tidy(&self, bytes: usize) -> Result<usize, StoreError> {
        self.store.tidy(bytes)
    }

    /// How long the shell may sleep, at most.
    pub fn idle_for(&self, now: Timestamp) -> Option<Millis> {
        let refill = self.horizon.minus(HORIZON_REFILL);
        let next = [self.alarms.earliest(), self.lanes.next_unpark(), Some(refill)];
        next.into_iter().flatten().min().map(|at| at.since(now))
    }

    /// Whether a drain has been asked for and nothing is under way any more.
    pub fn is_drained(&self) -> bool {
        self.draining && self.lanes.running() == 0
    }

    /// The newest notice.
    pub const fn newest_notice(&self) -> NoticeId {
        self.newest_notice
    }

    /// The write of a notice, under the next id.
    pub(super) fn notice(&mut self, new: NewNotice) -> Write {
        let at = self.moment.at;
        let entropy = u128::from(self.draw()) << 64 | u128::from(self.draw());
        let id = NoticeId::from_raw(self.notice_ids.next(at, entropy));
        self.newest_notice = id;
        let NewNotice { kind, request, data } = new;
        Write::New(Key::Notice(id), Record::Notice(Notice { id, kind, at, request, data }))
    }

    /// The process life.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn health(&self) -> Health {
        Health {
            last_turn: self.last_turn,
            next_timer: self.alarms.earliest(),
            running: self.lanes.running(),
            ready: self.lanes.ready(),
            hot: self.hot.len(),
        }
    }

    pub(super) fn stamp(&mut self) -> Stamp {
        self.seq += 1;
        let entropy = self.draw();
        Stamp { seq: self.seq, at: self.moment.at, entropy, epoch: self.epoch }
    }

    /// The next number of the turn's random sequence (splitmix64 over the turn's seed).
    pub(super) fn draw(&mut self) -> u64 {
        self.entropy_drawn += 1;
        let seed = u64::try_from(self.moment.entropy & u128::from(u64::MAX)).unwrap_or(0);
        let mut z = seed.wrapping_add(self.entropy_drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Whether stored timers up to this instant are all in memory.
    pub(super) fn is_near(&self, at: Timestamp) -> bool {
        at <= self.horizon
    }

    pub(super) fn tell(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.releases.push(Release::Tell(Box::new(tell)));
    }

    /// At start every account that rests is known, so that nobody looks for it later.
    fn adopt_parks(&mut self) -> Result<(), StoreError> {
        let (from, to) = (AccountId::from_raw(0), AccountId::from_raw(u128::MAX));
        let (from, to) = (Key::Park(from), Key::Park(to));
        for (key, record) in self.store.scan(&from, &to, Order::Ascending, usize::MAX)? {
            if let (Key::Park(account), Record::Park(park)) = (key, record) {
                self.lanes.park(account, park.until);
            }
        }
        Ok(())
    }

    /// At start every stored timer is looked at once: batches with an attempt under way are woken
    /// now, the near ones get an alarm.
    fn adopt_timers(&mut self) -> Result<(), StoreError> {
        let now = self.moment.at;
        let mut from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
        loop {
            let page = self.store.scan(&from, &Key::LAST_TIMER, Order::Ascending, PAGE)?;
            for (key, record) in &page {
                if let (Key::Timer(at, batch), Record::Timer(timer)) = (key, record) {
                    let at = if timer.running { now } else { *at };
                    if self.is_near(at) {
                        self.alarms.set(*batch, Some(at));
                    }
                }
            }
            match page.last() {
                Some((Key::Timer(at, batch), _)) if page.len() == PAGE => {
                    from = Key::timer_after(*at, *batch);
                }
                _ => return Ok(()),
            }
        }
    }

    fn move_horizon(&mut self) -> Result<(), StoreError> {
        let now = self.moment.at;
        if now.plus(HORIZON_REFILL) < self.horizon {
            return Ok(());
        }
        let mut from = Key::Timer(self.horizon, BatchId::from_raw(0));
        let horizon = now.plus(HORIZON);
        let to = Key::Timer(horizon, BatchId::from_raw(u128::MAX));
        loop {
            let page = self.store.scan(&from, &to, Order::Ascending, PAGE)?;
            for (key, _) in &page {
                if let Key::Timer(at, batch) = key
                    && !self.alarms.has(*batch)
                    && !self.hot.contains_key(batch)
                {
                    self.alarms.set(*batch, Some(*at));
                }
            }
            match page.last() {
                Some((Key::Timer(at, batch), _)) if page.len() == PAGE => {
                    from = Key::timer_after(*at, *batch);
                }
                _ => break,
            }
        }
        self.horizon = horizon;
        Ok(())
    }

    fn unpark(&mut self) -> Result<(), StoreError> {
        let over = std::iter::from_fn(|| self.lanes.unpark(self.moment.at));
        let ended: Vec<Write> = over.map(|account| Write::Delete(Key::Park(account))).collect();
        for some in ended.chunks(PARKS_MAX) {
            self.store.commit(self.epoch, some)?;
            self.dirty = true;
        }
        Ok(())
    }

    fn settle_drain(&mut self) {
        if self.is_drained() {
            for ticket in std::mem::take(&mut self.drains) {
                self.tell(move || {
                    let _ = ticket.send(());
                });
            }
        }
    }
}
