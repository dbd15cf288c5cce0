//! Connected accounts, their sealed credentials, their sessions, and the API keys.
//!
//! Words: a *credential* is what an account was connected with and what was made of it since; to
//! *seal* is to encrypt it at rest; *access* is what one attempt needs to speak as the account.
//!
//! Deliberately absent: publishing. Nothing here makes a post.

mod seal;
mod credential;
mod place;
mod connect;
mod oauth;
mod access;
mod renew;
mod boards;
mod meta;
mod tidings;
mod keys;
mod profiles;

pub use access::{AccessError, Accounts, AccountsOptions};
pub use boards::MadeBoard;
pub use connect::{ConnectBluesky, Connected};
pub use keys::Minted;
pub use meta::MetaPerson;
pub use oauth::{CompleteOauth, RedeemFault, State, StateFault};
pub use place::Place;
pub use seal::{Seal, SealError};
