//! How a target goes on after a step, waits with it, or ends at it.

use super::backoff;
use super::begin;
use super::fault;
use super::transition::{Moving, Refusal};
use crate::model::{
    Attempt, Code, Cursor, Errand, Fault, Millis, Outcome, Output, StepRef, Target, Timestamp,
    WaitReason, Warning,
};
use crate::workflow::{Doubt, OnFail, Step, Visible};

/// How long to wait and what for.
pub(super) struct Wait {
    span: Span,
    why: WaitReason,
}

enum Span {
    Exactly(Millis),
    Backoff { failures: u32, at_least: Option<Millis> },
}

impl Wait {
    pub(super) const fn exactly(span: Millis, why: WaitReason) -> Self {
        Self { span: Span::Exactly(span), why }
    }

    pub(super) const fn backoff(failures: u32, at_least: Option<Millis>, why: WaitReason) -> Self {
        Self { span: Span::Backoff { failures, at_least }, why }
    }
}

/// The step gave what it should; the target goes on.
pub(super) fn done(
    target: &mut Target,
    at: StepRef,
    output: &Output,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let step = cx.definition.step(at).ok_or(Refusal::NoStep(at.step))?;
    match &output.memo {
        Some(memo) => target.memo.insert(at, memo.clone()),
        None => target.memo.remove(&at),
    };
    target.warnings.extend(output.warnings.iter().cloned());
    match step.visible {
        Visible::No => {}
        Visible::Post => {
            target.receipt = Some(output.receipt.clone().unwrap_or_default());
            target.published_at = Some(cx.stamp.at);
            target.doubt_since = None;
        }
        Visible::Comment => {
            target.comment = output.receipt.clone();
            target.doubt_since = None;
        }
    }
    advance(target, at, cx);
    Ok(())
}

/// The step failed for good, and certainly took no effect. If an earlier attempt at it is still
/// in doubt, nothing is certain and the target is held.
pub(super) fn failed(
    target: &mut Target,
    at: StepRef,
    fault: &Fault,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    if target.doubt_since.is_some() {
        return held(target, at, fault, cx);
    }
    let step = cx.definition.step(at).ok_or(Refusal::NoStep(at.step))?;
    if only_warns(step, target) {
        target.warnings.push(failure_warning(step.visible, &step.name, &fault.message));
        advance(target, at, cx);
    } else {
        target.cursor = Cursor::Ended(outcome_of(fault));
    }
    Ok(())
}

/// Whether the step took effect is not known and cannot be found out.
pub(super) fn held(
    target: &mut Target,
    at: StepRef,
    cause: &Fault,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let step = cx.definition.step(at).ok_or(Refusal::NoStep(at.step))?;
    if only_warns(step, target) {
        let message = format!("{}; it may be live", cause.message);
        target.warnings.push(failure_warning(step.visible, &step.name, &message));
        target.doubt_since = None;
        advance(target, at, cx);
    } else {
        let fault = fault::outcome_unknown(target.platform, cause);
        target.cursor = Cursor::Held { step: at, fault };
    }
    Ok(())
}

/// The target waits and then goes on sending, unless that would be after its give-up time.
pub(super) fn wait(
    target: &mut Target,
    at: StepRef,
    wait: Wait,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let step = cx.definition.step(at).ok_or(Refusal::NoStep(at.step))?;
    let span = match wait.span {
        Span::Exactly(span) => span,
        Span::Backoff { failures, at_least } => {
            let chosen = backoff::wait(&step.backoff, failures, cx.stamp.entropy);
            at_least.map_or(chosen, |least| chosen.max(least))
        }
    };
    let until = cx.stamp.at.plus(span);
    if until > give_up_at(target, cx) {
        let cause = fault::deadline(target);
        return failed(target, at, &cause, cx);
    }
    if span == Millis(0) {
        target.cursor = Cursor::Ready { step: at, errand: Errand::Send, since: cx.stamp.at };
    } else {
        begin::wait(target, at, until, wait.why);
    }
    Ok(())
}

/// The target waits and is then read back, unless that would be after its give-up time.
pub(super) fn doubt(
    target: &mut Target,
    at: StepRef,
    span: Millis,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let until = cx.stamp.at.plus(span);
    if until > give_up_at(target, cx) {
        let cause = fault::deadline(target);
        return held(target, at, &cause, cx);
    }
    target.cursor = Cursor::Doubtful { step: at, until };
    Ok(())
}

