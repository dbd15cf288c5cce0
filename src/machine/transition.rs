//! The one function that moves a batch.

use std::sync::Arc;

use super::tidings::{self, Tidings};
use super::{begin, change, invariant, restore, verdict};
use crate::model::{
    AccountId, Attempt, Batch, Cursor, Digest, Event, ReplyState, Stamp, Target, TargetIx,
    Timestamp,
};
use crate::workflow::{Catalog, Definition};

/// What a transition asks of the engine. Writes ride in its commit; the rest leaves after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// This target's attempt is to be carried out.
    pub call: Option<TargetIx>,
    /// The creating request is to be answered with the batch as it now stands.
    pub reply: Option<ReplyCause>,
    /// This account rests until then.
    pub park: Option<(AccountId, Timestamp)>,
    /// With this event the batch settled.
    pub settled: bool,
    /// With this event a batch that had settled came to life again.
    pub revived: bool,
    /// What the world is told, in the commit of the state that caused it.
    pub tidings: Vec<(TargetIx, Tidings)>,
}

/// Why the creating request is answered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyCause {
    /// The batch was accepted for later.
    Scheduled,
    /// Every target settled.
    Settled,
    /// The client has waited long enough.
    Late,
}

/// Why an event does not fit. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The event is for a batch that does not exist.
    #[error("apply: no such batch")]
    NoBatch,
    /// The batch exists already.
    #[error("apply: the batch exists already")]
    Exists,
    /// The batch has no such target.
    #[error("apply: the batch has no target {0}")]
    NoTarget(u8),
    /// The first state of a batch does not hold together.
    #[error("apply: {0}")]
    BadDraft(String),
    /// The target pins a definition that is not loaded.
    #[error("apply: workflow definition {0} is not loaded")]
    NoDefinition(Digest),
    /// The target stands at a step its definition does not have.
    #[error("apply: the definition has no step {0}")]
    NoStep(u16),
    /// A report of an attempt that is not the one under way: late, and dropped.
    #[error("apply: stale report")]
    Stale,
    /// The timer rang early.
    #[error("apply: not due yet")]
    NotDue,
    /// The target is not where the event could happen.
    #[error("apply: {event} does not fit a target that is {cursor}")]
    Unfit {
        /// The event.
        event: &'static str,
        /// Where the target stands.
        cursor: &'static str,
    },
    /// The target's scheduled time has come.
    #[error("apply: the scheduled time has come")]
    Window,
    /// The post may be live, and the caller did not accept that.
    #[error("apply: the post may be live already")]
    Doubtful,
}

/// Moves a batch by one event.
///
/// # Errors
/// A `Refusal` when the event does not fit; the batch stays as it is.
///
/// # Panics
/// When the result breaks an invariant of ours: a mistake in this room, never in the input.
pub fn transition(
    batch: Option<&Batch>,
    stamp: &Stamp,
    event: &Event,
    catalog: &Catalog,
) -> Result<(Batch, Effects), Refusal> {
    let mut effects = Effects::default();
    let mut next = match (batch, event) {
        (None, Event::Accepted(first)) => accept(first, stamp, catalog, &mut effects)?,
        (Some(_), Event::Accepted(_)) => return Err(Refusal::Exists),
        (None, _) => return Err(Refusal::NoBatch),
        (Some(batch), event) => moved(batch, stamp, event, catalog, &mut effects)?,
    };
    let was_settled = batch.is_some_and(Batch::is_settled);
    next.entries += 1;
    effects.revived = was_settled && !next.is_settled();
    if next.is_settled() {
        effects.settled = !was_settled;
        if matches!(next.reply, ReplyState::Pending { .. }) {
            next.reply = ReplyState::Given;
            effects.reply = Some(ReplyCause::Settled);
        }
    }
    let broken = invariant::violation(&next);
    assert!(broken.is_none(), "invariant broken by {event:?}: {broken:?}");
    Ok((next, effects))
}

fn accept(
    first: &Batch,
    stamp: &Stamp,
    catalog: &Catalog,
    effects: &mut Effects,
) -> Result<Batch, Refusal> {
    if first.entries != 0 || first.created_at != stamp.at || first.is_settled() {
        return Err(Refusal::BadDraft("a new batch starts now, unsettled and unjournaled".into()));
    }
    for target in &first.targets {
        definition_of(target, catalog)?;
    }
    if let Some(problem) = invariant::violation(first) {
        return Err(Refusal::BadDraft(problem));
    }
    if matches!(first.reply, ReplyState::Given) {
        effects.reply = Some(ReplyCause::Scheduled);
    }
    effects.tidings = tidings::of_accepted(first);
    Ok(first.clone())
}

