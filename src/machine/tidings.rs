//! What of a transition the world is told: at most one thing, in the commit of its cause.
//!
//! A target that settles is told once: live, refused, failed, canceled. One that is held counts as
//! failed, with an unknown outcome; if an operator then finds it live, that is told too. A post
//! that is tried again is queued anew, and what becomes of it is told anew.

use crate::model::{Batch, Content, Cursor, Event, Outcome, Target, TargetIx, Timestamp};

/// What is told of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tidings {
    /// It waits for its time.
    Queued,
    /// It is live.
    Published,
    /// It was refused.
    Rejected,
    /// It failed, or what became of it is not known.
    Failed,
    /// It was canceled.
    Canceled,
    /// It waits for another time than this.
    Rescheduled {
        /// The time it had.
        before: Timestamp,
    },
    /// It says something else.
    Updated {
        /// Whether its text was given anew.
        text: bool,
        /// Whether its attachments were given anew.
        media: bool,
    },
}

/// A batch that was accepted for later is queued, target by target.
pub(super) fn of_accepted(batch: &Batch) -> Vec<(TargetIx, Tidings)> {
    let queued = |target: &Target| matches!(target.cursor, Cursor::Queued { .. });
    batch
        .places()
        .filter(|(_, target)| queued(target))
        .map(|(ix, _)| (ix, Tidings::Queued))
        .collect()
}

/// What an event that moved a target comes to.
pub(super) fn of_move(
    event: &Event,
    old: &Target,
    said: &Content,
    new: &Target,
) -> Option<Tidings> {
    match event {
        Event::Rescheduled { .. } => {
            let Cursor::Queued { due } = old.cursor else { return None };
            Some(Tidings::Rescheduled { before: due })
        }
        Event::Edited { content, .. } => Some(Tidings::Updated {
            text: content.text != said.text,
            media: content.media != said.media,
        }),
        Event::Retried { .. } => Some(Tidings::Queued),
        _ => settled(old, new),
    }
}

fn settled(old: &Target, new: &Target) -> Option<Tidings> {
    let was_held = matches!(old.cursor, Cursor::Held { .. });
    if old.cursor.is_settled() && !was_held {
        return None;
    }
    match &new.cursor {
        Cursor::Ended(Outcome::Published) => Some(Tidings::Published),
        // That it failed has been told when it was held.
        _ if was_held => None,
        Cursor::Ended(Outcome::Rejected(_)) => Some(Tidings::Rejected),
        Cursor::Ended(Outcome::Failed(_)) | Cursor::Held { .. } => Some(Tidings::Failed),
        Cursor::Ended(Outcome::Canceled) => Some(Tidings::Canceled),
        Cursor::Queued { .. }
        | Cursor::Ready { .. }
        | Cursor::Running(_)
        | Cursor::Waiting { .. }
        | Cursor::Doubtful { .. } => None,
    }
}
