//! Two clocks: ours and the platform's. What is read back is told apart by when it landed, so a
//! clock that is wrong must neither hide a post that is there nor make another one ours.

use super::answer::header;
use super::codec::Context;
use crate::model::{Millis, Timestamp};

/// What is left of a difference between two clocks once it was reckoned with: `Date` counts whole
/// seconds, and an answer is on its way for a while.
const CLOCK_SKEW: Millis = Millis::from_secs(120);
/// A clock that differs from what was reckoned with by more is reckoned with anew.
const MOVED_MS: i64 = 60_000;

/// By how many milliseconds our clock is ahead of the platform's, as the `Date` of an answer tells
/// that we heard at `at`; `None` where it tells nothing.
pub fn clock_ahead(headers: &[(String, String)], at: Timestamp) -> Option<i64> {
    let date = Timestamp::from_http_date(header(headers, "date")?)?;
    Some(at.as_millis().saturating_sub(date.as_millis()))
}

/// Whether an answer shows that the platform's clock is not where the request took it to be. What
/// it lists is then no evidence; the next request knows better.
pub(super) fn is_misjudged(cx: &Context<'_>, headers: &[(String, String)], at: Timestamp) -> bool {
    let reckoned = cx.clock_ahead.unwrap_or(0);
    clock_ahead(headers, at).is_some_and(|ahead| ahead.abs_diff(reckoned) > MOVED_MS.unsigned_abs())
}

/// The time in which a doubtful sending landed, if it did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Its start, by the platform's clock.
    pub since: Timestamp,
    /// Whether what is not in it is nowhere. Not where our clock was set back since the sending:
    /// then nobody knows how long ago that was.
    pub proves_absence: bool,
}

impl Window {
    /// The window of the attempt that reads back.
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let sent = cx.doubt_since.unwrap_or(cx.started_at);
        let ours = sent.min(cx.began_at).minus(CLOCK_SKEW);
        let ahead = cx.clock_ahead.unwrap_or(0);
        Self {
            since: Timestamp::from_millis(ours.as_millis().saturating_sub(ahead)),
            proves_absence: sent <= cx.began_at,
        }
    }
}
