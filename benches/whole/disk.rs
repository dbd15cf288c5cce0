//! The limit of everything durable: bytes appended to a file, then fdatasync.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::figures::f;

/// Bytes of the file.
const LOG_BYTES: usize = 64 << 20;

/// A log, written round and round. All of it is there before: a file that grows costs the file
/// system a second write for its new size, and a limit should cost nothing that can be spared.
pub struct Log {
    file: File,
    at: usize,
}

impl Log {
    /// A new one in `folder`.
    pub fn create(folder: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        let file = options.open(folder.join("raw")).expect("a file");
        file.write_all_at(&vec![0; LOG_BYTES], 0).expect("written");
        file.sync_all().expect("synced");
        Self { file, at: 0 }
    }

    /// One group: its bytes, then the disk's word.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.at + bytes.len() > LOG_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at as u64).expect("written");
        self.at += bytes.len();
        self.file.sync_data().expect("synced");
    }

    /// Groups a second, for as long as `span`.
    pub fn rate(&mut self, group_bytes: usize, span: Duration) -> f64 {
        let bytes = vec![7; group_bytes.min(LOG_BYTES)];
        let began = Instant::now();
        let mut groups = 0;
        while began.elapsed() < span {
            self.append(&bytes);
            groups += 1;
        }
        f(groups) / began.elapsed().as_secs_f64()
    }
}

/// Bytes of all files in and below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
