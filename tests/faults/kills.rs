//! SIGKILL at random microseconds, in the middle of commits, flushes and openings: the next life
//! finds all that was acknowledged, and every commit whole.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::child::{self, Running, folder, given, on_all_processors, scratch};
use crate::dice::Dice;
use crate::house::{Acks, House};
use crate::plan::Plan;
use crate::support::after;
use crate::{number, seed};

/// Houses that are killed again and again, each with its share of the kills.
const HOUSES: u64 = 2;
/// How long a life may last: most end while it opens, some in full work.
const SHORT_MICROS: usize = 60_000;
const LONG_MICROS: usize = 250_000;

/// The part of a process that works as fast as it can until it is killed.
pub fn races() {
    let plan = Plan { seed: given("FAULT_SEED") };
    let place = std::env::var_os("FAULT_MARKS").expect("a place for marks");
    let acked = Acks::last(Path::new(&place));
    let mut acks = Acks::given();
    let mut house = House::open(&folder(), plan, acked).expect("a sound disk");
    house.work(u64::MAX / 2, |made| acks.tell(made)).expect("a sound disk");
}

fn kill_again_and_again(plan: Plan, rounds: u64) -> u64 {
    let place = scratch();
    let (data, acks) = (place.path().join("data"), place.path().join("acks"));
    std::fs::create_dir(&data).expect("room");
    let mut dice = Dice::of(plan.seed, 60, 0);
    for round in 0..rounds {
        let mut command = child::role("races", &data, plan.seed);
        command.env("FAULT_MARKS", &acks);
        let running = Running::spawn(command);
        let most = if dice.chance(25) { LONG_MICROS } else { SHORT_MICROS };
        after(Duration::from_micros(dice.next() % most as u64));
        let ended = running.kill();
        let words = format!("FAULT_SEED={}, round {round}", plan.seed);
        assert_eq!(ended.status.signal(), Some(9), "{words}: {}{}", ended.out, ended.err);
    }
    let acked = Acks::last(&acks);
    let house = House::open(&data, plan, acked);
    let house = house.unwrap_or_else(|trouble| panic!("FAULT_SEED={}: {trouble:?}", plan.seed));
    assert!(house.made >= acked);
    acked
}

#[test]
fn kills_at_random_microseconds_lose_nothing() {
    let seed = seed();
    let rounds = number("FAULT_KILLS").unwrap_or(500).div_ceil(HOUSES);
    let acked = AtomicU64::new(0);
    on_all_processors(HOUSES, |n| {
        let house = kill_again_and_again(Plan { seed: seed + n }, rounds);
        acked.fetch_add(house, Ordering::Relaxed);
    });
    let acked = acked.into_inner();
    println!("{acked} commits acknowledged over {} kills", rounds * HOUSES);
    assert!(acked > rounds, "hardly anything was acknowledged, so hardly anything was shown");
}
