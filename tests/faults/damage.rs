//! Damaged bytes: a store is refused in words, or `verify` finds what is wrong, or all it gives is
//! right. It never panics, hangs, swells or gives anything else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fanfare::store::{Sled, StoreError, verify};

use crate::child::{self, Running, folder, given, on_all_processors, scratch};
use crate::dice::Dice;
use crate::house::{rows, survived};
use crate::plan::Plan;
use crate::{number, seed};

/// How long one damaged store may keep a process busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a process may ask for in all.
const MEMORY_BYTES_MAX: u64 = 3 << 30;
/// Process lives of each kind of store, and whether the last one closed it.
const KINDS: [(u64, bool); 4] = [(1, true), (1, false), (3, true), (3, false)];
/// Commits of a life.
const COMMITS: u64 = 140;
/// Damages that one worker is given at a time.
const SHARE: u64 = 50;

/// What became of a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Refused in words.
    Refused,
    /// It opened, and the damage is known.
    Found,
    /// Everything is right.
    Right,
}

/// Looks through a damaged store of which everything was acknowledged.
fn look(store: &Path, plan: Plan, made: u64) -> Result<Outcome, String> {
    let store = match Sled::open(store) {
        Ok(store) => store,
        Err(error) => return refusal(&error),
    };
    match verify(&store) {
        Ok(report) if report.findings.is_empty() => {}
        Ok(report) => {
            let blank = |text: &String| text.trim().is_empty();
            let silent = report.findings.iter().any(|one| blank(&one.key) || blank(&one.problem));
            return if silent { Err(format!("{report:?}")) } else { Ok(Outcome::Found) };
        }
        Err(error) => return refusal(&error),
    }
    let found = rows(&store).map_err(|error| format!("verify was content, then {error}"))?;
    survived(plan, &found, made)?;
    Ok(Outcome::Right)
}

/// A refusal names what is damaged and what helps.
fn refusal(error: &StoreError) -> Result<Outcome, String> {
    let text = error.to_string();
    let helps = match error {
        StoreError::Corrupt { .. } => text.contains("restore a backup"),
        _ => false,
    };
    if helps { Ok(Outcome::Refused) } else { Err(format!("a refusal that does not help: {text}")) }
}

/// The part of a process that looks through one damaged store after the other, until one has
/// shaken sled: then a fresh process goes on.
pub fn looks() {
    rlimit::setrlimit(rlimit::Resource::AS, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX).expect("a limit");
    let (plan, made) = (Plan { seed: given("FAULT_SEED") }, given("FAULT_MADE"));
    for n in given("FAULT_FROM")..given("FAULT_TO") {
        let place = scratch();
        copy(&folder(), place.path());
        let story = damage(place.path(), &mut Dice::of(plan.seed, 50, n));
        println!("\ntry {n} {story}");
        let outcome = look(place.path(), plan, made).unwrap_or_else(|wrong| panic!("{wrong}"));
        println!("\ncame {n} {outcome:?}");
        if outcome != Outcome::Right {
            drop(place);
            std::process::exit(0);
        }
    }
}

/// Copies what lies in a folder, all but sockets.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("room");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            std::fs::copy(&path, target).expect("room");
        }
    }
}

