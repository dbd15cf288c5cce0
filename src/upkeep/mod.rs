//! What is done by the clock: forgetting what is no longer needed, renewing what ends, backing up.
//!
//! Words: a *task* is one of `workflows/upkeep`; a *page* is what one commit of it handles.
//!
//! Deliberately absent: anything a request waits for. A task that fails is tried at its next time.

mod tasks;
mod notices;
mod media;
mod run;

pub use media::prune_media;
pub use notices::trim_notices;
pub use run::{Upkeep, broke_off, next_run};
pub use tasks::{expire_claims, trim_journals};
