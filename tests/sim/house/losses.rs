//! Backups, and what follows when everything else is lost.
//!
//! What was accepted after the backup is gone with the data folder, and its clients know: they do
//! not ask for it again. What the backup holds goes on, and may have been sent since.
//!
//! Deliberately absent: clients that change a post after the backup. A change that is lost is lost,
//! and the post goes out as the backup has it.

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fanfare::backup::{Restore, restore};
use fanfare::model::Timestamp;
use fanfare::store::{Memory, Order, Record, Sled, Store as _, Write};

use super::disk::Flaw;
use super::files::modified;
use super::life::{self, Rooms};
use super::world::World;
use crate::journal::Finding;

/// Records of a backup that are read at once.
const PAGE: usize = 7;

fn broken(problem: &dyn Display) -> Finding {
    Finding::new("backups_are_whole", problem.to_string())
}

/// Makes a backup. The process may die in the middle of it.
pub fn back_up(world: &Arc<World>, rooms: &Arc<Rooms>) -> Result<(), Finding> {
    let now = world.state().wall();
    let made = rooms.backups.create(None, now, PAGE).map_err(|problem| broken(&problem))?;
    if let Some(missing) = made.contents.missing.first() {
        return Err(broken(&format!("{}: {}", missing.key, missing.problem)));
    }
    let (rows, files) = (made.contents.rows, made.contents.files);
    let mut state = world.state();
    state.note(&format!("a backup of {rows} records and {files} files"));
    state.newest_backup = Some((made.path, now));
    Ok(())
}

/// Restores the newest backup, if everything was lost.
pub fn make_good(world: &Arc<World>) -> Result<(), Finding> {
    let Some(lost_at) = world.state().lost_at.take() else { return Ok(()) };
    let (from, since, now, told) = {
        let mut state = world.state();
        let newest = state.newest_backup.clone();
        let (from, since) = newest.expect("nothing is lost before there is one");
        state.folders += 1;
        state.note(&format!("all is lost but the backup of {since}"));
        (from, since, state.wall(), state.dice.chance(50))
    };
    let lost_at = match world.flaw {
        // As if nothing had been sent since.
        Some(Flaw::ForgetsTheLoss) => Some(since),
        _ => told.then_some(lost_at),
    };
    let to = world.data();
    let asked = Restore {
        from: &from,
        to: &to,
        lost_at,
        despite_findings: false,
        now,
        dice: world.chance(),
        options: life::options(life::links()),
    };
    let restored = restore(asked).map_err(|problem| broken(&problem))?;
    world.state().note(&format!("restored: {:?}", restored.doubts));
    touch(&to.join("media"), now);
    let memory = in_memory(&to.join("store"))?;
    for client in &world.clients {
        client.try_lock().expect("its process is dead").forget(&memory)?;
    }
    world.set_memory(memory);
    Ok(())
}

/// What a restored store holds, where the next life looks for it.
fn in_memory(store: &Path) -> Result<Memory, Finding> {
    let sled = Sled::open(store).map_err(|problem| broken(&problem))?;
    let rows = sled.scan_checked(&[], &[0xff; 64], Order::Ascending, usize::MAX);
    let memory = Memory::new();
    let mut epoch = 0;
    for row in rows.map_err(|problem| broken(&problem))? {
        match row.record.map_err(|problem| broken(&problem))? {
            (_, Record::Meta(meta)) => epoch = meta.epoch,
            (key, record) => {
                let put = memory.commit(0, &[Write::Put(key, record)]);
                put.map_err(|problem| broken(&problem))?;
            }
        }
    }
    while memory.begin_epoch().map_err(|problem| broken(&problem))? < epoch {}
    Ok(memory)
}

/// Files that are written anew are young by the clock of the house.
fn touch(folder: &Path, now: Timestamp) {
    let entries = std::fs::read_dir(folder).expect("it can be listed");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for path in paths {
        if path.is_dir() {
            touch(&path, now);
        } else {
            let file = File::options().append(true).open(&path).expect("ours");
            file.set_modified(SystemTime::UNIX_EPOCH + modified(now)).expect("ours");
        }
    }
}
