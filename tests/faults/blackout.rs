//! Power loss under the whole server: from its very first start on, whatever a disk may hold after
//! one, it starts, finds what it had answered, and `journal verify` is content.

use std::path::Path;
use std::process::Command;

use crate::child::{on_all_processors, scratch};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::served::{Told, ask, find_all};
use crate::trace::{self, Act};
use crate::{number, seed, shim, support};

/// A first start and the requests after it, recorded; and what was answered by which byte of it.
fn record(place: &Path, dice: &mut Dice) -> (Vec<(u64, Act)>, Told) {
    let (data, trace) = (place.join("data"), place.join("trace"));
    std::fs::create_dir(&data).expect("room");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    shim::recorded(shim::between(&mut command, &data), &trace);
    let server = support::launch(command, &data, &["rate_limit.points=0"]).expect("it starts");
    let clock = || std::fs::metadata(&trace).expect("a trace").len();
    let told = ask(&server, dice, clock);
    server.kill();
    (trace::read_with_ends(&trace), told)
}

#[test]
fn a_server_starts_after_any_power_loss_with_all_it_answered() {
    let seed = seed();
    let wanted = number("FAULT_BLACKOUTS").unwrap_or(60);
    let place = scratch();
    let (acts, told) = record(place.path(), &mut Dice::of(seed, 80, 0));
    assert!(told.count() > 20, "{} answers", told.count());
    let root = place.path().join("data");
    let root = root.to_str().expect("a plain name");
    on_all_processors(wanted, |n| {
        let mut dice = Dice::of(seed, 81, n);
        let at = dice.below(acts.len() + 1);
        let mut disk = Disk::default();
        acts[..at].iter().for_each(|(_, act)| disk.act(act));
        let image = scratch();
        let data = image.path().join("data");
        std::fs::create_dir(&data).expect("room");
        let fate = disk.lose_power(root, &data, &mut dice);
        let told = told.by(at.checked_sub(1).map_or(0, |last| acts[last].0));
        let words = format!("FAULT_SEED={seed}, blackout {n} at {at}: {fate}");
        find_all(&data, &told, &words);
    });
}
