//! What the dates of answers tell of our own clock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::carry::Courier;
use crate::model::{AccountId, Digest, Millis, Timestamp};
use crate::platforms::{self, Answer};
use crate::store::{Key, Record, UpkeepRecord, Write};

/// How long a clock that was found wrong is not relied on.
const DISTRUST: Millis = Millis::from_secs(48 * 3_600);
/// How often it is noted at most.
const NOTE_EVERY: Millis = Millis::from_secs(60);
/// Where it is noted.
const NOTE: Digest = Digest([1; 32]);

/// By how many milliseconds our clock is ahead of each account's platform.
#[derive(Debug, Default)]
pub(super) struct Dates(Mutex<BTreeMap<AccountId, i64>>);

impl Dates {
    fn known(&self) -> MutexGuard<'_, BTreeMap<AccountId, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an account's platform.
    pub(super) fn ahead(&self, account: AccountId) -> Option<i64> {
        self.known().get(&account).copied()
    }
}

impl Courier {
    /// Learns from an answer; a clock that is wrong is noted, for a later process life too.
    pub(super) async fn learn_clock(&self, account: AccountId, answer: &Answer) {
        let Answer::Heard { headers, at, .. } = answer else { return };
        let Some(ahead) = platforms::clock_ahead(headers, *at) else { return };
        let before = self.dates.known().insert(account, ahead);
        if !platforms::is_unsteady(ahead, before)
            || self.noted().is_some_and(|it| is_fresh(it, *at))
        {
            return;
        }
        tracing::warn!(ahead_ms = ahead, "this server's clock differs from a platform's: set it");
        let report = format!("{ahead} ms ahead of a platform's clock");
        let note = UpkeepRecord { name: "clock".to_owned(), ran_at: *at, report };
        let writes = vec![Write::Put(Key::Upkeep(NOTE), Record::Upkeep(note))];
        if let Err(problem) = self.options.engine.write(Vec::new(), writes).await {
            tracing::warn!(%problem, "that the clock is wrong could not be noted");
        }
    }

    /// Whether our clock was never found wrong within what matters for a sending at `since`.
    pub(super) fn is_steady(&self, since: Timestamp) -> bool {
        self.noted().is_none_or(|noted| noted.plus(DISTRUST) < since)
    }

    /// When the clock was last found wrong, by that clock.
    fn noted(&self) -> Option<Timestamp> {
        match self.options.store.get(&Key::Upkeep(NOTE)) {
            Ok(Some(Record::Upkeep(note))) => Some(note.ran_at),
            _ => None,
        }
    }
}

fn is_fresh(noted: Timestamp, now: Timestamp) -> bool {
    noted <= now && now.since(noted) < NOTE_EVERY
}