fn moved(
    batch: &Batch,
    stamp: &Stamp,
    event: &Event,
    catalog: &Catalog,
    effects: &mut Effects,
) -> Result<Batch, Refusal> {
    let mut next = batch.clone();
    let ix = match event {
        Event::ReplyDue => return replied_late(next, stamp, effects),
        Event::Accepted(_) => return Err(Refusal::Exists),
        Event::Woke { ix }
        | Event::Missed { ix }
        | Event::Begun { ix }
        | Event::Answered { ix, .. }
        | Event::Recovered { ix }
        | Event::Rescheduled { ix, .. }
        | Event::Edited { ix, .. }
        | Event::Canceled { ix, .. }
        | Event::Ruled { ix, .. }
        | Event::Retried { ix, .. }
        | Event::Restored { ix, .. } => *ix,
    };
    let old = batch.target(ix).ok_or(Refusal::NoTarget(ix.0))?;
    let definition = definition_of(old, catalog)?;
    let mut target = Target::clone(old);
    let content = Arc::clone(batch.content_of(old));
    let mut cx = Moving { stamp, definition, content: &content, effects };
    match event {
        Event::Woke { .. } => begin::woke(&mut target, &mut cx)?,
        Event::Missed { .. } => begin::missed(&mut target, &cx)?,
        Event::Begun { .. } => begin::begun(&mut target, ix, &mut cx)?,
        Event::Recovered { .. } => begin::recovered(&mut target, &mut cx)?,
        Event::Answered { number, epoch, verdict, .. } => {
            let attempt = current_attempt(&target, *number, *epoch)?;
            verdict::answered(&mut target, attempt, verdict, &mut cx)?;
        }
        Event::Rescheduled { due, request, .. } => {
            change::rescheduled(&mut target, *due, request.as_ref(), &cx)?;
        }
        Event::Edited { place, content, .. } => {
            change::edited(&mut target, *place, &cx)?;
            if next.contents.insert(*place, Arc::clone(content)).is_some() {
                return Err(Refusal::Unfit { event: "edited", cursor: "using that place" });
            }
        }
        Event::Canceled { reason, .. } => change::canceled(&mut target, *reason, &cx)?,
        Event::Ruled { ruling, .. } => change::ruled(&mut target, ruling, &cx)?,
        Event::Retried { due, request, force, .. } => {
            change::retried(&mut target, *due, request.as_ref(), *force, &cx)?;
        }
        Event::Restored { since, overdue, .. } => {
            restore::restored(&mut target, *since, *overdue, &cx)?;
        }
        Event::Accepted(_) | Event::ReplyDue => return Err(Refusal::Exists),
    }
    target.updated_at = stamp.at;
    let told = tidings::of_move(event, old, &content, &target);
    effects.tidings.extend(told.map(|told| (ix, told)));
    next.targets[usize::from(ix.0)] = Arc::new(target);
    Ok(next)
}

fn replied_late(mut next: Batch, stamp: &Stamp, effects: &mut Effects) -> Result<Batch, Refusal> {
    match next.reply {
        ReplyState::Pending { by } if by <= stamp.at => {}
        ReplyState::Pending { .. } => return Err(Refusal::NotDue),
        ReplyState::Given => return Err(Refusal::Stale),
    }
    next.reply = ReplyState::Given;
    effects.reply = Some(ReplyCause::Late);
    Ok(next)
}

/// What every part of a transition may look at.
pub(super) struct Moving<'a> {
    pub stamp: &'a Stamp,
    pub definition: &'a Definition,
    pub content: &'a crate::model::Content,
    pub effects: &'a mut Effects,
}

fn definition_of<'a>(target: &Target, catalog: &'a Catalog) -> Result<&'a Definition, Refusal> {
    catalog.get(&target.definition).map(Arc::as_ref).ok_or(Refusal::NoDefinition(target.definition))
}

fn current_attempt(target: &Target, number: u32, epoch: u64) -> Result<Attempt, Refusal> {
    match &target.cursor {
        Cursor::Running(attempt) if attempt.number == number && attempt.epoch == epoch => {
            Ok(*attempt)
        }
        _ => Err(Refusal::Stale),
    }
}

/// The name of a cursor, for refusals and logs.
pub(super) fn cursor_name(cursor: &Cursor) -> &'static str {
    match cursor {
        Cursor::Queued { .. } => "queued",
        Cursor::Ready { .. } => "ready",
        Cursor::Running(_) => "running",
        Cursor::Waiting { .. } => "waiting",
        Cursor::Doubtful { .. } => "doubtful",
        Cursor::Held { .. } => "held",
        Cursor::Ended(_) => "ended",
    }
}

/// The refusal for an event that does not fit the target's cursor.
pub(super) fn unfit(event: &'static str, target: &Target) -> Refusal {
    Refusal::Unfit { event, cursor: cursor_name(&target.cursor) }
}
