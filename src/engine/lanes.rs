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
    parked_until: Option<Timestamp>,
}

impl Lane {
    fn head(&self) -> Option<Waiter> {
        let free = self.parked_until.is_none() && self.running < self.slots;
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
    parked: BTreeSet<(Timestamp, AccountId)>,
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
            parked: BTreeSet::new(),
            ready: 0,
        }
    }

    /// Whether the account has a lane.
    pub(super) fn knows(&self, account: AccountId) -> bool {
        self.lanes.contains_key(&account)
    }

    /// Opens the account's lane, or adapts its slots; `parked_until` counts for a new one only.
    pub(super) fn open(
        &mut self,
        account: AccountId,
        platform: Platform,
        slots: u32,
        parked_until: Option<Timestamp>,
    ) {
        let before = self.head_of(account);
        self.lanes.entry(account).or_insert_with(|| Lane {
            platform,
            slots,
            running: 0,
            waiting: BTreeSet::new(),
            parked_until,
        });
        if let Some(lane) = self.lanes.get_mut(&account) {
            lane.slots = slots;
            if let Some(until) = lane.parked_until {
                self.parked.insert((until, account));
            }
        }
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
            let open = lane.parked_until.is_none() && lane.running < lane.slots;
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
        let alone = self
            .lanes
            .get(&account)
            .is_some_and(|lane| lane.parked_until.is_none() && lane.waiting.is_empty());
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
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account) {
            if let Some(old) = lane.parked_until.replace(until) {
                self.parked.remove(&(old, account));
            }
            self.parked.insert((until, account));
        }
        self.refresh(account, before);
    }

    /// Wakes an account whose rest is over by `now`.
    pub(super) fn unpark(&mut self, now: Timestamp) -> Option<AccountId> {
        let (until, account) = *self.parked.first()?;
        if until > now {
            return None;
        }
        self.parked.remove(&(until, account));
        let before = self.head_of(account);
        if let Some(lane) = self.lanes.get_mut(&account) {
            lane.parked_until = None;
        }
        self.refresh(account, before);
        self.forget_idle(account);
        Some(account)
    }

    /// When the next rest is over.
    pub(super) fn next_unpark(&self) -> Option<Timestamp> {
        self.parked.first().map(|(until, _)| *until)
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
        let idle = self.lanes.get(&account).is_some_and(|lane| {
            lane.running == 0 && lane.waiting.is_empty() && lane.parked_until.is_none()
        });
        if idle {
            self.lanes.remove(&account);
        }
    }
}
