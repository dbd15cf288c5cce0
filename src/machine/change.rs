//! What clients and operators may change.

use super::transition::{Moving, Refusal, unfit};
use super::{fault, step};
use crate::model::{
    CancelReason, ContentIx, Cursor, Outcome, Receipt, RequestId, Ruling, SendOutcome, Target,
    Timestamp, Warning,
};

/// A queued post gets another time.
pub(super) fn rescheduled(
    target: &mut Target,
    due: Timestamp,
    request: Option<&RequestId>,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    still_queued("rescheduled", target, cx)?;
    queue(target, due, request, cx)
}

/// A post that ended without being live is queued anew, from its first step. Whatever an attempt
/// learned is forgotten: what was staged may be gone. Where it may be live, the caller must say
/// that this is accepted; it then keeps its start, from which platforms with keys know it again.
pub(super) fn retried(
    target: &mut Target,
    due: Timestamp,
    request: Option<&RequestId>,
    force: bool,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    let doubtful = match &target.cursor {
        Cursor::Held { .. } => true,
        Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault)) => {
            fault.outcome == Some(SendOutcome::Unknown)
        }
        Cursor::Ended(Outcome::Canceled) => false,
        _ => return Err(unfit("retried", target)),
    };
    if doubtful && !force {
        return Err(Refusal::Doubtful);
    }
    if !doubtful {
        target.started_at = None;
    }
    target.memo.clear();
    target.lateness = None;
    target.doubt_since = None;
    target.comment = None;
    step::reset_step(target);
    queue(target, due, request, cx)
}

fn queue(
    target: &mut Target,
    due: Timestamp,
    request: Option<&RequestId>,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    if due <= cx.stamp.at {
        return Err(Refusal::Window);
    }
    target.due = Some(due);
    target.timed_by = request.cloned();
    target.cursor = Cursor::Queued { due };
    Ok(())
}

/// A queued post gets another content.
pub(super) fn edited(
    target: &mut Target,
    place: ContentIx,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    still_queued("edited", target, cx)?;
    target.content = place;
    Ok(())
}

/// A post is canceled: by a client while it is queued, or with its account while nothing of it
/// can be live.
pub(super) fn canceled(
    target: &mut Target,
    reason: CancelReason,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    match reason {
        CancelReason::Requested => still_queued("canceled", target, cx)?,
        CancelReason::AccountRemoved => {
            if !may_cancel(target, reason) {
                return Err(unfit("canceled", target));
            }
        }
    }
    target.cursor = Cursor::Ended(Outcome::Canceled);
    Ok(())
}

/// Whether a target stands where it can be canceled for a reason. For a client's wish its time has
/// to be ahead as well.
pub fn may_cancel(target: &Target, reason: CancelReason) -> bool {
    match reason {
        CancelReason::Requested => matches!(target.cursor, Cursor::Queued { .. }),
        CancelReason::AccountRemoved => {
            let idle = matches!(
                target.cursor,
                Cursor::Queued { .. } | Cursor::Ready { .. } | Cursor::Waiting { .. }
            );
            idle && target.doubt_since.is_none() && target.receipt.is_none()
        }
    }
}

/// An operator decides what became of a held post.
pub(super) fn ruled(target: &mut Target, ruling: &Ruling, cx: &Moving<'_>) -> Result<(), Refusal> {
    let Cursor::Held { fault: held, .. } = &target.cursor else {
        return Err(unfit("ruled", target));
    };
    target.cursor = match ruling {
        Ruling::Published { uri } => {
            target.receipt = Some(Receipt { uri: uri.clone(), cid: None, url: None });
            target.published_at = Some(cx.stamp.at);
            target.warnings.push(Warning {
                code: "ruled_published".to_owned(),
                message: "An operator found the post live and ruled it published.".to_owned(),
            });
            Cursor::Ended(Outcome::Published)
        }
        Ruling::Failed => Cursor::Ended(Outcome::Failed(fault::ruled_failed(held))),
    };
    target.doubt_since = None;
    Ok(())
}

fn still_queued(event: &'static str, target: &Target, cx: &Moving<'_>) -> Result<(), Refusal> {
    match target.cursor {
        Cursor::Queued { due } if due > cx.stamp.at => Ok(()),
        Cursor::Queued { .. } => Err(Refusal::Window),
        _ => Err(unfit(event, target)),
    }
}
