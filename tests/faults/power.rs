//! Power loss: whatever a disk may hold after one, the house opens with all it acknowledged.

use std::path::Path;

use crate::child::{self, Running, folder, given, on_all_processors, scratch};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::house::{Acks, House};
use crate::plan::Plan;
use crate::shim;
use crate::trace::{self, Act};
use crate::{cuts, number, seed};

/// Cuts of one trace.
const CUTS_OF_ONE: u64 = 125;
/// Seeds that failed once: large groups that left two segments unsynced (1, 2), settings torn
/// before the first store was whole (3), a generation of the log of which the next but one had
/// left the beginning. Every run that is given no seed plays them.
const REGRESSIONS: [u64; 4] = [1, 2, 3, 20_261_141];

/// The part of a process that works on a house, and goes down as it is told: in order, or at once.
pub fn works() {
    let plan = Plan { seed: given("FAULT_SEED") };
    let mut acks = Acks::given();
    let mut house = House::open(&folder(), plan, 0).expect("a sound disk");
    house.work(given("FAULT_COMMITS"), |made| acks.tell(made)).expect("a sound disk");
    if given("FAULT_CLOSES") == 0 {
        std::process::exit(0);
    }
}

/// Three process lives on one disk, recorded.
fn record(plan: Plan, place: &Path) -> Vec<Act> {
    let (data, trace) = (place.join("data"), place.join("trace"));
    std::fs::create_dir(&data).expect("room");
    let mut dice = Dice::of(plan.seed, 20, 0);
    for life in 0..3 {
        let mut command = child::role("works", &data, plan.seed);
        shim::recorded(shim::between(&mut command, &data), &trace);
        let commits = if life == 2 { dice.size(20, 100) } else { dice.size(100, 1_800) };
        command.env("FAULT_COMMITS", commits.to_string());
        command.env("FAULT_CLOSES", if dice.chance(50) { "1" } else { "0" });
        Running::spawn(command).ended(child::PATIENCE * 2).expect("it hangs").well();
    }
    trace::read(&trace)
}

/// Cuts a trace at random places and opens what each leaves.
fn cut(plan: Plan, cuts: u64) {
    let place = scratch();
    let acts = record(plan, place.path());
    let root = place.path().join("data");
    let root = root.to_str().expect("a plain name");
    let mut dice = Dice::of(plan.seed, 21, 0);
    // Half of them where much happens besides writes: names, flushes, marks.
    let busy: Vec<usize> = acts
        .iter()
        .enumerate()
        .filter(|(_, act)| !matches!(act, Act::Write { .. }))
        .map(|(at, _)| at)
        .collect();
    let mut places: Vec<usize> = (0..cuts)
        .map(|n| if n % 2 == 0 { dice.below(acts.len() + 1) } else { busy[dice.below(busy.len())] })
        .collect();
    places.sort_unstable();
    let (mut disk, mut done) = (Disk::default(), 0);
    for (n, at) in places.into_iter().enumerate() {
        acts[done..at].iter().for_each(|act| disk.act(act));
        done = at;
        let image = scratch();
        let mut again = dice.clone();
        let fate = disk.lose_power(root, image.path(), &mut dice);
        if let Err(trouble) = House::open(image.path(), plan, disk.told) {
            // As it was before it was opened.
            let kept = place.path().with_extension("lost");
            std::fs::create_dir(&kept).expect("room");
            disk.lose_power(root, &kept, &mut again);
            let before: Vec<_> = acts[at.saturating_sub(60)..at].iter().map(Act::words).collect();
            let (seed, before, kept) = (plan.seed, before.join("\n"), kept.display());
            panic!("FAULT_SEED={seed}, cut {n}: {fate}: {trouble:?}; see {kept}; after\n{before}");
        }
    }
}

#[test]
fn a_power_loss_loses_nothing_that_was_acknowledged() {
    let (seed, cuts) = (seed(), cuts());
    let traces = cuts.div_ceil(CUTS_OF_ONE);
    on_all_processors(traces, |n| {
        let kept = usize::try_from(n).ok().and_then(|n| REGRESSIONS.get(n));
        let kept = kept.filter(|_| number("FAULT_SEED").is_none());
        let seed = kept.copied().unwrap_or(seed + n);
        cut(Plan { seed }, CUTS_OF_ONE.min(cuts - n * CUTS_OF_ONE));
    });
}
