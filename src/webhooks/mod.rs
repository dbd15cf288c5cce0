//! Telling the world: webhook endpoints, and the delivery of notices to them.
//!
//! Words: a *notice* is something the world is told, an event on the wire; to *fan out* is to make
//! one delivery for each endpoint that wants to hear a notice; a *delivery* is a notice on its way
//! to an endpoint, attempted until it arrives or is given up; a *round* is a series of attempts,
//! begun anew when a delivery is asked for again.
//!
//! Notices are written by the engine in the commit of what caused them. A cursor in the store says
//! up to which one deliveries have been made, and each delivery is a record with its next attempt,
//! so that a crash loses none: at worst one is delivered twice, under the same event id.
//!
//! Each endpoint has slots of its own, so that one that is slow delays nobody else.
//!
//! Deliberately absent: what notices say (`wire`), and when (`machine`).

mod secret;
mod endpoints;
mod fan_out;
mod attempt;
mod deliver;
mod log;

pub use attempt::Tried;
pub use deliver::Deliverer;
pub use endpoints::{Webhooks, WebhooksOptions};
pub use secret::{signature, signed};