/// Every file beneath a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Damages one file of a store, and says how.
pub fn damage(store: &Path, dice: &mut Dice) -> String {
    let all = files(store);
    let log = ["log-even", "log-odd"][dice.below(2)];
    let path = match dice.below(100) {
        0..40 => store.join("db"),
        40..75 => store.join(log),
        _ => all[dice.below(all.len())].clone(),
    };
    let mut bytes = std::fs::read(&path).expect("a file");
    let length = bytes.len();
    let at = dice.below(length.max(1));
    let at = if dice.chance(30) { at / 512 * 512 } else { at };
    let span = [1, 16, 512, 4_096, 20_000][dice.below(5)];
    let end = (at + span).min(length);
    let what = match dice.below(if length == 0 { 1 } else { 9 }) {
        0 => {
            bytes.extend((0..span).map(|_| dice.next() as u8));
            "grown by"
        }
        1 | 2 => {
            bytes[at] ^= 1 << dice.below(8);
            "one bit flipped, not"
        }
        3 => {
            bytes[at] = bytes[at].wrapping_add(1 + dice.below(255) as u8);
            "one byte changed, not"
        }
        4 => {
            bytes[at..end].fill(0);
            "zeroed"
        }
        5 => {
            bytes[at..end].fill_with(|| dice.next() as u8);
            "garbled"
        }
        6 => {
            let from = dice.below(length) / 512 * 512;
            let part = bytes[from..(from + end - at).min(length)].to_vec();
            bytes[at..at + part.len()].copy_from_slice(&part);
            "overwritten from elsewhere"
        }
        7 => {
            bytes.truncate(at);
            "cut, not"
        }
        _ => {
            std::fs::remove_file(&path).expect("ours");
            return format!("{} removed", path.display());
        }
    };
    std::fs::write(&path, bytes).expect("room");
    format!("{}: {what} {span} bytes at {at} of {length}", path.display())
}

/// Makes a store, and says how many commits are in it.
fn make(plan: Plan, data: &Path, lives: u64, closes: bool) -> u64 {
    let acks = data.join("acks");
    for life in 1..=lives {
        let mut command = child::role("works", data, plan.seed);
        command.env("FAULT_MARKS", &acks).env("FAULT_COMMITS", COMMITS.to_string());
        command.env("FAULT_CLOSES", if life < lives || closes { "1" } else { "0" });
        child::run(command).well();
    }
    crate::house::Acks::last(&acks)
}

/// Damages a store many times over; counts what came of it.
fn damages(plan: Plan, kind: (u64, bool), count: u64) -> [u64; 3] {
    let (lives, closes) = kind;
    let data = scratch();
    let made = make(plan, data.path(), lives, closes);
    let store = data.path().join("store");
    let counts = std::sync::Mutex::new([0; 3]);
    on_all_processors(count.div_ceil(SHARE), |share| {
        let (mut from, to) = (share * SHARE, count.min((share + 1) * SHARE));
        while from < to {
            let mut command = child::role("looks", &store, plan.seed);
            command.env("FAULT_MADE", made.to_string());
            command.env("FAULT_FROM", from.to_string()).env("FAULT_TO", to.to_string());
            let words = format!("FAULT_SEED={}, kind {kind:?}, {from} to {to}", plan.seed);
            let ended = Running::spawn(command).ended(PATIENCE);
            let ended = ended.unwrap_or_else(|| panic!("{words}: it hangs"));
            let last = ended.out.lines().rfind(|line| line.starts_with("try ")).unwrap_or_default();
            assert!(ended.status.success(), "{words}: {last}: {}{}", ended.out, ended.err);
            assert!(!ended.err.contains("panicked"), "{words}: {last}: {}", ended.err);
            let mut counts = counts.lock().expect("no panic");
            let came = ended.out.lines().filter_map(|line| line.strip_prefix("came "));
            for line in came {
                let place =
                    ["Refused", "Found", "Right"].iter().position(|one| line.ends_with(one));
                counts[place.expect("an outcome")] += 1;
                from += 1;
            }
        }
    });
    counts.into_inner().expect("no panic")
}

#[test]
fn damage_is_refused_or_found_or_harmless() {
    let seed = seed();
    let wanted = number("FAULT_DAMAGES").unwrap_or(800);
    let each = wanted.div_ceil(KINDS.len() as u64);
    let mut all = [0; 3];
    for (n, kind) in (0..).zip(KINDS) {
        let came = damages(Plan { seed: seed + n }, kind, each);
        println!("{kind:?}: {came:?} refused, found, right");
        all.iter_mut().zip(came).for_each(|(sum, one)| *sum += one);
    }
    assert!(all.iter().all(|count| *count > 0), "the damages are all of one kind: {all:?}");
}
