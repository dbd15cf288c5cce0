//! What holds of every batch after every transition.

use crate::model::{Batch, Cursor, Errand, Outcome, ReplyState, TARGETS_MAX, Target};

/// The first broken invariant, in words; `None` when all hold.
pub fn violation(batch: &Batch) -> Option<String> {
    if batch.targets.is_empty() || batch.targets.len() > TARGETS_MAX {
        return Some(format!("a batch has 1 to 25 targets, this has {}", batch.targets.len()));
    }
    if batch.entries > 0 && !matches!(batch.reply, ReplyState::Given) && batch.is_settled() {
        return Some("a settled batch has answered its client".to_owned());
    }
    batch.places().find_map(|(ix, target)| {
        let missing = !batch.contents.contains_key(&target.content);
        let broken = if missing { Some("names a content that is not there") } else { of(target) };
        broken.map(|what| format!("target {} {what}", ix.0))
    })
}

/// Every event looks at every target of its batch, so each rule stands where it can be broken.
fn of(target: &Target) -> Option<&'static str> {
    let live = target.receipt.is_some();
    let doubtful = target.doubt_since.is_some();
    if target.published_at.is_some() != live {
        return Some("has a publishing time and no receipt, or the other way round");
    }
    let (broken, what) = match &target.cursor {
        Cursor::Queued { .. } if target.step_attempts > 0 || !target.memo.is_empty() => {
            (true, "is queued and has begun")
        }
        Cursor::Queued { due } => {
            (target.due != Some(*due), "is queued for another time than it is due")
        }
        Cursor::Running(attempt) => {
            (attempt.number != target.attempts, "runs another attempt than its last")
        }
        Cursor::Doubtful { .. } => (!doubtful, "is doubtful without a doubt"),
        Cursor::Ready { errand: Errand::Probe, .. } => (!doubtful, "is read back without a doubt"),
        Cursor::Ended(Outcome::Published) => (!live, "is published without a receipt"),
        Cursor::Ended(Outcome::Failed(_) | Outcome::Rejected(_) | Outcome::Canceled) => {
            (live || doubtful, "ended without success although it is or may be live")
        }
        Cursor::Ready { errand: Errand::Send, .. }
        | Cursor::Waiting { .. }
        | Cursor::Held { .. } => (false, ""),
    };
    broken.then_some(what)
}
