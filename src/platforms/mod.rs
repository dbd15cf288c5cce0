//! What is said to each platform and how its answers are read: pure codecs.
//!
//! Words: *prepare* makes the one request of a step from what is frozen; *interpret* turns the
//! answer, or the words that there was none, into a verdict; *inspect* is the deep preflight of
//! bytes already in hand.
//!
//! Deliberately absent: the network, clocks, chance, credentials that outlive a call. Two calls
//! of `prepare` with the same context give the same bytes; that is what makes a repeat safe.

mod codec;
mod answer;
mod clock;
mod snapshot;
mod rehearsal;
mod versions;
pub mod sandbox;
pub mod bluesky;
pub mod oauth;
pub mod pinterest;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use answer::excerpt;
pub use clock::{clock_ahead, is_unsteady};
pub use codec::{
    Access, Answer, Body, ClockTrust, Context, MediaFacts, Platform, Prepared, Reach, Request,
    SandboxFault,
};
pub use rehearsal::{REHEARSAL, Rehearsal};
pub use snapshot::{SNAPSHOT, facts_from_memo, facts_to_memo};
pub use versions::{ApiVersion, VERSIONS};

/// Every platform this program can publish to.
pub type Registry = BTreeMap<crate::model::Platform, Arc<dyn Platform>>;

/// The platforms of this program, one line each.
pub fn registry() -> Registry {
    let all: [Arc<dyn Platform>; 2] = [Arc::new(sandbox::Sandbox), Arc::new(bluesky::Bluesky)];
    all.into_iter().map(|codec| (codec.platform(), codec)).collect()
}
