//! The whole house in virtual time: admission, engine, courier, accounts, webhooks and upkeep as
//! the server runs them, over the memory store, in a world that misbehaves by seed.
//!
//! One process life is one runtime of one thread with a paused clock; a crash drops it between two
//! instructions of the store, and what requests were on their way goes on its way. What is sent
//! outward meets simulated platforms: the sandbox in its three classes, a host of Bluesky accounts
//! whose sessions are short and whose refresh tokens are good once, and webhook receivers.
//!
//! Posts have attachments, of which the files lie in a real folder; they are removed as soon as
//! nobody needs them.
//!
//! Backups are made as it goes on, by the server's own code, into a real folder. Where the plan has
//! it, everything else is lost, and the newest backup is restored as an operator would.
//!
//! Deliberately absent: sockets, HTTP framing and the disk; other tests have the real ones.

mod client;
mod checks;
mod disk;
mod files;
mod life;
mod lists;
mod losses;
mod net;
mod operator;
mod pds;
mod receivers;
mod timeline;
mod uploads;
mod world;

use std::sync::Arc;

pub use disk::Flaw;
pub use world::World;

use crate::journal::Finding;

/// Process lives of one seed at the most.
const LIVES_MAX: usize = 200;

/// Lives one seed to its end, with a flaw if one is to be caught; the story, if all held.
pub fn run(seed: u64, flaw: Option<Flaw>) -> Result<String, Finding> {
    let world = Arc::new(World::new(seed, flaw));
    for _ in 0..LIVES_MAX {
        let end = life::live(&world);
        world.finding()?;
        match end {
            life::End::Rested => return Ok(world.story()),
            life::End::Died(why) => world.bury(&why),
        }
        losses::make_good(&world).map_err(|finding| finding.told(&world.story()))?;
        checks::after_crash(&world).map_err(|finding| finding.told(&world.story()))?;
    }
    Err(Finding::new("every_batch_settles", format!("not at rest after {LIVES_MAX} lives")))
}
