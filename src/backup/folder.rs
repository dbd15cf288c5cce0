//! A folder of backups: names, what is in it, and what may go.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::create::Backups;
use super::format::Header;
use super::read::{Nothing, open, read};
use super::{BackupError, file};
use crate::model::{Millis, Timestamp};

/// How a backup's name ends.
const ENDING: &str = ".backup";
/// What stands behind the name of one that is being made.
pub(super) const DRAFT: &str = ".partial";

/// A backup in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// What it says of itself.
    pub header: Header,
    /// Whether it is of this server.
    pub own: bool,
}

impl Listed {
    /// Which instant it shows.
    pub const fn created_at(&self) -> Timestamp {
        Timestamp::from_millis(self.header.created_at_ms)
    }
}

/// What is kept; a backup goes when every rule that is given lets it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// This many of the newest.
    pub copies: Option<usize>,
    /// Those that are younger than this.
    pub younger_than: Option<Millis>,
}

/// What pruning did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// What is gone.
    pub removed: Vec<PathBuf>,
    /// What of this server is left, newest first.
    pub kept: Vec<PathBuf>,
    /// The newest that is sound; it always stays.
    pub newest_sound: Option<PathBuf>,
    /// What is not sound, and why; looked at from the newest down to the first that is.
    pub unsound: Vec<(PathBuf, String)>,
}

/// What a backup of an instant is called: names sort by time.
pub(super) fn name(at: Timestamp) -> String {
    format!("fanfare-{}{ENDING}", at.to_string().replace(':', "-"))
}

impl Backups {
    /// The backups in a folder, newest first; without one named, in the usual place. What is no
    /// backup, or is not read as one, is passed over.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self, folder: Option<&Path>) -> Result<Vec<Listed>, BackupError> {
        let folder = folder.unwrap_or(&self.folder);
        let mut found = Vec::new();
        for path in files(folder)? {
            if path.to_string_lossy().ends_with(DRAFT) {
                continue;
            }
            let Ok((_, header)) = open(&path) else { continue };
            let bytes = std::fs::metadata(&path).map_err(file("read", &path))?.len();
            let own = header.instance == self.instance;
            found.push(Listed { path, bytes, header, own });
        }
        found.sort_by(|one, other| {
            (other.header.created_at_ms, &other.path).cmp(&(one.header.created_at_ms, &one.path))
        });
        Ok(found)
    }

    /// Removes backups of this server that need not be kept. The newest sound one always stays; as
    /// long as there is none, nothing goes.
    ///
    /// # Errors
    /// When a folder cannot be read or changed, or no rule is given.
    pub fn prune(
        &self,
        folder: Option<&Path>,
        keep: Keep,
        now: Timestamp,
    ) -> Result<Pruned, BackupError> {
        if keep == (Keep { copies: None, younger_than: None }) {
            let problem = "prune: say what is to be kept, with --keep or --older-than";
            return Err(BackupError::Refused(problem.to_owned()));
        }
        let own: Vec<Listed> = self.list(folder)?.into_iter().filter(|one| one.own).collect();
        let mut pruned = Pruned {
            removed: Vec::new(),
            kept: Vec::new(),
            newest_sound: None,
            unsound: Vec::new(),
        };
        for one in &own {
            match read(&one.path, &mut Nothing) {
                Ok(_) => {
                    pruned.newest_sound = Some(one.path.clone());
                    break;
                }
                Err(problem) => pruned.unsound.push((one.path.clone(), problem.to_string())),
            }
        }
        for (place, one) in own.iter().enumerate() {
            let beyond = keep.copies.is_none_or(|copies| place >= copies);
            let old = keep.younger_than.is_none_or(|span| one.created_at() < now.minus(span));
            let spared = pruned.newest_sound.as_ref().is_none_or(|newest| *newest == one.path);
            if beyond && old && !spared {
                std::fs::remove_file(&one.path).map_err(file("remove", &one.path))?;
                pruned.removed.push(one.path.clone());
            } else {
                pruned.kept.push(one.path.clone());
            }
        }
        if let Some(removed) = pruned.removed.first() {
            super::sync_parent(removed)?;
        }
        Ok(pruned)
    }
}

/// Removes what killed processes left half made in a folder.
pub(super) fn sweep(folder: &Path) -> Result<(), BackupError> {
    let half_made = format!("{ENDING}{DRAFT}");
    for path in files(folder)? {
        if path.to_string_lossy().ends_with(&half_made) {
            remove_stale(&path)?;
        }
    }
    Ok(())
}

/// Removes a file that was being written unless whoever writes it still lives.
pub(super) fn remove_stale(path: &Path) -> Result<(), BackupError> {
    let there = match File::open(path) {
        Ok(there) => there,
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(()),
        Err(problem) => return Err(file("open", path)(problem)),
    };
    // Its writer holds a lock on it for as long as it lives.
    if there.try_lock().is_ok() {
        std::fs::remove_file(path).map_err(file("remove", path))?;
    }
    Ok(())
}

/// The files in a folder; a folder that is not there holds none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(problem) => return Err(file("read", folder)(problem)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(file("read", folder))?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}
