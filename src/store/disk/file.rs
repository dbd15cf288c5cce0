//! The data file on a descriptor of our own, and the folder around it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Sled;
use super::guard::io;
use crate::store::StoreError;

/// A second descriptor of the file that sled writes, to flush it to the platter.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    inode: u64,
}

impl DataFile {
    /// The data file of the store that this process has just opened in `folder`.
    pub(super) fn of(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("db");
        let op = "open the data file";
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io(op))?;
        // sled has locked its file, and a lock is on the inode: where we cannot lock, it is the
        // same file.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(op)(error)),
            Ok(()) => return Err(other_file(op)),
        }
        let inode = file.metadata().map_err(io(op))?.ino();
        Ok(Self { file, path, inode })
    }

    /// Flushes the file to the platter, and makes sure that it is still the one in the folder.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let op = "flush the data file";
        self.file.sync_data().map_err(io(op))?;
        let there = std::fs::metadata(&self.path).map_err(io(op))?;
        if there.ino() == self.inode { Ok(()) } else { Err(other_file(op)) }
    }
}

fn other_file(op: &'static str) -> StoreError {
    let problem = "the file `db` in the folder is not the one sled writes to".to_owned();
    StoreError::Disk { op, problem }
}

/// Makes `folder` where there is none, so that it survives a power loss.
pub(super) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    let op = "create the folder";
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(io(op))?;
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_folder(Path::new(".")),
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Removes what a crash left half made: sled would take it for the whole.
pub(super) fn clear_half_made(folder: &Path) -> Result<(), StoreError> {
    let op = "clear what was left half made";
    for entry in std::fs::read_dir(folder).map_err(io(op))? {
        let path = entry.map_err(io(op))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // A snapshot gets its own name when it is whole; without one, sled reads its log anew.
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(io(op))?;
        }
    }
    // sled never syncs its settings. We do, before the first store is marked.
    let settings = folder.join("conf");
    if !is_marked(folder) && settings.exists() && !is_sealed(&settings).map_err(io(op))? {
        std::fs::remove_file(&settings).map_err(io(op))?;
    }
    Ok(())
}

/// Whether a file of sled's ends with the checksum of what is before.
fn is_sealed(path: &Path) -> std::io::Result<bool> {
    let bytes = std::fs::read(path)?;
    let Some((rest, sum)) = bytes.split_last_chunk() else { return Ok(false) };
    Ok(crc32fast::hash(rest) == u32::from_le_bytes(*sum))
}

/// Makes the names and bytes of all that sled has made or recovered durable; it does not itself.
pub(super) fn sync_new_store(folder: &Path) -> Result<(), StoreError> {
    let op = "sync the folder";
    for entry in std::fs::read_dir(folder).map_err(io(op))? {
        let path = entry.map_err(io(op))?.path();
        match File::open(path).and_then(|file| file.sync_all()) {
            Ok(()) => {}
            // sled replaces its snapshot files while we look.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(io(op)(error)),
        }
    }
    sync_folder(folder)
}

/// Whether a store was completed in `folder` before, so that an empty one there is damaged.
pub(super) fn is_marked(folder: &Path) -> bool {
    folder.join("made").exists()
}

/// Marks that a store has been completed in `folder`.
pub(super) fn mark(folder: &Path) -> Result<(), StoreError> {
    let made = File::create(folder.join("made")).and_then(|file| file.sync_all());
    made.map_err(io("mark the folder"))?;
    sync_folder(folder)
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(io("sync the folder"))
}

/// The bytes of all files in and below `folder`; what cannot be seen counts nothing.
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

impl Sled {
    /// Whether sled has put nothing into the files it never syncs. It must always be so.
    pub fn blobs_empty(&self) -> bool {
        let blobs = std::fs::read_dir(self.folder.join("blobs"));
        blobs.is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Bytes that this process may still write where the store is, if the system tells.
    pub fn free_bytes(&self) -> Option<u64> {
        let space = rustix::fs::statvfs(&self.folder).ok()?;
        space.f_bavail.checked_mul(space.f_frsize)
    }

    /// Bytes of the store's files, as far as they can be seen.
    pub fn disk_bytes(&self) -> u64 {
        folder_bytes(&self.folder)
    }
}
