//! Backups: one file that holds everything the server needs to go on in another folder.
//!
//! Words: a *piece* is a file of the data folder that goes along (media, the secret key, the
//! sandbox's log); a backup is *sound* when every checksum in it holds and nothing is missing; to
//! *restore* is to build a data folder from one. `since` is when a backup was made, `lost_at` when
//! the server it was made by stopped.
//!
//! A backup is our own export and no copy of the store's files: what the store's engine wrote may
//! be damaged without its noticing, a record that we read and checked is not. It shows one instant:
//! the server goes on while it is made.
//!
//! Deliberately absent: encryption and compression. The file is as secret as the data folder; what
//! carries it elsewhere can do both.

mod format;
mod piece;
mod read;
mod media;
mod create;
mod folder;
mod build;
mod restore;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use create::{Backups, Made};
pub use folder::{Keep, Listed, Pruned};
pub use format::Header;
pub use read::Contents;
pub use restore::{Restore, Restored, Verified, restore, verify};

use crate::engine::RestoreError;
use crate::media::MediaError;
use crate::store::{Finding, StoreError};

/// Why there is no backup, or nothing comes of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error("{op} {path}: {problem}")]
    File {
        /// What was being done.
        op: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// The file is no backup.
    #[error("read {path}: it is no backup of fanfare")]
    Foreign {
        /// The file.
        path: String,
    },
    /// The file is a backup that does not hold.
    #[error("read {path}: {problem}, near byte {at}; use another backup")]
    Damaged {
        /// The file.
        path: String,
        /// How far it was read.
        at: u64,
        /// What is wrong.
        problem: String,
    },
    /// A newer program made the backup.
    #[error("read {path}: the backup has {what} {found}; this program knows {what} up to {known}")]
    TooNew {
        /// The file.
        path: String,
        /// What is newer.
        what: &'static str,
        /// What was found.
        found: u32,
        /// The highest that is known.
        known: u32,
    },
    /// The store cannot be read, or one cannot be built.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Media cannot be kept.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// What was restored cannot be marked as such.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The disk has too little room left.
    #[error(
        "write {path}: only {free} bytes are left on its disk, and server.disk_free_bytes_min is \
         {min}; make room, or keep fewer backups"
    )]
    Room {
        /// The file.
        path: String,
        /// What is free.
        free: u64,
        /// What must stay free.
        min: u64,
    },
    /// It may not be done as it was asked.
    #[error("{0}")]
    Refused(String),
    /// What the backup holds does not fit together.
    #[error("the backup is whole, but not all in it holds together; the first: {first}")]
    Findings {
        /// The first, in words.
        first: String,
        /// All of them.
        findings: Vec<Finding>,
    },
}

fn file(op: &'static str, path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    let path = path.display().to_string();
    move |problem| BackupError::File { op, path: path.clone(), problem }
}

/// Makes the names in the folder of `path` durable.
fn sync_parent(path: &Path) -> Result<(), BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::File::open(parent).and_then(|it| it.sync_all()).map_err(file("sync", parent))
}

/// A path with an ending put behind its name.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
