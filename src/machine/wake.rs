//! When a batch must be looked at again.

use crate::model::{Batch, Cursor, ReplyState, Timestamp};

/// The instant of the batch's one stored timer: the earliest at which a new process life would
/// have to look at it. `None` when it is settled.
pub fn stored_wake(batch: &Batch) -> Option<Timestamp> {
    earliest(batch, |_| true)
}

/// The earliest instant that concerns a live engine: targets that want a slot are in its lanes
/// already and need no timer.
pub fn live_wake(batch: &Batch) -> Option<Timestamp> {
    earliest(batch, |cursor| !matches!(cursor, Cursor::Ready { .. }))
}

fn earliest(batch: &Batch, counts: impl Fn(&Cursor) -> bool) -> Option<Timestamp> {
    let targets = batch
        .targets
        .iter()
        .map(|target| &target.cursor)
        .filter(|cursor| counts(cursor))
        .filter_map(Cursor::wake)
        .min();
    let reply = match batch.reply {
        ReplyState::Pending { by } => Some(by),
        ReplyState::Given => None,
    };
    targets.into_iter().chain(reply).min()
}
