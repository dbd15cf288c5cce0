//! The one owner of all batches. It runs in *turns*: drain the mailbox, apply every input with the
//! pure machine, commit, flush once, and only then release what the turn decided.
//!
//! Words: an *input* is something that arrived in the mailbox; a *release* is something that may
//! leave because the flush that recorded why is done; a *lane* is an account's queue; a *slot* is
//! the right to have one attempt under way; a *claim* binds an idempotency key to its request.
//!
//! `front`, `cli`, `accounts`, `courier` and `upkeep` know the engine by `Handle` alone, but for
//! what it notes of the wall clock (`leaps`): the last two read that.
//!
//! Deliberately absent: HTTP, platforms' words, credentials. `core` has no clock and no dice.

mod interface;
mod handle;
mod shell;
mod core;
mod inputs;
mod reports;
mod changes;
mod apply;
mod plan;
mod timers;
mod restore;
mod lanes;
mod leaps;
mod alarms;
mod owned;
mod caught;
#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod lanes_tests;
#[cfg(test)]
mod reports_tests;

pub use self::core::{Core, Moment, Options, Release};
pub use caught::{Caught, Panicked, caught};
pub use handle::{Handle, Input, Mailbox, Ticket, mailbox};
pub use interface::{
    Asking, Call, Change, ChangeError, Changed, Claim, EngineError, Expect, Health, NewNotice,
    NewTarget, Records, Report, Submission, Submitted, WriteError,
};
pub use leaps::{clock_was_wrong, clock_wrong_at, noted as leaps_noted};
pub use restore::{Doubts, RestoreError};
pub use shell::{Carry, Clocks, drive, spawn};
