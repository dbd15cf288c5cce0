//! What holds of every batch after every transition.

use crate::model::{Batch, Cursor, Errand, Outcome, ReplyState, TARGETS_MAX, Target};

/// The first broken invariant, in words; `None` when all hold.
pub fn violation(batch: &Batch) -> Option<String> {
    if batch.targets.is_empty() || batch.targets.len() > TARGETS_MAX {
        return Some(format!("a batch has 1 to 25 targets, this has {}", batch.targets.len()));
    }
    if batch.is_settled() && batch.entries > 0 && !matches!(batch.reply, ReplyState::Given) {
        return Some("a settled batch has answered its client".to_owned());
    }
    batch.places().find_map(|(ix, target)| {
        let missing = !batch.contents.contains_key(&target.content);
        let broken = if missing { Some("names a content that is not there") } else { of(target) };
        broken.map(|what| format!("target {} {what}", ix.0))
    })
}

fn of(target: &Target) -> Option<&'static str> {
    let rules = [
        (
            matches!(target.cursor, Cursor::Queued { .. })
                && (target.step_attempts > 0 || !target.memo.is_empty()),
            "is queued and has begun",
        ),
        (
            matches!(target.cursor, Cursor::Queued { due } if target.due != Some(due)),
            "is queued for another time than it is due",
        ),
        (
            matches!(&target.cursor, Cursor::Running(attempt) if attempt.number != target.attempts),
            "runs another attempt than its last",
        ),
        (
            matches!(target.cursor, Cursor::Doubtful { .. }) && target.doubt_since.is_none(),
            "is doubtful without a doubt",
        ),
        (
            matches!(target.cursor, Cursor::Ready { errand: Errand::Probe, .. })
                && target.doubt_since.is_none(),
            "is read back without a doubt",
        ),
        (
            matches!(target.cursor, Cursor::Ended(Outcome::Published)) && target.receipt.is_none(),
            "is published without a receipt",
        ),
        (
            matches!(
                target.cursor,
                Cursor::Ended(Outcome::Failed(_) | Outcome::Rejected(_) | Outcome::Canceled)
            ) && (target.receipt.is_some() || target.doubt_since.is_some()),
            "ended without success although it is or may be live",
        ),
        (
            target.published_at.is_some() != target.receipt.is_some(),
            "has a publishing time and no receipt, or the other way round",
        ),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, what)| what)
}
