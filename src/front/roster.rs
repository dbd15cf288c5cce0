//! Who is connected, and who has to make room when the house is full.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All open connections.
#[derive(Debug)]
pub struct Roster {
    max: usize,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Numbers seats and orders idleness.
    next: u64,
    /// Open seats and the bell of each.
    open: BTreeMap<u64, Arc<Notify>>,
    /// Seats without a request under way, the one that has been so longest first.
    idle: BTreeMap<u64, u64>,
    /// Seats whose client keeps a request waiting, the one whose request began first in front. What
    /// arrives in between does not make it younger: that is how one dribbles.
    slow: BTreeMap<u64, u64>,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing of a request has arrived.
    Quiet,
    /// A header is arriving.
    Header,
    /// A request is being answered.
    Busy,
}

/// What a client may keep us waiting for in the middle of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// More of the request's body.
    Body = 1,
    /// That it reads its answer.
    Reading = 2,
}

/// The place of one connection. Dropping it gives the place back.
#[derive(Debug)]
pub struct Seat {
    roster: Arc<Roster>,
    id: u64,
    bell: Arc<Notify>,
    /// `generation * 4 + phase`, so that a watcher sees that a phase began anew.
    mark: AtomicU64,
    /// The key in `idle`, or 0 while busy.
    idle_as: AtomicU64,
    /// The key in `slow` while something is awaited.
    turn: AtomicU64,
    /// What is awaited of the client: a bit for each `Awaited`.
    awaited: AtomicU8,
    /// Whether it was told to close while nothing was under way.
    dismissed: AtomicBool,
}

/// One request under way on a connection. Dropping it makes the connection quiet again.
#[derive(Debug)]
pub struct Turn(Arc<Seat>);

impl Roster {
    /// A roster with room for `max` connections.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), ledger: Mutex::default() })
    }

    /// Takes a place. When all are taken, a connection that waits for its client is asked to leave
    /// and its place is given away; `None` when we are at work for all of them.
    pub fn enter(self: &Arc<Self>) -> Option<Arc<Seat>> {
        let mut ledger = self.ledger();
        if ledger.open.len() >= self.max {
            ledger.make_room(self.max)?;
        }
        let id = ledger.number();
        let bell = Arc::new(Notify::new());
        ledger.open.insert(id, Arc::clone(&bell));
        let idle_as = ledger.number();
        ledger.idle.insert(idle_as, id);
        drop(ledger);
        let roster = Arc::clone(self);
        let (mark, idle_as) = (AtomicU64::new(0), AtomicU64::new(idle_as));
        let (turn, awaited) = (AtomicU64::new(0), AtomicU8::new(0));
        let dismissed = AtomicBool::new(false);
        Some(Arc::new(Seat { roster, id, bell, mark, idle_as, turn, awaited, dismissed }))
    }

    /// Asks a connection that waits for its client to leave; false when there is none.
    pub fn make_room(&self) -> bool {
        self.ledger().make_room(self.max).is_some()
    }

    /// How many are connected.
    pub fn open(&self) -> usize {
        self.ledger().open.len()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing in here can panic half way through a change.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whoever has been idle longest goes. But where less than half of the places are idle, those
    /// that dribble are the crowd, and the oldest of them goes: else who has just come, and is idle
    /// until its first byte is read, would go in their place.
    fn make_room(&mut self, max: usize) -> Option<()> {
        let crowded = self.idle.len() < max.div_ceil(2);
        let slow = if crowded { self.slow.pop_first() } else { None };
        let (_, seat) = slow.or_else(|| self.idle.pop_first())?;
        self.open.remove(&seat)?.notify_one();
        Some(())
    }
}

impl Seat {
    /// Resolves when the connection is asked to leave.
    pub async fn asked_to_leave(&self) {
        self.bell.notified().await;
    }

    /// What the connection does, and a number that changes whenever a phase begins.
    pub fn mark(&self) -> (Phase, u64) {
        let mark = self.mark.load(Ordering::Acquire);
        let phase = match mark % 4 {
            0 => Phase::Quiet,
            1 => Phase::Header,
            _ => Phase::Busy,
        };
        (phase, mark)
    }

    /// Notes that the connection closes; between requests there is nothing to linger for.
    pub fn dismiss(&self) {
        self.dismissed.store(self.mark().0 == Phase::Quiet, Ordering::Release);
    }

