//! One process a folder, and its number for the one that comes second.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::guard::io;
use crate::store::StoreError;

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
        match file.try_lock() {
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

    fn holder(file: &mut File) -> String {
        let mut text = String::new();
        match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
            Ok(Ok(pid)) => format!(", pid {pid}"),
            _ => String::new(),
        }
    }
}
