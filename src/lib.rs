//! Fanfare: a self-hosted social publishing server that never posts twice and never loses a post.
//!
//! # The map
//!
//! Rooms in reading order, from the ground up. An import points down only, and `tests/tidy` holds
//! it so.
//!
//! | floor | rooms | in one line |
//! |---|---|---|
//! | 0 | [`model`] | the words of the field |
//! | 1, pure | [`preflight`] [`workflow`] [`machine`] | what is allowed, what happens next |
//! | 1, pure | [`wire`] [`platforms`] | what is said to clients and to platforms |
//! | 2, I/O | [`store`] [`upstream`] [`media`] | remember, speak outward, keep bytes |
//! | 3, doers | [`engine`] [`accounts`] [`courier`] [`webhooks`] | carry out |
//! | 3, doers | [`backup`] [`upkeep`] | keep what must survive, forget the rest |
//! | 4, use cases | [`admission`] [`control`] | what may come in; what an operator may ask |
//! | 5, doors | [`front`] [`cli`] | let people in |
//! | 5, proof | [`selftest`] | torture a second server, and count what lands |
//! | 6, wiring | [`config`] [`app`] | build the real clock, dice, disk and sockets |
//!
//! # What is absent, and must stay so
//!
//! - `machine` knows no clock, no dice and no store: time and chance come in a stamp.
//! - `platforms` never sends: the same context gives the same bytes, which makes a repeat safe.
//! - Only `upstream` speaks outward, and it never retries.
//! - Only `engine` writes to a store that is in use; `front` and `cli` know it by its `Handle`, and
//!   `backup` builds stores that nobody uses yet.
//! - Nothing leaves a turn of the engine before the flush that recorded why.
//!
//! # An immediate publish
//!
//! 1. `front::Handlers` authenticates, checks scope and rate, reads the body, and calls
//!    `admission::Admission::create`.
//! 2. Admission looks at the idempotency claim (in the `store`; a reply that is not decided yet is
//!    the engine's to tell: `engine::Handle::peek`), parses (`wire`), resolves accounts and
//!    contents, runs `preflight::shape` for every target, and submits.
//! 3. In one turn the engine's core accepts (`machine::draft`, `machine::transition`): one commit
//!    holds batch, targets, contents, journal entry, timer, indexes and claim. Where a slot is free
//!    the first step begins in it. One flush; then the call is released.
//! 4. `courier::Courier` gets access (`accounts`), lets the codec prepare the one request, sends it
//!    (`upstream`), and lets the codec read the answer as a verdict.
//! 5. The report comes back through the mailbox; the machine moves on, to the end or to the next
//!    step, which begins in the same commit where nobody waits for the slot. Sendings of one batch
//!    that went well and are heard of in one turn share a commit. When every target has settled the
//!    reply is rendered once, kept under its claim, and told to everybody who waits.
//!
//! # A scheduled wake-up
//!
//! 1. The accepting commit stored the batch's one timer, and answered 202.
//! 2. The engine's shell sleeps to the earliest timer, never longer than five seconds. The core
//!    rings it (`engine::Core::turn`), loads the batch and lets the target wait for a slot. Once it
//!    has one, `Woke` and `Begun` are applied in one commit.
//! 3. From there it goes as above. A timer that passed while nothing ran rings at the next start;
//!    an attempt that was under way is found by its epoch and becomes `Recovered`.
//!
//! # An event is told
//!
//! 1. What happened to a target (`machine::tidings`) or to an account becomes a notice in the very
//!    commit that made it so: no event without its cause, no cause without its event.
//! 2. `webhooks::Webhooks` reads notices in order and stores one delivery an endpoint. Each is a
//!    workflow of its own (`workflows/deliver/webhook.toml`), tried and logged until the endpoint
//!    takes it or its patience ends.
//!
//! # A backup is restored
//!
//! 1. `backup::restore` reads the file, checks every frame and builds a store and its files in a
//!    folder beside the one asked for; `store::audit` checks that as `journal verify` does.
//! 2. `engine::Core::restore` applies `Restored` to every post that the lost server may have gone
//!    on with (`machine::transition`): its next visible step is repeated under its key, read back
//!    or held.
//! 3. The folder is moved into place, whole. The next start goes on from what the journals say.

pub mod model;

pub mod preflight;
pub mod workflow;
pub mod machine;
pub mod wire;
pub mod platforms;

pub mod store;
pub mod upstream;
pub mod media;

pub mod engine;
pub mod accounts;
pub mod courier;
pub mod webhooks;
pub mod backup;
pub mod upkeep;

pub mod admission;
pub mod control;

pub mod front;
pub mod selftest;
pub mod cli;

pub mod config;
pub mod app;
