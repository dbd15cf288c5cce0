//! The limit of everything durable: bytes appended to a file, then fdatasync.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::figures::f;

/// A file that grows as a log does.
pub struct Log(File);

impl Log {
    /// A new one in `folder`.
    pub fn create(folder: &Path) -> Self {
        let mut options = OpenOptions::new();
        Self(options.create(true).append(true).open(folder.join("raw")).expect("a file"))
    }

    /// One group: its bytes, then the disk's word.
    pub fn append(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("written");
        self.0.sync_data().expect("synced");
    }

    /// Groups a second, for as long as `span`.
    pub fn rate(&mut self, group_bytes: usize, span: Duration) -> f64 {
        let bytes = vec![7; group_bytes];
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
