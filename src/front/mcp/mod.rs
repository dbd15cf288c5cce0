//! The API as tools for agents: a server of the Model Context Protocol over Streamable HTTP.
//!
//! Words: a *tool* is one operation of the API's description; a *message* is one JSON-RPC request,
//! notification or response; a *call* is a tool with arguments, carried out as the request to the
//! API that it stands for.
//!
//! Deliberately absent: sessions, streams and batches, so that any message can go to any server;
//! and rights of its own: a call is a request with the caller's key, and passes the same gate.

mod door;
mod message;
mod tool;

pub use door::Mcp;

#[cfg(test)]
mod tests;
