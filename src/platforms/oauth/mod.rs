//! Connecting with OAuth 2.0: the facts of each platform, the requests, and how answers are read.
//!
//! Words: a *provider* is what is known of a platform's OAuth server; a *client* is the app that
//! the operator registered there; a *code* is what a person's consent is worth, once; *tokens* are
//! what a code or a refresh token is exchanged for; an *identity* is who consented.
//!
//! Deliberately absent: platforms whose consent grants several accounts at once, or whose tokens
//! take more than one exchange.

mod provider;
mod client;
mod answers;

#[cfg(test)]
mod tests;

pub use answers::{
    Identity, OauthFault, Offer, Tokens, no_refresh_token, read_identity, read_tokens,
};
pub use client::{Client, Grant, challenge};
pub use provider::{Challenge, ClientAuth, Endpoints, PROVIDERS, Provider, provider};
