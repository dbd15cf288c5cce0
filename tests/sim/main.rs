//! The simulation: the real core in a seeded world of faults.
//!
//! `cargo test --test sim` runs 500 seeds; `SIM_SEEDS=20000 cargo test --test sim` runs more, and
//! `SIM_SEED=17` shows the story of one. The same seed gives the same bytes.

mod checkers;
mod clients;
mod dice;
mod house;
mod journal;
mod mutant;
mod platform;
mod world;

use mutant::Mutant;
use world::World;

const SEEDS: u64 = 500;
/// Seeds of the whole house.
const HOUSE_SEEDS: u64 = 200;
/// How many seeds a mutant may survive.
const MUTANT_SEEDS: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Seeds that failed once; they are run for ever.
const REGRESSIONS: [u64; 1] = [1864];

#[test]
fn no_seed_breaks_a_promise() {
    let chosen: Vec<u64> = match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => REGRESSIONS.into_iter().chain(0..number("SIM_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let show = chosen.len() == 1;
    for seed in chosen {
        match World::new(seed, None).run() {
            Ok(trace) if show => println!("{trace}"),
            Ok(_) => {}
            Err(finding) => panic!("seed {seed}: {}: {}", finding.checker, finding.what),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..20 {
        let run = || World::new(seed, None).run().map_err(|finding| finding.what);
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn no_seed_breaks_a_promise_of_the_whole_house() {
    let one = number("HOUSE_SEED");
    let seeds = number("HOUSE_SEEDS").unwrap_or(HOUSE_SEEDS);
    for seed in one.map_or(0..seeds, |seed| seed..seed + 1) {
        match house::run(seed, None) {
            Ok(story) if one.is_some() => println!("{story}"),
            Ok(_) => {}
            Err(finding) => panic!("house seed {seed}: {}: {}", finding.checker, finding.what),
        }
    }
}

/// Each mutant with the checkers that may catch it; the first is the one meant for it.
const MUTANTS: [(Mutant, &[&str]); 11] = [
    (Mutant::ProbesAtOnce, &["no_duplicate_landing"]),
    (Mutant::RepeatsWithoutKey, &["no_duplicate_landing"]),
    (Mutant::ForgetsTimers, &["no_orphan_timer", "every_batch_settles"]),
    (Mutant::LeavesTimers, &["no_orphan_timer"]),
    (Mutant::ForgetsClaims, &["one_batch_per_key", "equal_keys_equal_bytes"]),
    (Mutant::ForgetsReplies, &["every_batch_settles", "one_batch_per_key"]),
    (Mutant::LosesEntries, &["replay_equals_head", "store_is_sound"]),
    (Mutant::LosesTargets, &["store_is_sound", "replay_equals_head", "no_orphan_timer"]),
    (Mutant::LiesAboutFlush, &["no_batch_is_lost", "no_duplicate_landing", "one_batch_per_key"]),
    (Mutant::LosesNotices, &["each_end_is_told_once"]),
    (Mutant::TakesStaleReports, &["no_duplicate_landing", "told_as_it_is"]),
];

#[test]
fn every_mutant_is_caught() {
    for (mutant, checkers) in MUTANTS {
        let caught = (0..MUTANT_SEEDS).find_map(|seed| World::new(seed, Some(mutant)).run().err());
        let finding = caught.unwrap_or_else(|| panic!("{mutant:?} survived {MUTANT_SEEDS} seeds"));
        assert!(
            checkers.contains(&finding.checker),
            "{mutant:?} was caught by {}: {}",
            finding.checker,
            finding.what
        );
    }
}
