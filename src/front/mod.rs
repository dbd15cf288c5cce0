//! The HTTP door: a server with limits, a router of one screen, and the platform's side of the
//! sandbox.
//!
//! Words: a *route* is method and path as one value; a *seat* is the place of one connection; a
//! *turn* of a seat is one request under way; to *turn away* is to answer 503 without reading.
//!
//! Deliberately absent: decisions. Whether a request may come in is `admission`'s to say; a
//! handler owns nothing but a waiter, so a client that hangs up changes nothing.

mod body;
mod gate;
mod handlers;
mod upload;
mod media;
mod media_door;
mod connect;
mod oauth;
mod boards;
mod people;
mod hooks;
mod limiter;
pub mod timeline;
mod html;
mod meta;
mod pages;
mod rules;
mod ready;
mod listen;
mod drain;
mod strict;
mod apart;
mod stream;
mod reply;
mod roster;
mod route;
mod openapi;
mod mcp;
pub mod sandbox;
mod arriving;
mod server;
mod socket;

#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod house;
#[cfg(test)]
mod server_tests;

pub use arriving::Arriving;
pub use body::{Bodies, RequestBody};
pub use drain::{Drain, Pass};
pub use gate::{Api, Gate, Inbound, platform_alone};
pub use handlers::Handlers;
pub use limiter::{Allowance, KeyUses, Limiter};
pub use listen::{Delivery, listening};
pub use mcp::Mcp;
pub use media_door::MediaDoor;
pub use meta::MetaDoor;
pub use oauth::OauthDoor;
pub use openapi::Description;
pub use ready::{DiskState, Ready};
pub use reply::{Answer, Envelope, Words};
pub use route::{Route, route};
pub use rules::{Named, Rule, all as all_rules, find as find_rule};
pub use server::{Answering, HangUp, Limits, Server, Service, serve_alone};
pub use stream::AnswerBody;
pub use upload::{Bounds, Received, receive};
