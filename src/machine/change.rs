//! What clients and operators may change.

use super::fault;
use super::transition::{Moving, Refusal, unfit};
use crate::model::{
    CancelReason, ContentIx, Cursor, Outcome, Receipt, Ruling, Target, Timestamp, Warning,
};

/// A queued post gets another time.
pub(super) fn rescheduled(
    target: &mut Target,
    due: Timestamp,
    cx: &Moving<'_>,
) -> Result<(), Refusal> {
    still_queued("rescheduled", target, cx)?;
    if due <= cx.stamp.at {
        return Err(Refusal::Window);
    }
    target.due = Some(due);
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
            let idle = matches!(
                target.cursor,
                Cursor::Queued { .. } | Cursor::Ready { .. } | Cursor::Waiting { .. }
            );
            if !idle || target.doubt_since.is_some() || target.receipt.is_some() {
                return Err(unfit("canceled", target));
            }
        }
    }
    target.cursor = Cursor::Ended(Outcome::Canceled);
    Ok(())
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
