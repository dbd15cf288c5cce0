//! Decides whether a request may come in, and as what.
//!
//! Words: a *caller* is who a credential says is asking; to *resolve* is to find the account of
//! each target and the content it inherits; *served* is a reply with what it says of its key.
//!
//! The order of a request to publish: idempotency key, claim, shape, accounts, content, preflight,
//! schedule. Whatever fails, nothing is stored but the reply under its key.
//!
//! Deliberately absent: HTTP, and carrying anything out.

mod caller;
mod claims;
mod flights;
mod resolve;
mod create;
mod change;
mod retry;
mod validate;
mod pages;
mod read;
mod uploads;
mod faults;

pub use caller::{Caller, SentKey, authenticate, require};
pub use claims::Served;
pub use create::{Admission, AdmissionOptions, Inspect};
pub use uploads::{NewUpload, out_of_scope};
