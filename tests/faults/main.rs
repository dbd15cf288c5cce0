//! The real store against the faults of a real disk.
//!
//! A *house* is a store with media beside it, written by a plan that a seed gives: what it holds
//! after `n` commits is known for every `n`. So whoever opens one can tell which commits survived,
//! and that each did whole. `shim.c`, preloaded, stands between a process and its disk.
//!
//! - `power`: what several process lives did to their files is recorded. At random moments a disk
//!   is laid out of all that was flushed and of any part of what was not: writes kept, lost, torn
//!   by the sector or out of order, names kept or lost. It must open with all that had been
//!   acknowledged. `FAULT_CUTS` moments, 1,000 if not set. `blackout` does the same to the whole
//!   server, from its first start on: `FAULT_BLACKOUTS`, 60.
//! - `refusals`: each call in turn fails: no room, an error, half a write, a flush that fails, a
//!   write that fails late. The house stops in words, tells nobody anything after, never hangs, and
//!   goes on when the disk is well; also when what a failed flush left behind is lost for good.
//!   `FAULT_REFUSALS`, 320. `served` does the same to the whole server under load: `FAULT_SERVED`,
//!   80.
//! - `damage`: bits, bytes, ranges and files are changed, cut, copied and removed. A store is then
//!   refused in words, or `verify` finds it, or everything is right; within bounds of memory and
//!   time, and with no panic. `FAULT_DAMAGES`, 800. `unsound` starts the server on it:
//!   `FAULT_UNSOUND`, 24.
//! - `kills`: SIGKILL at random microseconds. `FAULT_KILLS`, 500.
//! - `upgrade`: stores that the programs of every format left, and a newer one's.
//!
//! Every run tells its `FAULT_SEED`; set, it gives the same plans, moments and damages. Threads
//! still take turns as they like, so a failure may need a few runs of its seed. Scratch folders lie
//! in memory where they can; `FAULT_SCRATCH` names a real disk.
//!
//! # What this cannot show
//!
//! The shim sees calls, not drives. A drive that says a flush is done and lies loses what it
//! likes; so does one that keeps half a sector. What is written through a shared memory map would
//! escape the shim, so it ends the process that makes one on a file of the house: sled makes none.
//! Names are held to less than real file systems give, which keep the order of such changes.
//! Damage that leaves every checksum right, on purpose, is not looked for.

#![expect(clippy::print_stdout, reason = "a run tells its seed and what came of it")]

#[path = "../support/mod.rs"]
mod support;

mod blackout;
mod child;
mod damage;
#[path = "../support/dice.rs"]
mod dice;
mod disk;
mod house;
mod kills;
mod plan;
mod power;
mod refusals;
mod served;
mod shim;
mod trace;
mod unsound;
mod upgrade;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seed of a run: `FAULT_SEED`, or another one each time; it is always said.
fn seed() -> u64 {
    let fresh = || u64::from(std::process::id()) << 20;
    let seed = number("FAULT_SEED").unwrap_or_else(fresh);
    println!("FAULT_SEED={seed}");
    seed
}

/// How many power losses are played.
fn cuts() -> u64 {
    number("FAULT_CUTS").unwrap_or(1_000)
}

/// Not a test of its own: the process that a test starts to be faulted.
#[test]
fn plays_a_part() {
    match std::env::var("FAULT_ROLE").as_deref() {
        Ok("works") => power::works(),
        Ok("strives") => refusals::strives(),
        Ok("looks") => damage::looks(),
        Ok("races") => kills::races(),
        Ok(other) => panic!("no such part: {other}"),
        Err(_) => {}
    }
}
