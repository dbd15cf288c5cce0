//! Leaps of the wall clock, and how long idempotency keys live in spite of them.
//!
//! The wall clock alone tells how old a key is, for the process may have been down meanwhile. A
//! clock that is set forward makes all of them look old at once, and who then asked again with the
//! same key would publish again. So what the clock leapt ahead of the process's own time is noted
//! in the store, and keys live for as much longer: until all that were made before have had their
//! time. A clock that is set back takes away from it.

use super::core::Core;
use crate::model::{Millis, Timestamp};
use crate::store::{Key, Order, Record, Store, StoreError, Write};

/// Less is no leap: what a day counts for a key is nothing to so little, and a clock that is only
/// led is never off by more within one turn.
const LEAP_MIN: u64 = 10_000;

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
            tracing::warn!(leapt_ms = leapt, keys_live_longer_ms = span.0, "the clock was set");
        }
        let before = self.leaps.noted.take();
        self.leaps.noted = (span.0 > 0).then_some((at, span));
        if self.leaps.noted == before {
            return Ok(());
        }
        let forget = before.map(|(at, span)| Write::Delete(Key::ClockLeap(at, span)));
        let keep = self.leaps.noted.map(|(at, span)| {
            let key = Key::ClockLeap(at, span);
            Write::New(key, Record::Mark)
        });
        let writes: Vec<Write> = forget.into_iter().chain(keep).collect();
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
