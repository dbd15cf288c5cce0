//! What happens next: one total, pure function moves a batch.
//!
//! Words: a *transition* takes a batch, a stamp and an event to the next batch and its effects; a
//! *refusal* says that the event does not fit where the batch stands; *doubt* is a visible call
//! whose outcome is unknown; to *hold* is to leave that to an operator; *tidings* are what the
//! world is told of a move.
//!
//! Deliberately absent: a clock, dice, a store, platforms. Time, chance and the process life come
//! in the stamp, so replaying a journal gives the same states and the same effects.

mod transition;
mod replay;
mod draft;
mod begin;
mod restore;
mod verdict;
mod step;
mod change;
mod tidings;
mod backoff;
mod fault;
mod wake;
mod invariant;

#[cfg(test)]
mod tests;

pub use change::may_cancel;
pub use draft::{Draft, DraftTarget, draft};
pub use invariant::violation;
pub use replay::{ReplayError, replay};
pub use tidings::Tidings;
pub use transition::{Effects, Refusal, ReplyCause, transition};
pub use wake::{is_early, live_wake, next_wake, stored_wake};
