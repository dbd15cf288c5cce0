//! Carries out one attempt: gets access, lets the platform's codec say what to send, sends it once,
//! and lets the codec read the answer.
//!
//! Deliberately absent: what happens next. The courier reports; the machine decides.

mod carry;
mod snapshot;
mod inspect;
mod flights;
mod clock;

pub use carry::{Courier, CourierOptions};
pub use inspect::Inspection;
