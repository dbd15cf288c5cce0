//! One process a folder, and its number for the one that comes second.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::guard::io;
use crate::store::StoreError;

/// How often the lock is asked for, and the pause between: half a second in all.
pub(super) const LOCK_TRIES: u32 = 11;
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A lock on the file `pid` of a folder. The system lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct Hold {
    _file: File,
}

impl Hold {
    /// Takes the folder, or says who has it.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("pid");
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(io("open the pid file"))?;
        match Self::lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Self::holder(&mut file);
                return Err(StoreError::Busy { folder: folder.display().to_string(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io("lock the pid file")(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.and_then(|()| file.rewind()).map_err(io("write the pid file"))?;
        Ok(Self { _file: file })
    }

    /// Locks the file, with a little patience: a process that was just killed may still be going.
    fn lock(file: &File) -> Result<(), TryLockError> {
        for _ in 1..LOCK_TRIES {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                other => return other,
            }
        }
        file.try_lock()
    }

    fn holder(file: &mut File) -> String {
        let mut text = String::new();
        match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
            Ok(Ok(pid)) => format!(", pid {pid}"),
            _ => String::new(),
        }
    }
}
