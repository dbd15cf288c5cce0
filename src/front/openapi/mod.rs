//! The description of the API, as OpenAPI 3.1: data, read by people, by generators of clients and
//! by our own MCP server.
//!
//! Words: the *document* is the whole description; a *part* is one of the files it is put together
//! from; an *operation* is one method on one path.
//!
//! Deliberately absent: what can be derived. The headers that every answer carries, and the address
//! of this server, are added when the parts are put together. What the parts repeat from the code
//! (names, codes, limits, routes) is held against it by tests.

mod document;
mod operation;

pub use document::Description;
pub(super) use operation::Operation;

#[cfg(test)]
mod tests;
