//! Leaps of the wall clock: how long idempotency keys live in spite of them, and what they say of
//! the clock.
//!
//! A key's time is that of the server: what the wall clock leapt ahead of the process's own time
//! makes no key older, be it that somebody set it forward, that the machine slept, or that the
//! server was down, for that cannot be told from a clock that was set. Else all keys would look old
//! at once, and who then asked again with the same key would publish again. Each leap is noted in
//! the store until the keys that were made before it have had their time. A clock that is set back
//! takes back the newest of them.
//!
//! And a clock that leaps while the server runs, or that is behind where it was when it last ran,
//! was wrong before or is wrong now. By one that was ahead, what was sent landed earlier than we
//! would say: so that is noted too, as it is where a platform's answer shows it, and who reads back
//! looks further.

use super::core::{Core, Moment};
use crate::model::{Digest, Millis, Timestamp};
use crate::store::{Key, Order, Record, Store, StoreError, UpkeepRecord, Write};

/// Less is no leap: what a day counts for a key is nothing to so little, and a clock that is only
/// led is never off by more within one turn.
const LEAP_MIN: u64 = 10_000;
/// Leaps that are noted at most; beyond it the two oldest count as one.
const LEAPS_MAX: usize = 64;
/// How often it is noted what the clock says. By so much may keys outlive their time at a start.
const SEEN_EVERY: Millis = Millis::from_secs(600);
/// Where it is noted that the clock was wrong.
const WRONG: Key = Key::Upkeep(Digest([1; 32]));
/// Where it is noted what the clock said.
const SEEN: Key = Key::Upkeep(Digest([2; 32]));

/// A leap that is noted: the instant after it, and by how much keys of before live longer.
pub type Leap = (Timestamp, Millis);

/// What the engine knows of leaps.
#[derive(Debug, Clone)]
pub(super) struct Leaps {
    /// How far the wall clock was ahead of the process's own time when it was last compared. At
    /// first that of the last process life, as if no time had passed since.
    ahead: i64,
    /// What the store holds, oldest first.
    noted: Vec<Leap>,
    /// Whether they were not compared yet in this process life.
    first: bool,
    /// When it was last noted what the clock says, by the process's own time.
    seen: Millis,
}

impl Leaps {
    /// What the store holds, with this the first instant of process life `epoch` by both clocks.
    pub(super) fn read(
        store: &dyn Store,
        epoch: u64,
        at: Timestamp,
        uptime: Millis,
    ) -> Result<Self, StoreError> {
        let seen = match store.get(&SEEN)? {
            Some(Record::Upkeep(note)) => note.ran_at,
            _ => {
                store.commit(epoch, &[seen_at(at)])?;
                at
            }
        };
        Ok(Self { ahead: ahead(seen, uptime), noted: noted(store)?, first: true, seen: uptime })
    }

    /// Notes a leap, or takes it back where the clock was set back.
    fn note(&mut self, at: Timestamp, leapt: i64) {
        match u64::try_from(leapt) {
            Ok(ahead) => self.noted.push((at, Millis(ahead))),
            Err(_) => self.take_back(leapt.unsigned_abs()),
        }
        if self.noted.len() > LEAPS_MAX {
            let (_, oldest) = self.noted.remove(0);
            let next = &mut self.noted[0].1;
            next.0 = next.0.saturating_add(oldest.0);
        }
    }

    fn take_back(&mut self, mut back: u64) {
        while back > 0
            && let Some((_, span)) = self.noted.last_mut()
        {
            let taken = back.min(span.0);
            back -= taken;
            span.0 -= taken;
            if span.0 == 0 {
                self.noted.pop();
            }
        }
    }

    /// Forgets those before which no key can have been made that still lives.
    fn forget(&mut self, at: Timestamp, window: Millis) {
        let mut by_then = at;
        let mut lasting = 0;
        for (since, span) in self.noted.iter().rev() {
            if by_then.since(*since) >= window {
                break;
            }
            by_then = by_then.minus(*span);
            lasting += 1;
        }
        self.noted.drain(..self.noted.len() - lasting);
    }

    fn span(&self) -> Millis {
        Millis(self.noted.iter().fold(0, |sum: u64, (_, span)| sum.saturating_add(span.0)))
    }
}

