//! What an operator may ask of a server, and the socket it is asked through.
//!
//! Words: a *request* is one thing asked, as one line of JSON; an *answer* is one line back. The
//! socket lies in the data folder with mode 0600: who can open it is the operator. With no server
//! running the same requests are carried out on the store itself.
//!
//! Deliberately absent: HTTP, API keys' scopes, and how answers are shown.

mod request;
mod execute;
mod hooks;
mod batches;
mod story;
mod verify;
mod backups;
mod socket;

pub use backups::contents_value;
pub use execute::Control;
pub use request::{Answer, Request};
pub use socket::{SocketError, ask, bind, follow, listen};
pub use story::story;
pub use verify::{audit_value, findings_value};
