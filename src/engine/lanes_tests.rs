//! Lanes against what they are to mean.

use proptest::prelude::*;

use super::lanes::{Lanes, Waiter};
use crate::model::{AccountId, BatchId, Platform, TargetIx, Timestamp};

const SLOTS_MAX: u32 = 5;
const PLATFORM_SLOTS_MAX: u32 = 3;

/// What may happen to a lane.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(u128, i64),
    Leave(usize),
    Next,
    TakeAtOnce(u128),
    Release(usize),
    Park(u128, i64),
    Unpark(i64),
}

/// The same, told at length.
#[derive(Default)]
struct Plain {
    waiting: Vec<(Waiter, AccountId)>,
    running: Vec<AccountId>,
    parked: Vec<(Timestamp, AccountId)>,
}

fn account(n: u128) -> AccountId {
    AccountId::from_raw(n)
}

/// Accounts 0 to 3 are on one platform, the others on another one.
fn platform(account: AccountId) -> Platform {
    if account.raw() < 4 { Platform::Bluesky } else { Platform::Sandbox }
}

/// Some accounts publish two posts at a time.
fn slots(account: AccountId) -> u32 {
    if account.raw().is_multiple_of(3) { 2 } else { 1 }
}

fn waiter(since: i64, n: usize) -> Waiter {
    let batch = BatchId::from_raw(u128::try_from(n).expect("small"));
    Waiter { since: Timestamp::from_millis(since), batch, ix: TargetIx(0) }
}

fn count<T>(of: &[T], which: impl Fn(&T) -> bool) -> u32 {
    u32::try_from(of.iter().filter(|one| which(one)).count()).expect("few")
}

impl Plain {
    fn has_slot(&self, account: AccountId) -> bool {
        let on = |other: &AccountId| platform(*other) == platform(account);
        count(&self.running, |_| true) < SLOTS_MAX
            && count(&self.running, on) < PLATFORM_SLOTS_MAX
            && count(&self.running, |other| *other == account) < slots(account)
            && !self.parked.iter().any(|(_, other)| *other == account)
    }

    fn next(&mut self) -> Option<(AccountId, Waiter)> {
        let first = self.waiting.iter().copied().filter(|(_, it)| self.has_slot(*it)).min()?;
        self.waiting.retain(|other| *other != first);
        self.running.push(first.1);
        Some((first.1, first.0))
    }

    fn take_at_once(&mut self, account: AccountId) -> bool {
        let others = self.waiting.iter().any(|(_, it)| *it == account || self.has_slot(*it));
        let taken = self.has_slot(account) && !others;
        self.running.extend(taken.then_some(account));
        taken
    }

    /// Whether what runs could be another's.
    fn may_keep(&self, account: AccountId) -> bool {
        let free = |it: AccountId| {
            let running = count(&self.running, |other| *other == it);
            running < slots(it) && !self.parked.iter().any(|(_, other)| *other == it)
        };
        let parked = self.parked.iter().any(|(_, other)| *other == account);
        !parked && !self.waiting.iter().any(|(_, it)| *it == account || free(*it))
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u128..8, 0i64..20).prop_map(|(account, since)| Step::Enter(account, since)),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => Just(Step::Next),
        2 => (0u128..8).prop_map(Step::TakeAtOnce),
        5 => any::<usize>().prop_map(Step::Release),
        1 => (0u128..8, 0i64..20).prop_map(|(account, until)| Step::Park(account, until)),
        1 => (0i64..20).prop_map(Step::Unpark),
    ];
    proptest::collection::vec(step, 1..80)
}

fn open(lanes: &mut Lanes, account: AccountId) {
    lanes.open(account, platform(account), slots(account));
}

fn take_step(
    lanes: &mut Lanes,
    plain: &mut Plain,
    n: usize,
    step: Step,
) -> Result<(), TestCaseError> {
    match step {
        Step::Enter(of, since) => {
            open(lanes, account(of));
            lanes.enter(account(of), waiter(since, n));
            plain.waiting.push((waiter(since, n), account(of)));
        }
        Step::Leave(at) if !plain.waiting.is_empty() => {
            let (waiter, account) = plain.waiting.swap_remove(at % plain.waiting.len());
            lanes.leave(account, waiter);
        }
        Step::Next => prop_assert_eq!(lanes.next(), plain.next()),
        Step::TakeAtOnce(of) => {
            open(lanes, account(of));
            prop_assert_eq!(lanes.take_at_once(account(of)), plain.take_at_once(account(of)));
        }
        Step::Release(at) if !plain.running.is_empty() => {
            let account = plain.running[at % plain.running.len()];
            prop_assert_eq!(lanes.may_keep(account), plain.may_keep(account));
            plain.running.swap_remove(at % plain.running.len());
            lanes.release(account);
        }
        Step::Park(of, until) => {
            lanes.park(account(of), Timestamp::from_millis(until));
            plain.parked.retain(|(_, other)| *other != account(of));
            plain.parked.push((Timestamp::from_millis(until), account(of)));
        }
        Step::Unpark(now) => {
            let now = Timestamp::from_millis(now);
            while let Some(account) = lanes.unpark(now) {
                prop_assert!(plain.parked.iter().any(|(at, it)| *it == account && *at <= now));
                plain.parked.retain(|(_, other)| *other != account);
            }
            prop_assert!(plain.parked.iter().all(|(at, _)| *at > now));
        }
        Step::Leave(_) | Step::Release(_) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_first_who_may_begin_is_next(steps in steps()) {
        let (mut lanes, mut plain) = (Lanes::new(SLOTS_MAX, PLATFORM_SLOTS_MAX), Plain::default());
        for (n, step) in steps.into_iter().enumerate() {
            take_step(&mut lanes, &mut plain, n, step)?;
            prop_assert_eq!(lanes.running(), plain.running.len());
            prop_assert_eq!(lanes.ready(), plain.waiting.len());
            prop_assert_eq!(lanes.next_unpark(), plain.parked.iter().map(|(at, _)| *at).min());
        }
        // Nobody is left behind once all slots are free.
        while !plain.running.is_empty() || !plain.parked.is_empty() {
            for account in std::mem::take(&mut plain.running) {
                lanes.release(account);
            }
            while lanes.unpark(Timestamp::from_millis(20)).is_some() {}
            plain.parked.clear();
            while let Some(next) = plain.next() {
                prop_assert_eq!(lanes.next(), Some(next));
            }
        }
        prop_assert_eq!((lanes.ready(), lanes.running()), (plain.waiting.len(), 0));
    }
}
