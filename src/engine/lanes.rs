//! Who may begin next: one lane an account, slots in all, per platform and per account.
//!
//! A lane is served in the order its targets became due. A lane whose account rests after a rate
//! limit, or whose slots are taken, delays nobody but itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountId, BatchId, Platform, TargetIx, Timestamp};

/// A target that wants a slot, ordered by when it became due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiter {
    pub since: Timestamp,
    pub batch: BatchId,
    pub ix: TargetIx,
}

#[derive(Debug)]
struct Lane {
    platform: Platform,
    slots: u32,
    running: u32,
    waiting: BTreeSet<Waiter>,
    parked: bool,
}

impl Lane {
    fn head(&self) -> Option<Waiter> {
        let free = !self.parked && self.running < self.slots;
        if free { self.waiting.first().copied() } else { None }
    }
}

/// What a platform has of all slots, and who wants one.
#[derive(Debug, Default)]
struct Share {
    running: u32,
    /// Those who are first in a lane of theirs that has a slot free.
    heads: BTreeSet<(Waiter, AccountId)>,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    slots_max: u32,
    platform_slots_max: u32,
    running: u32,
    platforms: BTreeMap<Platform, Share>,
    lanes: BTreeMap<AccountId, Lane>,
    /// Until when accounts rest, whether or not anything waits for them.
    parked: BTreeMap<AccountId, Timestamp>,
    ends: BTreeSet<(Timestamp, AccountId)>,
    ready: usize,
}

impl Lanes {
    /// No lane yet; at most `slots_max` attempts in all and `platform_slots_max` a platform.
    pub(super) fn new(slots_max: u32, platform_slots_max: u32) -> Self {
        Self {
            slots_max,
            platform_slots_max,
            running: 0,
            platforms: BTreeMap::new(),
            lanes: BTreeMap::new(),
            parked: BTreeMap::new(),
            ends: BTreeSet::new(),
            ready: 0,
        }
    }

    /// Opens the account's lane, or adapts its slots.
    pub(super) fn open(&mut self, account: AccountId, platform: Platform, slots: u32) {
        let before = self.head_of(account);
        let parked = self.parked.contains_key(&account);
        let lane = self.lanes.entry(account).or_insert_with(|| Lane {
            platform,
            slots,
            running: 0,
            waiting: BTreeSet::new(),
            parked,
        });
        lane.slots = slots;
        self.refresh(account, before);
    }

    /// Puts a target into its lane; putting it in twice is no error.
    pub(super) fn enter(&mut self, account: AccountId, waiter: Waiter) {
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account)
            && lane.waiting.insert(waiter)
        {
            self.ready += 1;
        }
        self.refresh(account, before);
    }

    /// Takes a target out of its lane.
    pub(super) fn leave(&mut self, account: AccountId, waiter: Waiter) {
        self.remove(account, waiter);
        self.forget_idle(account);
    }

    fn remove(&mut self, account: AccountId, waiter: Waiter) {
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account)
            && lane.waiting.remove(&waiter)
        {
            self.ready -= 1;
        }
        self.refresh(account, before);
    }

    /// The target that may begin next; it leaves its lane and takes a slot.
    pub(super) fn next(&mut self) -> Option<(AccountId, Waiter)> {
        let (waiter, account) = self.first()?;
        self.remove(account, waiter);
        self.take(account);
        Some((account, waiter))
    }

    /// Takes a slot for a target of this account that is in no lane. False where there is none, or
    /// where anybody else is to have it.
    pub(super) fn take_at_once(&mut self, account: AccountId) -> bool {
        let free = self.lanes.get(&account).is_some_and(|lane| {
            let open = !lane.parked && lane.running < lane.slots;
            open && lane.waiting.is_empty() && self.has_room(lane.platform)
        });
        let granted = free && self.running < self.slots_max && self.first().is_none();
        if granted {
            self.take(account);
        }
        granted
    }

    /// Whether a target of this account may go on with the slot it has: nobody waits who could have
    /// it.
    pub(super) fn may_keep(&self, account: AccountId) -> bool {
        let alone =
            self.lanes.get(&account).is_some_and(|lane| !lane.parked && lane.waiting.is_empty());
        alone && self.platforms.values().all(|share| share.heads.is_empty())
    }

    /// Who may begin next.
    fn first(&self) -> Option<(Waiter, AccountId)> {
        if self.running >= self.slots_max {
            return None;
        }
        // Very many may wait for a platform that has no room: none of them is looked at.
        let open = self.platforms.values().filter(|it| it.running < self.platform_slots_max);
        open.filter_map(|share| share.heads.first()).min().copied()
    }

    fn has_room(&self, platform: Platform) -> bool {
        self.platforms.get(&platform).is_none_or(|it| it.running < self.platform_slots_max)
    }

    /// A slot is free again.
    pub(super) fn release(&mut self, account: AccountId) {
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account) {
            lane.running = lane.running.saturating_sub(1);
            let platform = lane.platform;
            self.running = self.running.saturating_sub(1);
            if let Some(share) = self.platforms.get_mut(&platform) {
                share.running = share.running.saturating_sub(1);
            }
        }
        self.refresh(account, before);
        self.forget_idle(account);
    }

    /// The account rests until then.
    pub(super) fn park(&mut self, account: AccountId, until: Timestamp) {
        if let Some(old) = self.parked.insert(account, until) {
            self.ends.remove(&(old, account));
        }
        self.ends.insert((until, account));
        self.note_parked(account, true);
    }

    /// Wakes an account whose rest is over by `now`.
    pub(super) fn unpark(&mut self, now: Timestamp) -> Option<AccountId> {
        let (_, account) = *self.ends.first().filter(|(until, _)| *until <= now)?;
        self.forget_park(account);
        Some(account)
    }

    /// The account does not rest any more.
    pub(super) fn forget_park(&mut self, account: AccountId) {
        if let Some(until) = self.parked.remove(&account) {
            self.ends.remove(&(until, account));
            self.note_parked(account, false);
            self.forget_idle(account);
        }
    }

    /// When the next rest is over.
    pub(super) fn next_unpark(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    fn note_parked(&mut self, account: AccountId, parked: bool) {
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account) {
            lane.parked = parked;
        }
        self.refresh(account, before);
    }

    /// Attempts under way.
    pub(super) fn running(&self) -> usize {
        usize::try_from(self.running).unwrap_or(usize::MAX)
    }

    /// Targets that wait for a slot.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Takes a slot of an account that has a lane.
    pub(super) fn take(&mut self, account: AccountId) {
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account) {
            lane.running += 1;
            self.running += 1;
            self.platforms.entry(lane.platform).or_default().running += 1;
        }
        self.refresh(account, before);
    }

    fn head_of(&self, account: AccountId) -> Option<Waiter> {
        self.lanes.get(&account).and_then(Lane::head)
    }

    fn refresh(&mut self, account: AccountId, before: Option<Waiter>) {
        let Some(lane) = self.lanes.get(&account) else { return };
        let after = lane.head();
        if before != after {
            let Share { heads, .. } = self.platforms.entry(lane.platform).or_default();
            if let Some(old) = before {
                heads.remove(&(old, account));
            }
            if let Some(new) = after {
                heads.insert((new, account));
            }
        }
    }

    fn forget_idle(&mut self, account: AccountId) {
        let lane = self.lanes.get(&account);
        if lane.is_some_and(|lane| lane.running == 0 && lane.waiting.is_empty()) {
            self.lanes.remove(&account);
        }
    }
}
