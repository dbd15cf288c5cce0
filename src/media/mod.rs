//! Keeps bytes: files under the SHA-256 of what they hold, written once and synced before anybody
//! names them.
//!
//! Deliberately absent: where bytes come from and what a platform thinks of them.

mod files;

pub use files::{Incoming, Media, MediaError};
