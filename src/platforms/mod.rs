//! What is said to each platform and how its answers are read: pure codecs.
//!
//! Words: *prepare* makes the one request of a step from what is frozen; *interpret* turns the
//! answer, or the words that there was none, into a verdict; *inspect* is the deep preflight of
//! bytes already in hand.
//!
//! Deliberately absent: the network, clocks, chance, credentials that outlive a call. Two calls
//! of `prepare` with the same context give the same bytes; that is what makes a repeat safe.

mod codec;

pub use codec::{
    Access, Answer, Body, Context, MediaFacts, Platform, Prepared, Reach, Request, SandboxFault,
};
