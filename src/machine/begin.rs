//! Timers that ring, attempts that begin, and what a restart finds under way.

use super::transition::{Moving, Refusal, unfit};
use super::{fault, step, verdict};
use crate::model::{
    Attempt, Cursor, Errand, Outcome, Target, TargetIx, Timestamp, Verdict, WaitReason,
};

/// The target's timer rang.
pub(super) fn woke(target: &mut Target, cx: &mut Moving<'_>) -> Result<(), Refusal> {
    let at = cx.stamp.at;
    let due = target.cursor.wake().ok_or_else(|| unfit("woke", target))?;
    if due > at {
        return Err(Refusal::NotDue);
    }
    match target.cursor.clone() {
        Cursor::Queued { due } => {
            let first = cx.definition.first(cx.content).ok_or(Refusal::NoStep(0))?;
            target.lateness = Some(at.since(due));
            target.cursor = Cursor::Ready { step: first, errand: Errand::Send, since: due };
        }
        Cursor::Waiting { step, until, .. } => {
            ready(target, step, Errand::Send, until);
        }
        Cursor::Doubtful { step, until } => {
            ready(target, step, Errand::Probe, until);
        }
        Cursor::Running(attempt) => {
            let fault = fault::expired(target, at.since(attempt.began_at));
            verdict::answered(target, attempt, &Verdict::Unknown { fault }, cx)?;
        }
        Cursor::Ready { .. } | Cursor::Held { .. } | Cursor::Ended(_) => {
            return Err(unfit("woke", target));
        }
    }
    Ok(())
}

/// The target's scheduled time passed too long ago: nobody could look, or it had no slot.
pub(super) fn missed(target: &mut Target, cx: &Moving<'_>) -> Result<(), Refusal> {
    let Cursor::Queued { due } = target.cursor else {
        return Err(unfit("missed", target));
    };
    if due > cx.stamp.at {
        return Err(Refusal::NotDue);
    }
    let late = cx.stamp.at.since(due);
    target.lateness = Some(late);
    let missed = fault::missed(target.platform, due, late);
    target.cursor = Cursor::Ended(Outcome::Failed(fault::worded(missed)));
    Ok(())
}

/// The target got a slot.
pub(super) fn begun(target: &mut Target, ix: TargetIx, cx: &mut Moving<'_>) -> Result<(), Refusal> {
    let Cursor::Ready { step, errand, .. } = target.cursor else {
        return Err(unfit("begun", target));
    };
    let definition = cx.definition.step(step).ok_or(Refusal::NoStep(step.step))?;
    let at = cx.stamp.at;
    target.attempts += 1;
    if errand == Errand::Send {
        target.step_attempts += 1;
    }
    target.started_at.get_or_insert(at);
    target.cursor = Cursor::Running(Attempt {
        step,
        errand,
        number: target.attempts,
        epoch: cx.stamp.epoch,
        began_at: at,
        deadline: at.plus(definition.timeout),
    });
    cx.effects.call = Some(ix);
    Ok(())
}

/// A new process life found the attempt of an older one.
pub(super) fn recovered(target: &mut Target, cx: &mut Moving<'_>) -> Result<(), Refusal> {
    let Cursor::Running(attempt) = target.cursor else {
        return Err(unfit("recovered", target));
    };
    if attempt.epoch >= cx.stamp.epoch {
        return Err(unfit("recovered", target));
    }
    let at = cx.stamp.at;
    match attempt.errand {
        Errand::Probe => target.cursor = Cursor::Doubtful { step: attempt.step, until: at },
        Errand::Send => {
            let fault = fault::interrupted(target);
            step::in_doubt_after_restart(target, attempt, fault, cx)?;
        }
    }
    Ok(())
}

fn ready(target: &mut Target, step: crate::model::StepRef, errand: Errand, since: Timestamp) {
    target.cursor = Cursor::Ready { step, errand, since };
}

/// A wait of a step that goes on with sending.
pub(super) fn wait(
    target: &mut Target,
    step: crate::model::StepRef,
    until: Timestamp,
    why: WaitReason,
) {
    target.cursor = Cursor::Waiting { step, until, why };
}
