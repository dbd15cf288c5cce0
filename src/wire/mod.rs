//! What is said over HTTP, as text: requests read, replies written.
//!
//! Deliberately absent: HTTP itself, accounts, the store. Everything here is a pure function of
//! its arguments.

mod links;

pub use links::Links;

/// A reply: status and exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Vec<u8>,
}
/// tmp
pub fn batch_reply(b: &crate::model::Batch, _l: &Links) -> Reply {
    Reply { status: 200, body: format!("{{\"id\":\"{}\",\"e\":{}}}", b.id, b.entries).into_bytes() }
}
/// tmp
pub fn post_status(_t: &crate::model::Target, _s: bool) -> &'static str {
    ""
}
