//! What an attempt's verdict does to its target.

use super::restore;
use super::step::{self, Wait};
use super::transition::{Moving, Refusal};
use crate::model::{Attempt, Errand, Fault, Millis, Target, Verdict, WaitReason};
use crate::workflow::{Doubt, Visible};

/// Applies the verdict of the attempt under way.
pub(super) fn answered(
    target: &mut Target,
    attempt: Attempt,
    verdict: &Verdict,
    cx: &mut Moving<'_>,
) -> Result<(), Refusal> {
    match attempt.errand {
        Errand::Send => sent(target, attempt, verdict, cx),
        Errand::Probe => probed(target, attempt, verdict, cx),
    }
}

fn sent(
    target: &mut Target,
    attempt: Attempt,
    verdict: &Verdict,
    cx: &mut Moving<'_>,
) -> Result<(), Refusal> {
    let definition = cx.definition.step(attempt.step).ok_or(Refusal::NoStep(attempt.step.step))?;
    match verdict {
        Verdict::Done(output) => step::done(target, attempt.step, output, cx),
        Verdict::Again { memo, after } => {
            target.step_reauths = 0;
            if let Some(memo) = memo {
                target.memo.insert(attempt.step, memo.clone());
            }
            step::wait(target, attempt.step, Wait::exactly(*after, WaitReason::Poll), cx)
        }
        Verdict::Retry { fault, after } => {
            target.last_fault = Some(fault.clone());
            target.step_spent += 1;
            if target.step_spent >= definition.attempts_max {
                return step::failed(target, attempt.step, fault, cx);
            }
            let wait = Wait::backoff(target.step_spent, *after, WaitReason::Retry);
            step::wait(target, attempt.step, wait, cx)
        }
        Verdict::Parked { fault, after } => {
            target.last_fault = Some(fault.clone());
            cx.effects.park = Some((target.account, cx.stamp.at.plus(*after)));
            step::wait(target, attempt.step, Wait::exactly(*after, WaitReason::Parked), cx)
        }
        Verdict::Refuse { fault } => step::failed(target, attempt.step, fault, cx),
        Verdict::Reauth { fault } => {
            // Refused, renewed and refused again. Where something else came between the two, the
            // renewed session may have run out as well.
            let before = target.last_fault.as_ref().is_some_and(|last| last.code == fault.code);
            target.last_fault = Some(fault.clone());
            target.step_reauths += 1;
            if target.step_reauths > 1 && before {
                return step::failed(target, attempt.step, fault, cx);
            }
            step::wait(target, attempt.step, Wait::exactly(Millis(0), WaitReason::Retry), cx)
        }
        Verdict::Unknown { fault } => unknown(target, attempt, fault, cx),
        Verdict::Restage { fault } => {
            target.last_fault = Some(fault.clone());
            step::restage(target, attempt.step, fault, cx)
        }
        // Only a read-back can find nothing. A codec that says so of a sending is wrong about
        // it, so what it sent is in doubt.
        Verdict::Absent => unknown(target, attempt, &super::fault::nonsense(target), cx),
    }
}

fn unknown(
    target: &mut Target,
    attempt: Attempt,
    fault: &Fault,
    cx: &mut Moving<'_>,
) -> Result<(), Refusal> {
    let definition = cx.definition.step(attempt.step).ok_or(Refusal::NoStep(attempt.step.step))?;
    if definition.visible == Visible::No {
        return sent(target, attempt, &Verdict::Retry { fault: fault.clone(), after: None }, cx);
    }
    target.last_fault = Some(fault.clone());
    target.doubt_since.get_or_insert(attempt.began_at);
    target.absences = 0;
    target.step_spent += 1;
    match definition.on_doubt {
        Doubt::Repeat => {
            let wait = Wait::backoff(target.step_spent, None, WaitReason::Repeat);
            step::wait(target, attempt.step, wait, cx)
        }
        Doubt::Probe { grace, .. } => step::doubt(target, attempt.step, grace, cx),
        Doubt::Hold => step::held(target, attempt.step, fault, cx),
    }
}

fn probed(
    target: &mut Target,
    attempt: Attempt,
    verdict: &Verdict,
    cx: &mut Moving<'_>,
) -> Result<(), Refusal> {
    let definition = cx.definition.step(attempt.step).ok_or(Refusal::NoStep(attempt.step.step))?;
    let (pause, looks) = match definition.on_doubt {
        Doubt::Probe { pause, looks, .. } => (pause, looks),
        Doubt::Repeat | Doubt::Hold => return Err(super::transition::unfit("probed", target)),
    };
    let attempts_max = definition.attempts_max;
    match verdict {
        Verdict::Done(output) => {
            let (sent, since) = (target.step_attempts > 0, target.doubt_since);
            step::done(target, attempt.step, output, cx)?;
            if sent { Ok(()) } else { restore::found_of_another(target, since, cx) }
        }
        Verdict::Absent => {
            target.absences += 1;
            if target.absences < looks {
                return step::doubt(target, attempt.step, pause, cx);
            }
            target.absences = 0;
            target.doubt_since = None;
            if target.step_spent >= attempts_max {
                let fault = target.last_fault.clone().unwrap_or(super::fault::nonsense(target));
                return step::failed(target, attempt.step, &super::fault::absent(fault), cx);
            }
            step::send_again(target, attempt.step, cx)
        }
        Verdict::Again { memo, after } => {
            if let Some(memo) = memo {
                target.memo.insert(attempt.step, memo.clone());
            }
            step::doubt(target, attempt.step, *after, cx)
        }
        Verdict::Retry { after, .. } => {
            step::doubt(target, attempt.step, after.unwrap_or(pause).max(pause), cx)
        }
        Verdict::Parked { after, .. } => {
            cx.effects.park = Some((target.account, cx.stamp.at.plus(*after)));
            step::doubt(target, attempt.step, (*after).max(pause), cx)
        }
        Verdict::Reauth { fault } => {
            target.step_reauths += 1;
            if target.step_reauths > 1 {
                return step::held(target, attempt.step, fault, cx);
            }
            step::doubt(target, attempt.step, Millis(0), cx)
        }
        Verdict::Refuse { fault } => step::held(target, attempt.step, fault, cx),
        Verdict::Unknown { .. } | Verdict::Restage { .. } => {
            step::doubt(target, attempt.step, pause, cx)
        }
    }
}
