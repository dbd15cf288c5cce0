//! Leaps of the wall clock: how long idempotency keys live in spite of them, and what they say of
//! the clock.
//!
//! The wall clock alone tells how old a key is, for the process may have been down meanwhile. A
//! clock that is set forward makes all of them look old at once, and who then asked again with the
//! same key would publish again. So what the clock leapt ahead of the process's own time is noted
//! in the store, and keys live for as much longer: until all that were made before have had their
//! time. A clock that is set back takes away from it.
//!
//! And a clock that leaps was wrong before or is wrong now. By one that was ahead, what was sent
//! landed earlier than we would say: so that is noted too, as it is where a platform's answer shows
//! it, and who reads back looks further.

use super::core::Core;
use crate::model::{Digest, Millis, Timestamp};
use crate::store::{Key, Order, Record, Store, StoreError, UpkeepRecord, Write};

/// Less is no leap: what a day counts for a key is nothing to so little, and a clock that is only
/// led is never off by more within one turn.
const LEAP_MIN: u64 = 10_000;
/// Where it is noted that the clock was wrong.
const WRONG: Key = Key::Upkeep(Digest([1; 32]));

/// What the engine knows of leaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaps {
    /// How far the wall clock was ahead of the process's own time when it was last compared.
    ahead: i64,
    /// What is noted in the store: when it was, and by how much keys live longer.
    noted: Option<(Timestamp, Millis)>,
}

impl Leaps {
    /// What the store holds, with this the first instant of a process life by both clocks.
    pub(super) fn read(
        store: &dyn Store,
        at: Timestamp,
        uptime: Millis,
    ) -> Result<Self, StoreError> {
        Ok(Self { ahead: ahead(at, uptime), noted: noted(store)? })
    }

    fn span(&self) -> u64 {
        self.noted.map_or(0, |(_, span)| span.0)
    }
}

/// The leap that is noted in the store: when it was, and by how much keys live longer.
///
/// # Errors
/// As `Store::scan`.
pub fn noted(store: &dyn Store) -> Result<Option<(Timestamp, Millis)>, StoreError> {
    let (first, last) = (Key::FIRST_LEAP, Key::LAST_LEAP);
    let newest = store.scan(&first, &last, Order::Descending, 1)?;
    Ok(newest.first().and_then(|(key, _)| match key {
        Key::ClockLeap(at, span) => Some((*at, *span)),
        _ => None,
    }))
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
        let at = self.moment.at;
        let now_ahead = ahead(at, self.moment.uptime);
        let leapt = now_ahead.saturating_sub(self.leaps.ahead);
        let leapt = if leapt.unsigned_abs() < LEAP_MIN { 0 } else { leapt };
        let over = self.leaps.noted.is_some_and(|(since, _)| {
            let without = at.minus(Millis(u64::try_from(leapt).unwrap_or(0)));
            without.since(since) >= self.options.claim_window
        });
        if leapt == 0 && !over {
            return Ok(());
        }
        let left = if over { 0 } else { self.leaps.span() };
        let span = Millis(left.saturating_add_signed(leapt));
        if leapt != 0 {
            self.leaps.ahead = now_ahead;
            tracing::warn!(
                leapt_ms = leapt,
                keys_live_longer_ms = span.0,
                "the wall clock leapt: it was set, or the machine slept"
            );
        }
        let wrong = (leapt != 0).then(|| {
            // The later one of the two that it showed.
            let until = at.plus(Millis(u64::try_from(leapt.saturating_neg()).unwrap_or(0)));
            let report = format!("it leapt by {leapt} ms");
            clock_was_wrong(self.store.as_ref(), until, report)
        });
        let before = self.leaps.noted.take();
        self.leaps.noted = (span.0 > 0).then_some((at, span));
        let mut writes: Vec<Write> = wrong.into_iter().collect();
        if self.leaps.noted != before {
            let forget = before.map(|(at, span)| Write::Delete(Key::ClockLeap(at, span)));
            let key = self.leaps.noted.map(|(at, span)| Key::ClockLeap(at, span));
            writes.extend(forget);
            writes.extend(key.map(|key| Write::New(key, Record::Mark)));
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.store.commit(self.epoch, &writes)?;
        self.dirty = true;
        Ok(())
    }

    /// The instant by which it is told whether a key has expired.
    pub(super) fn claims_now(&self) -> Timestamp {
        self.moment.at.minus(Millis(self.leaps.span()))
    }
}

fn ahead(at: Timestamp, uptime: Millis) -> i64 {
    at.as_millis().saturating_sub_unsigned(uptime.0)
}