/// The leaps that are noted in the store, oldest first.
///
/// # Errors
/// As `Store::scan`.
pub fn noted(store: &dyn Store) -> Result<Vec<Leap>, StoreError> {
    let rows = store.scan(&Key::FIRST_LEAP, &Key::LAST_LEAP, Order::Ascending, usize::MAX)?;
    let leaps = rows.into_iter().filter_map(|(key, _)| match key {
        Key::ClockLeap(at, span) => Some((at, span)),
        _ => None,
    });
    Ok(leaps.collect())
}

/// When the clock was last found wrong, by that clock.
pub fn clock_wrong_at(store: &dyn Store) -> Option<Timestamp> {
    match store.get(&WRONG) {
        Ok(Some(Record::Upkeep(note))) => Some(note.ran_at),
        _ => None,
    }
}

/// Notes that the clock was found wrong, and when by that clock; `report` says by what.
pub fn clock_was_wrong(store: &dyn Store, at: Timestamp, report: String) -> Write {
    // A clock that was ahead has been wrong until a time that is still to come.
    let at = clock_wrong_at(store).map_or(at, |last| last.max(at));
    let note = UpkeepRecord { name: "clock".to_owned(), ran_at: at, report };
    Write::Put(WRONG, Record::Upkeep(note))
}

impl Core {
    /// Compares the clocks, and notes by how much keys live longer from here on.
    pub(super) fn note_leap(&mut self) -> Result<(), StoreError> {
        let (at, uptime) = (self.moment.at, self.moment.uptime);
        let mut writes = Vec::new();
        let now_ahead = ahead(at, uptime);
        let leapt = now_ahead.saturating_sub(self.leaps.ahead);
        let before = self.leaps.noted.clone();
        let leaps = leapt.unsigned_abs() >= LEAP_MIN;
        if leaps {
            self.leaps.note(at, leapt);
            writes.extend(self.report_leap(leapt));
            writes.push(seen_at(at));
            self.leaps.seen = uptime;
        }
        if leaps || self.leaps.first {
            self.leaps.ahead = now_ahead;
            self.leaps.first = false;
        }
        self.leaps.forget(at, self.options.claim_window);
        let after = &self.leaps.noted;
        let gone = before.iter().filter(|leap| !after.contains(leap));
        writes.extend(gone.map(|(at, span)| Write::Delete(Key::ClockLeap(*at, *span))));
        let new = after.iter().filter(|leap| !before.contains(leap));
        writes.extend(new.map(|(at, span)| Write::New(Key::ClockLeap(*at, *span), Record::Mark)));
        if writes.is_empty() {
            return Ok(());
        }
        self.store.commit(self.epoch, &writes)?;
        self.dirty = true;
        Ok(())
    }

    /// Notes what the clock says, now and then, where a flush follows anyway. While the server runs
    /// its upkeep sees to it that one does each minute.
    pub(super) fn note_clock(&mut self) -> Result<(), StoreError> {
        let Moment { at, uptime, .. } = self.moment;
        if uptime.0.saturating_sub(self.leaps.seen.0) < SEEN_EVERY.0 {
            return Ok(());
        }
        self.leaps.seen = uptime;
        self.store.commit(self.epoch, &[seen_at(at)])
    }

    /// Says that the clock leapt; what is noted if it was wrong.
    fn report_leap(&self, leapt: i64) -> Option<Write> {
        let keys_live_longer_ms = self.leaps.span().0;
        if self.leaps.first && leapt > 0 {
            // The server was down: for so long at most, as far as anybody can tell.
            tracing::info!(down_ms_at_most = leapt, keys_live_longer_ms, "idempotency keys rested");
            return None;
        }
        let why = "the wall clock leapt: it was set, or the machine slept";
        tracing::warn!(leapt_ms = leapt, keys_live_longer_ms, "{why}");
        // The later one of the two that it showed.
        let until = self.moment.at.plus(Millis(u64::try_from(leapt.saturating_neg()).unwrap_or(0)));
        let report = format!("it leapt by {leapt} ms");
        Some(clock_was_wrong(self.store.as_ref(), until, report))
    }

    /// The instant by which it is told whether a key has expired.
    pub(super) fn claims_now(&self) -> Timestamp {
        self.moment.at.minus(self.leaps.span())
    }
}

/// The note of what the clock says.
fn seen_at(at: Timestamp) -> Write {
    let note = UpkeepRecord { name: "clock seen".to_owned(), ran_at: at, report: String::new() };
    Write::Put(SEEN, Record::Upkeep(note))
}

fn ahead(at: Timestamp, uptime: Millis) -> i64 {
    at.as_millis().saturating_sub_unsigned(uptime.0)
}
