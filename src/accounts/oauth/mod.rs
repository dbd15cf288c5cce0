//! Connecting an account by a person's consent at the platform.
//!
//! Words: a *state* goes to the platform with the person and comes back, signed by us; it is
//! *redeemed* once, by whoever brings it first.
//!
//! Deliberately absent: the code verifier in the state. It stays here, sealed, so that who sees the
//! address the person comes back to cannot redeem the code. And a browser's session: a connect is
//! begun by a client with a key, often for a person elsewhere, and what comes of it depends on the
//! state and the code alone. So there is nothing that a page could make somebody's browser do here
//! which whoever holds that state could not do themselves. What a state cannot tell is whose the
//! code beside it is; the proof does (PKCE), where the platform takes one. LinkedIn and Pinterest
//! take none: there a stolen code goes to whoever brings it with a state of their own.

mod state;
mod connect;

pub use connect::{CompleteOauth, RedeemFault};
pub use state::{State, StateFault};
