//! When a batch must be looked at again.

use crate::model::{Batch, Cursor, ReplyState, Target, Timestamp};

/// The instant of the batch's one stored timer: the earliest at which a new process life would
/// have to look at it. `None` when it is settled.
pub fn stored_wake(batch: &Batch) -> Option<Timestamp> {
    wakes(batch, |_| true).min()
}

/// The earliest instant that concerns a live engine: targets that want a slot are in its lanes
/// already and need no timer, unless it is too early for them.
pub fn live_wake(batch: &Batch, now: Timestamp) -> Option<Timestamp> {
    live_wakes(batch, now).min()
}

/// The same once all that is due by now has been looked at: what waits for a slot since then has
/// its place in a lane, and hides nothing that comes later.
pub fn next_wake(batch: &Batch, now: Timestamp) -> Option<Timestamp> {
    live_wakes(batch, now).filter(|at| *at > now).min()
}

/// Whether a target that wants a slot must not have it yet: it became due, and then the clock was
/// set back to before its time. What has begun goes on.
pub fn is_early(target: &Target, now: Timestamp) -> bool {
    match target.cursor {
        Cursor::Queued { due } => due > now,
        Cursor::Waiting { until, .. } => until > now,
        Cursor::Ready { .. } => {
            target.started_at.is_none() && target.due.is_some_and(|due| due > now)
        }
        Cursor::Running(_) | Cursor::Doubtful { .. } | Cursor::Held { .. } | Cursor::Ended(_) => {
            false
        }
    }
}

fn live_wakes(batch: &Batch, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    wakes(batch, move |target| {
        !matches!(target.cursor, Cursor::Ready { .. }) || is_early(target, now)
    })
}

fn wakes(batch: &Batch, counts: impl Fn(&Target) -> bool) -> impl Iterator<Item = Timestamp> {
    let counted = batch.targets.iter().filter(move |target| counts(target));
    let reply = match batch.reply {
        ReplyState::Pending { by } => Some(by),
        ReplyState::Given => None,
    };
    counted.filter_map(|target| target.cursor.wake()).chain(reply)
}
