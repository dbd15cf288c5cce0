//! What the dates of answers tell of our own clock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::carry::Courier;
use crate::engine::{Call, clock_was_wrong, clock_wrong_at};
use crate::model::{AccountId, Millis, Timestamp};
use crate::platforms::{self, Answer, ClockTrust};

/// How long a clock that was found wrong is not relied on.
const DISTRUST: Millis = Millis::from_secs(48 * 3_600);
/// How often it is noted at most.
const NOTE_EVERY: Millis = Millis::from_secs(60);

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

    /// Learns from an answer: what shows that our clock is not to be relied on, and when.
    pub(super) fn learn(&self, account: AccountId, answer: &Answer) -> Option<(i64, Timestamp)> {
        let Answer::Heard { headers, at, .. } = answer else { return None };
        let ahead = platforms::clock_ahead(headers, *at)?;
        let before = self.known().insert(account, ahead);
        platforms::is_unsteady(ahead, before).then_some((ahead, *at))
    }
}

impl Courier {
    /// Notes that the clock is wrong, for a later process life too.
    pub(super) async fn note_clock(&self, (ahead, at): (i64, Timestamp)) {
        let store = self.options.store.as_ref();
        if clock_wrong_at(store).is_some_and(|last| is_fresh(last, at)) {
            return;
        }
        tracing::warn!(ahead_ms = ahead, "this server's clock differs from a platform's: set it");
        let note = clock_was_wrong(store, at, format!("{ahead} ms ahead of a platform's clock"));
        if let Err(problem) = self.options.engine.write(Vec::new(), vec![note]).await {
            tracing::warn!(%problem, "that the clock is wrong could not be noted");
        }
    }

    /// Whether our clock is relied on about a sending at `since`.
    pub(super) fn trust(&self, call: &Call, since: Timestamp) -> ClockTrust {
        trust(clock_wrong_at(self.options.store.as_ref()), call.inherited, since)
    }
}

/// Whether it is relied on about a sending at `since`, which an earlier process life may have made,
/// when it was last found wrong at `noted`.
fn trust(noted: Option<Timestamp>, inherited: bool, since: Timestamp) -> ClockTrust {
    match noted {
        Some(noted) if noted.plus(DISTRUST) >= since => ClockTrust::Wrong,
        _ if inherited => ClockTrust::Unwatched,
        _ => ClockTrust::Steady,
    }
}

fn is_fresh(noted: Timestamp, now: Timestamp) -> bool {
    noted <= now && now.since(noted) < NOTE_EVERY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Memory, Store};

    const ACCOUNT: AccountId = AccountId::from_raw(1);

    /// Heard at this second of our clock, and dated by this one of the platform's.
    fn heard(ours: i64, theirs: i64) -> Answer {
        let at = jiff::Timestamp::from_second(theirs).expect("a time");
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at);
        let headers = vec![("date".to_owned(), date.expect("a date"))];
        let at = Timestamp::from_millis(ours * 1_000);
        Answer::Heard { status: 200, headers, body: Vec::new(), at }
    }

    #[test]
    fn a_clock_that_is_off_or_moves_is_seen() {
        let dates = Dates::default();
        let sees = |ours, theirs| dates.learn(ACCOUNT, &heard(ours, theirs)).map(|it| it.0);
        assert_eq!(sees(1_000, 995), None);
        assert_eq!(dates.ahead(ACCOUNT), Some(5_000));
        assert_eq!(sees(5_000, 1_400), Some(3_600_000), "an hour ahead");
        assert_eq!(sees(1_500, 1_500), Some(0), "right again, but it moved");
        assert_eq!(sees(1_501, 1_501), None);
        assert_eq!(dates.learn(ACCOUNT, &Answer::NotSent { why: String::new() }), None);
        assert_eq!(dates.ahead(AccountId::from_raw(2)), None);
    }

    #[test]
    fn a_wrong_clock_is_remembered_for_two_days() {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        let at = |hour: u64| Timestamp::from_millis(0).plus(Millis::from_secs(hour * 3_600));
        let noted = || clock_wrong_at(&store);
        let note = |at| clock_was_wrong(&store, at, "an hour ahead".to_owned());
        let trust = |at| super::trust(noted(), false, at);
        assert_eq!(trust(at(0)), ClockTrust::Steady);
        store.commit(epoch, &[note(at(100))]).expect("memory");
        assert_eq!(noted(), Some(at(100)), "a later life reads it too");
        assert_eq!(trust(at(99)), ClockTrust::Wrong, "sent before it was noticed");
        assert_eq!(trust(at(148)), ClockTrust::Wrong);
        assert_eq!(trust(at(149)), ClockTrust::Steady);
        // Nobody saw whether it was set between two process lives.
        assert_eq!(super::trust(noted(), true, at(148)), ClockTrust::Wrong);
        assert_eq!(super::trust(noted(), true, at(149)), ClockTrust::Unwatched);
        store.commit(epoch, &[note(at(50))]).expect("memory");
        assert_eq!(noted(), Some(at(100)), "it was wrong until then");
        assert!(is_fresh(at(100), at(100)) && !is_fresh(at(100), at(99)));
    }
}
