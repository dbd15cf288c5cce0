//! The platform's side of the sandbox: what a real platform would keep and answer, served by our
//! own door so that every byte takes the path a real platform's would.
//!
//! Words: a *landing* is one post or comment that became visible; the *landings log* is a file of
//! its own, one JSON object a line, fsynced before any answer, as a platform would keep it
//! independently of our store; a *fault* is what the sandbox was asked to suffer.
//!
//! Deliberately absent: our store, API keys, retries. The sandbox does not know what its callers
//! remember; that is what makes it a witness.

mod door;
mod index;
mod landing;
mod log;

pub use door::SandboxDoor;
pub use landing::{Draft, Kind, Landing, MediaSeen};
pub use log::{Landings, SandboxError, TimelinePage};
