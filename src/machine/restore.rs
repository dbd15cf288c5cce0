//! What is left to do for a target whose store was restored from a backup.
//!
//! The server the backup was made by may have gone on after it: through the steps that nobody sees,
//! with the visible one after them, and with the one after that. So each of those is in doubt,
//! whether or not it had begun.

use super::transition::{Moving, Refusal, unfit};
use super::{fault, step};
use crate::model::{Cursor, Errand, Fault, StepRef, Target, Timestamp};
use crate::workflow::{Doubt, Step, Visible};

/// What the target's next visible step may have done since the backup is not known.
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
    let fault = fault::restored(target, since);
    target.doubt_since.get_or_insert(sent_from);
    doubt_from(target, from, &fault, overdue, cx)
}

/// A read-back found what we never sent: another server did, before this one was restored from its
/// backup. So it may have gone on from there too.
pub(super) fn found_of_another(
    target: &mut Target,
    since: Option<Timestamp>,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let Cursor::Ready { step, .. } = target.cursor else { return Ok(()) };
    let since = since.unwrap_or(cx.stamp.at);
    let fault = fault::restored(target, since);
    target.doubt_since = Some(since);
    doubt_from(target, step, &fault, false, cx)
}

/// The next visible step from `from` on is in doubt.
fn doubt_from(
    target: &mut Target,
    from: StepRef,
    fault: &Fault,
    overdue: bool,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let ready = Cursor::Ready { step: from, errand: Errand::Send, since: cx.stamp.at };
    let visible = visible_from(from, cx)?;
    let Some((at, next)) = visible.first().copied() else {
        target.doubt_since = None;
        target.cursor = ready;
        return Ok(());
    };
    let all_repeat = visible.iter().all(|(_, step)| step.on_doubt == Doubt::Repeat);
    if !overdue && all_repeat {
        // What was staged meanwhile is staged again: at most it leaves an orphan. The visible calls
        // then carry the keys they would have carried before.
        target.absences = 0;
        target.last_fault = Some(fault.clone());
        target.cursor = ready;
        return Ok(());
    }
    // Nothing was sent at this step, as far as we know: so a read-back knows whose doing it finds.
    step::reset_step(target);
    target.last_fault = Some(fault.clone());
    match next.on_doubt {
        Doubt::Probe { grace, .. } => {
            if overdue {
                // Found, it is live. Absent, it has missed its time: no sending is left.
                target.step_spent = next.attempts_max;
                target.last_fault = Some(fault::missed_since(target));
            }
            step::doubt(target, at, grace, cx)
        }
        Doubt::Repeat | Doubt::Hold => step::held(target, at, fault, cx),
    }
}

/// The visible steps that a target comes to from `from` on.
fn visible_from<'a>(from: StepRef, cx: &Moving<'a>) -> Result<Vec<(StepRef, &'a Step)>, Refusal> {
    let mut found = Vec::new();
    let mut at = Some(from);
    while let Some(place) = at {
        let step = cx.definition.step(place).ok_or(Refusal::NoStep(place.step))?;
        if step.visible != Visible::No {
            found.push((place, step));
        }
        at = cx.definition.next(place, cx.content);
    }
    Ok(found)
}