/// A process life ended during a sending: like an unknown outcome, but without a wait where the
/// step may be repeated, and without spending an attempt.
pub(super) fn in_doubt_after_restart(
    target: &mut Target,
    attempt: Attempt,
    fault: Fault,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let at = attempt.step;
    let step = cx.definition.step(at).ok_or(Refusal::NoStep(at.step))?;
    if step.visible == Visible::No {
        return wait(target, at, Wait::exactly(Millis(0), WaitReason::Retry), cx);
    }
    target.doubt_since.get_or_insert(attempt.began_at);
    target.absences = 0;
    target.last_fault = Some(fault.clone());
    match step.on_doubt {
        Doubt::Repeat => wait(target, at, Wait::exactly(Millis(0), WaitReason::Repeat), cx),
        Doubt::Probe { grace, .. } => doubt(target, at, grace, cx),
        Doubt::Hold => held(target, at, &fault, cx),
    }
}

/// The step took no effect: it is sent again. What has to be staged for it and never was, because
/// the doubt came with a backup, comes first; a visible step before it is over and stays so.
pub(super) fn send_again(target: &mut Target, at: StepRef, cx: &Moving<'_>) -> Result<(), Refusal> {
    let mut onward = at;
    let mut place = cx.definition.first(cx.content).ok_or(Refusal::NoStep(0))?;
    while place < at {
        let step = cx.definition.step(place).ok_or(Refusal::NoStep(place.step))?;
        if step.visible != Visible::No {
            onward = at;
        } else if onward == at && !target.memo.contains_key(&place) {
            onward = place;
        }
        place = cx.definition.next(place, cx.content).unwrap_or(at);
    }
    if onward != at {
        reset_step(target);
    }
    target.cursor = Cursor::Ready { step: onward, errand: Errand::Send, since: cx.stamp.at };
    Ok(())
}

/// What was staged is gone: the nearest staging step before this one is done again.
pub(super) fn restage(
    target: &mut Target,
    at: StepRef,
    fault: &Fault,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let back = (0..at.step).rev().map(|step| StepRef { step, round: 0 }).find(|earlier| {
        cx.definition
            .step(*earlier)
            .is_some_and(|step| step.visible == Visible::No && step.when.holds(cx.content))
    });
    let Some(back) = back else {
        return failed(target, at, fault, cx);
    };
    target.memo.retain(|place, _| place.step != back.step);
    reset_step(target);
    // Grows with all attempts so far, so that a platform that keeps losing what is staged is
    // asked ever more seldom, until the give-up time.
    let span = Wait::backoff(target.attempts, None, WaitReason::Retry);
    wait(target, back, span, cx)
}

/// A post that is live stays published, whatever becomes of the steps after it.
fn only_warns(step: &Step, target: &Target) -> bool {
    step.on_fail == OnFail::Warn || target.receipt.is_some()
}

fn advance(target: &mut Target, at: StepRef, cx: &Moving<'_>) {
    reset_step(target);
    target.cursor = match cx.definition.next(at, cx.content) {
        Some(step) => Cursor::Ready { step, errand: Errand::Send, since: cx.stamp.at },
        None => Cursor::Ended(Outcome::Published),
    };
}

/// The target comes to a step afresh.
pub(super) fn reset_step(target: &mut Target) {
    target.step_attempts = 0;
    target.step_spent = 0;
    target.step_reauths = 0;
    target.absences = 0;
    target.last_fault = None;
}

fn give_up_at(target: &Target, cx: &Moving<'_>) -> Timestamp {
    // A post that is tried again counts from its new time.
    let start = target.started_at.unwrap_or(cx.stamp.at);
    let start = target.due.map_or(start, |due| due.max(start));
    start.plus(cx.definition.give_up_after)
}

fn failure_warning(visible: Visible, step: &str, message: &str) -> Warning {
    let code = match visible {
        Visible::Comment => "first_comment_failed".to_owned(),
        Visible::No | Visible::Post => format!("{step}_failed"),
    };
    Warning { code, message: message.to_owned() }
}

fn outcome_of(fault: &Fault) -> Outcome {
    let told = fault::worded(fault.clone());
    match fault.code {
        Code::PreflightFailed | Code::PlatformAuthFailed | Code::PlatformRejected => {
            Outcome::Rejected(told)
        }
        Code::ValidationFailed
        | Code::PlatformUnavailable
        | Code::InternalError
        | Code::Unauthenticated
        | Code::Unauthorized
        | Code::NotFound
        | Code::IdempotencyConflict
        | Code::RateLimited
        | Code::PlatformNotEnabled => Outcome::Failed(told),
    }
}
