//! What is left to do for a target whose store was restored from a backup.
//!
//! The server the backup was made by may have gone on after it: through the steps that nobody sees,
//! and with the visible one after them. So that one is in doubt, whether or not it had begun.

use super::transition::{Moving, Refusal, unfit};
use super::{fault, step};
use crate::model::{Cursor, Errand, StepRef, Target, Timestamp};
use crate::workflow::{Doubt, Step, Visible};

/// The target's next visible step may have been carried out since the backup.
pub(super) fn restored(
    target: &mut Target,
    since: Timestamp,
    overdue: bool,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let at = cx.stamp.at;
    let (from, sent_from) = match target.cursor {
        Cursor::Queued { due } if due <= at => {
            target.lateness = Some(at.since(due));
            (cx.definition.first(cx.content).ok_or(Refusal::NoStep(0))?, since)
        }
        Cursor::Waiting { step, until, .. } | Cursor::Doubtful { step, until } if until <= at => {
            (step, since)
        }
        Cursor::Ready { step, .. } => (step, since),
        Cursor::Running(attempt) => (attempt.step, attempt.began_at),
        Cursor::Queued { .. } | Cursor::Waiting { .. } | Cursor::Doubtful { .. } => {
            return Err(Refusal::NotDue);
        }
        Cursor::Held { .. } | Cursor::Ended(_) => return Err(unfit("restored", target)),
    };
    let Some((visible, definition)) = next_visible(from, cx)? else {
        target.cursor = Cursor::Ready { step: from, errand: Errand::Send, since: at };
        return Ok(());
    };
    let goes_to_visible = overdue || !matches!(definition.on_doubt, Doubt::Repeat);
    if goes_to_visible && visible != from {
        step::reset_step(target);
    }
    let fault = fault::restored(target, since);
    target.doubt_since.get_or_insert(sent_from);
    target.absences = 0;
    target.last_fault = Some(fault.clone());
    match definition.on_doubt {
        // What was staged meanwhile is staged again: at most it leaves an orphan. The visible call
        // then carries the key it would have carried before.
        Doubt::Repeat if !overdue => {
            target.cursor = Cursor::Ready { step: from, errand: Errand::Send, since: at };
            Ok(())
        }
        Doubt::Probe { grace, .. } => {
            if overdue {
                // Found, it is live. Absent, it has missed its time: no sending is left.
                target.step_spent = definition.attempts_max;
                target.last_fault = Some(fault::missed_since(target));
            }
            step::doubt(target, visible, grace, cx)
        }
        Doubt::Repeat | Doubt::Hold => step::held(target, visible, &fault, cx),
    }
}

/// The visible step that a target comes to from `from` on.
fn next_visible<'a>(
    from: StepRef,
    cx: &'a Moving<'_>,
) -> Result<Option<(StepRef, &'a Step)>, Refusal> {
    let mut at = Some(from);
    while let Some(place) = at {
        let step = cx.definition.step(place).ok_or(Refusal::NoStep(place.step))?;
        if step.visible != Visible::No {
            return Ok(Some((place, step)));
        }
        at = cx.definition.next(place, cx.content);
    }
    Ok(None)
}
