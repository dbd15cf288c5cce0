//! The real store against the faults of a real disk.

#![expect(clippy::print_stdout, reason = "a run tells its seed and what came of it")]

#[path = "../support/mod.rs"]
mod support;

mod child;
mod damage;
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
