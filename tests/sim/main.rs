//! The simulation: the real core, and around it the whole house, in seeded worlds of faults.
//!
//! `cargo test --test sim` runs 2,000 seeds of the core and 120 of the house;
//! `SIM_SEEDS=20000 HOUSE_SEEDS=2000 cargo test --test sim` runs more, and `SIM_SEED=17` or
//! `HOUSE_SEED=17` shows the story of one. `SIM_FROM=20000` begins there, so that a long run can be
//! divided. The same seed gives the same bytes.

mod checkers;
mod clients;
#[path = "../support/dice.rs"]
mod dice;
mod house;
mod journal;
mod mutant;
mod platform;
mod world;

use house::Flaw;
use mutant::Mutant;
use world::World;

const SEEDS: u64 = 2_000;
/// Seeds of the whole house.
const HOUSE_SEEDS: u64 = 120;
/// Seeds of the house that failed once; they are run for ever.
const HOUSE_REGRESSIONS: [u64; 8] = [431, 277, 9_337, 31_468, 302_455, 404_714, 710_022, 710_041];
/// How many seeds a mutant may survive.
const MUTANT_SEEDS: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seeds that the environment asks for.
fn range(from: &str, count: &str, default: u64) -> std::ops::Range<u64> {
    let from = number(from).unwrap_or(0);
    from..from + number(count).unwrap_or(default)
}

/// Seeds that failed once; they are run for ever.
const REGRESSIONS: [u64; 4] = [1864, 5_817, 116_092, 1_005_913];

#[test]
fn no_seed_breaks_a_promise() {
    let chosen: Vec<u64> = match number("SIM_SEED") {
        Some(seed) => vec![seed],
        None => REGRESSIONS.into_iter().chain(range("SIM_FROM", "SIM_SEEDS", SEEDS)).collect(),
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
    let seeds = range("HOUSE_FROM", "HOUSE_SEEDS", HOUSE_SEEDS);
    let chosen: Vec<u64> = match one {
        Some(seed) => vec![seed],
        None => HOUSE_REGRESSIONS.into_iter().chain(seeds).collect(),
    };
    for seed in chosen {
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

/// What the test of this name prints of one seed, in a process of its own.
fn told(variable: &str, seed: u64, test: &str) -> String {
    let program = std::env::current_exe().expect("this test is a program");
    let run = std::process::Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(variable, seed.to_string())
        .output()
        .expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let told = String::from_utf8(run.stdout).expect("it prints text");
    assert!(told.lines().count() > 10, "a story of {variable}={seed}: {told}");
    // How long it took is no part of the story.
    told.lines().filter(|line| !line.contains("finished in")).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_two_processes() {
    for seed in 0..10 {
        let core = || told("SIM_SEED", seed, "no_seed_breaks_a_promise");
        assert_eq!(core(), core(), "seed {seed}");
        let house = || told("HOUSE_SEED", seed, "no_seed_breaks_a_promise_of_the_whole_house");
        assert_eq!(house(), house(), "house seed {seed}");
    }
}

/// Each flaw of the house with the checkers that may catch it; the first is the one meant for it.
const FLAWS: [(Flaw, &[&str]); 24] = [
    (Flaw::LiesAboutFlush, &["nothing_leaves_before_its_flush"]),
    (Flaw::ForgetsClaims, &["one_batch_per_key", "equal_keys_equal_bytes"]),
    (Flaw::ForgetsReplies, &["equal_keys_equal_bytes", "one_batch_per_key"]),
    (Flaw::LosesDeliveries, &["every_event_arrives"]),
    (Flaw::LosesNotices, &["each_end_is_told_once"]),
    (Flaw::ForgetsCredentials, &["one_refresh_per_token"]),
    (Flaw::KeepsClaims, &["what_is_over_is_forgotten"]),
    (Flaw::ForgetsLeaps, &["keys_outlive_the_clock"]),
    (Flaw::WakesLate, &["due_posts_go_out_in_time"]),
    (Flaw::WakesEarly, &["never_before_its_time"]),
    // By the definition that is kept its journals cannot be: who checks a backup sees that too.
    (Flaw::RepeatsBlindly, &["no_duplicate_landing", "backups_are_whole"]),
    (Flaw::SaysNothing, &["every_failure_explains_itself"]),
    (Flaw::TurnsWords, &["events_are_signed_and_equal"]),
    (Flaw::LosesPasswords, &["accounts_stay_connected"]),
    (Flaw::MixesMedia, &["media_lands_as_given"]),
    (Flaw::LosesMedia, &["media_is_kept_while_needed"]),
    (Flaw::ForgetsFetched, &["one_fetch_a_batch", "media_is_kept_while_needed"]),
    (Flaw::FetchesAgain, &["one_fetch_a_batch"]),
    (Flaw::PrunesNeeded, &["media_is_kept_while_needed"]),
    (Flaw::KeepsMedia, &["what_is_over_is_forgotten"]),
    (Flaw::ForgetsUses, &["media_is_kept_while_needed"]),
    (Flaw::BacksUpNoMedia, &["backups_are_whole"]),
    (Flaw::ForgetsTheLoss, &["no_duplicate_landing"]),
    (Flaw::CountsNothing, &["lists_are_up_to_date"]),
];

#[test]
fn every_flaw_of_the_house_is_caught() {
    for (flaw, checkers) in FLAWS {
        let caught = (0..MUTANT_SEEDS).find_map(|seed| {
            let finding = house::run(seed, Some(flaw)).err()?;
            Some((seed, finding))
        });
        let (seed, finding) =
            caught.unwrap_or_else(|| panic!("{flaw:?} survived {MUTANT_SEEDS} seeds"));
        println!("{flaw:?}: seed {seed}, {}", finding.checker);
        assert!(
            checkers.contains(&finding.checker),
            "{flaw:?} was caught by {} at seed {seed}: {}",
            finding.checker,
            finding.what
        );
    }
}

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