    /// Whether it was told to close while nothing was under way.
    pub fn dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Acquire)
    }

    /// Notes that bytes arrived.
    pub fn heard(&self) {
        if self.mark().0 == Phase::Quiet {
            self.set(Phase::Header);
        }
    }

    /// Notes that a request has begun.
    pub fn begin(self: &Arc<Self>) -> Turn {
        let idle_as = self.idle_as.swap(0, Ordering::AcqRel);
        let mut ledger = self.roster.ledger();
        ledger.idle.remove(&idle_as);
        let before = self.turn.swap(ledger.number(), Ordering::AcqRel);
        ledger.slow.remove(&before);
        self.awaited.store(0, Ordering::Release);
        drop(ledger);
        self.set(Phase::Busy);
        Turn(Arc::clone(self))
    }

    /// Notes whether the client keeps its request waiting.
    pub fn awaits(&self, what: Awaited, awaits: bool) {
        let bit = what as u8;
        if (self.awaited.load(Ordering::Acquire) & bit != 0) == awaits {
            return;
        }
        // Body and answer are two tasks' affair: what is noted changes under the ledger's lock.
        let mut ledger = self.roster.ledger();
        let before = match awaits {
            true => self.awaited.fetch_or(bit, Ordering::AcqRel),
            false => self.awaited.fetch_and(!bit, Ordering::AcqRel),
        };
        let turn = self.turn.load(Ordering::Acquire);
        match (before != 0, self.awaits_client()) {
            (false, true) if ledger.open.contains_key(&self.id) => {
                ledger.slow.insert(turn, self.id);
            }
            // Its place is given away already, and it was let finish; now it keeps waiting again.
            (false, true) => self.bell.notify_one(),
            (true, false) => {
                ledger.slow.remove(&turn);
            }
            _ => {}
        }
    }

    /// Whether the client keeps its request waiting.
    pub fn awaits_client(&self) -> bool {
        self.awaited.load(Ordering::Acquire) != 0
    }

    fn set(&self, phase: Phase) {
        let generation = self.mark.load(Ordering::Acquire) / 4 + 1;
        self.mark.store(generation * 4 + phase as u64, Ordering::Release);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let seat = &self.0;
        seat.awaits(Awaited::Body, false);
        seat.awaits(Awaited::Reading, false);
        let mut ledger = seat.roster.ledger();
        // One that lost its place while it was busy does not come back to the list.
        if ledger.open.contains_key(&seat.id) {
            let idle_as = ledger.number();
            ledger.idle.insert(idle_as, seat.id);
            seat.idle_as.store(idle_as, Ordering::Release);
        }
        drop(ledger);
        seat.set(Phase::Quiet);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut ledger = self.roster.ledger();
        ledger.open.remove(&self.id);
        ledger.idle.remove(&self.idle_as.load(Ordering::Acquire));
        ledger.slow.remove(&self.turn.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_idle_longest_makes_room_and_busy_ones_stay() {
        let roster = Roster::new(2);
        let first = roster.enter().expect("room");
        let second = roster.enter().expect("room");
        let turn = first.begin();
        let third = roster.enter().expect("the second is idle");
        assert_eq!(roster.open(), 2);
        let busy = third.begin();
        assert!(roster.enter().is_none(), "all are busy");
        drop(second);
        assert!(roster.enter().is_none(), "the second had no place left to give back");
        drop(turn);
        let fourth = roster.enter().expect("the first is idle again");
        drop(busy);
        drop((first, third));
        assert_eq!(roster.open(), 1);
        drop(fourth);
        assert_eq!(roster.open(), 0);
    }

    #[test]
    fn in_a_crowd_of_slow_ones_the_request_that_began_first_makes_room() {
        let roster = Roster::new(3);
        let (first, second) = (roster.enter().expect("room"), roster.enter().expect("room"));
        let turns = (first.begin(), second.begin());
        second.awaits(Awaited::Body, true);
        first.awaits(Awaited::Reading, true);
        // A byte in between does not make it younger.
        first.awaits(Awaited::Reading, false);
        first.awaits(Awaited::Reading, true);
        let newcomer = roster.enter().expect("room");
        let _fourth = roster.enter().expect("the first makes room");
        let open = |seat: &Seat| roster.ledger().open.contains_key(&seat.id);
        assert_eq!((open(&first), open(&second), open(&newcomer)), (false, true, true));
        // Now those without a request are the many: the one of them that came first goes.
        let _fifth = roster.enter().expect("the newcomer makes room");
        assert_eq!((open(&second), open(&newcomer)), (true, false));
        second.awaits(Awaited::Body, false);
        let _busy: Vec<_> = (0..2).map_while(|_| roster.enter()).map(|one| one.begin()).collect();
        assert!(roster.enter().is_none(), "we are at work for all");
        drop(turns);
        drop((first, second));
        assert!(roster.ledger().slow.is_empty());
    }

    #[test]
    fn phases_follow_the_request_and_marks_tell_them_apart() {
        let seat = Roster::new(1).enter().expect("room");
        let (phase, quiet) = seat.mark();
        assert_eq!(phase, Phase::Quiet);
        seat.heard();
        let header = seat.mark();
        assert_eq!(header.0, Phase::Header);
        seat.heard();
        assert_eq!(seat.mark(), header, "more bytes do not begin the header anew");
        let turn = seat.begin();
        assert_eq!(seat.mark().0, Phase::Busy);
        drop(turn);
        assert_eq!(seat.mark().0, Phase::Quiet);
        assert_ne!(seat.mark().1, quiet);
    }
}
