//! Connecting an account by a person's consent at the platform.
//!
//! Words: a *state* goes to the platform with the person and comes back, signed by us; it is
//! *redeemed* once, by whoever brings it first.
//!
//! Deliberately absent: the code verifier in the state. It stays here, sealed, so that who sees the
//! address the person comes back to cannot redeem the code.

mod state;
mod connect;

pub use connect::{CompleteOauth, RedeemFault};
pub use state::{State, StateFault};
