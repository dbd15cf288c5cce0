//! The one way outward. Everything the program says to the world leaves through `Upstream`.
//!
//! Words: an answer says how far a request got: *not sent* (DNS, connect, TLS, a refusal of our
//! own), *maybe sent* (timeout, reset, an unreadable answer) or *heard*. The *guard* refuses
//! addresses of private networks, after names are resolved.
//!
//! Deliberately absent: retries, redirects of calls, proxies from the environment. What is sent is
//! sent once; what may be done about doubt is the machine's to say.

mod way;
mod client;
mod guard;
mod names;
#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod tests;

pub use client::{
    FetchFault, Fetched, Hook, HookAnswer, HookFault, HttpUpstream, UpstreamError, UpstreamOptions,
};
pub use guard::{Refused, guard};
pub use way::{Pending, Upstream};
