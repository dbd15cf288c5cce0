//! Keeps bytes: files under the SHA-256 of what they hold, written once and synced before anybody
//! names them.
//!
//! Words: *incoming* is a file that is being written; to *adopt* it is to keep it; a *link* is a
//! signed address under which anybody may fetch an upload for a while.
//!
//! Deliberately absent: where bytes come from, who still needs them, and what a platform thinks of
//! them.

mod files;
mod links;

pub use files::{Held, Incoming, Media, MediaError};
pub use links::{LinkFault, MediaLink, MediaLinks};
