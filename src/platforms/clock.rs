//! Two clocks: ours and the platform's. What is read back is told apart by when it landed, so a
//! clock that is wrong must neither hide a post that is there nor make another one ours.

use super::answer::header;
use super::codec::{ClockTrust, Context};
use crate::model::{Millis, Timestamp};

/// What is left of a difference between two clocks once it was reckoned with: `Date` counts whole
/// seconds, and an answer is on its way for a while.
const CLOCK_SKEW: Millis = Millis::from_secs(120);
/// A clock that is off by more, or moved by more, is not to be relied on.
const UNSTEADY_MS: u64 = 60_000;
/// How far back is looked where our clock is not to be relied on: a day, and the widest mistake
/// about a time zone.
const UNSTEADY_REACH: Millis = Millis::from_secs(38 * 3_600);

/// By how many milliseconds our clock is ahead of the platform's, as the `Date` of an answer tells
/// that we heard at `at`; `None` where it tells nothing.
pub fn clock_ahead(headers: &[(String, String)], at: Timestamp) -> Option<i64> {
    let date = Timestamp::from_http_date(header(headers, "date")?)?;
    Some(at.as_millis().saturating_sub(date.as_millis()))
}

/// Whether our clock is not to be relied on: it is off, or not where it was at the answer before.
pub const fn is_unsteady(ahead: i64, before: Option<i64>) -> bool {
    let moved = match before {
        Some(before) => ahead.abs_diff(before),
        None => 0,
    };
    ahead.unsigned_abs() > UNSTEADY_MS || moved > UNSTEADY_MS
}

/// Whether an answer shows that the platform's clock is not where the request took it to be. What
/// it lists is then no evidence; the next request knows better.
pub(super) fn is_misjudged(cx: &Context<'_>, headers: &[(String, String)], at: Timestamp) -> bool {
    let reckoned = cx.clock_ahead.unwrap_or(0);
    clock_ahead(headers, at).is_some_and(|ahead| ahead.abs_diff(reckoned) > UNSTEADY_MS)
}

/// The time in which a doubtful sending landed, if it did; by the platform's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// What landed before is not ours.
    pub since: Timestamp,
    /// What landed from here on is ours, if it is what we said. In between nobody can tell.
    pub certain: Timestamp,
    /// Whether what landed in between only matters where it can be seen.
    pub lenient: bool,
}

impl Window {
    /// The window of the attempt that reads back.
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let sent = cx.doubt_since.unwrap_or(cx.started_at);
        let trust = if sent <= cx.began_at { cx.clock } else { ClockTrust::Wrong };
        let ahead = cx.clock_ahead.unwrap_or(0);
        let ours = sent.min(cx.began_at).minus(CLOCK_SKEW);
        let certain = Timestamp::from_millis(ours.as_millis().saturating_sub(ahead));
        let since = match trust {
            ClockTrust::Steady => certain,
            ClockTrust::Unwatched | ClockTrust::Wrong => certain.minus(UNSTEADY_REACH),
        };
        Self { since, certain, lenient: trust == ClockTrust::Unwatched }
    }
}
