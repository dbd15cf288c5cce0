//! sled's own handle: opened with care, kept from waiting for ever, and closed with care.

use std::ops::Deref;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sled::LogKind;

use super::guard::{guarded, guarded_close, guarded_open, io};
use super::hold::{LOCK_PAUSE, LOCK_TRIES};
use crate::store::StoreError;

/// sled's own default grows with the machine. It counts bytes of its log, and what it keeps takes
/// about three times as many in memory.
const CACHE_BYTES: u64 = 40 << 20;
/// sled's log is written in segments of this size, unless it is told otherwise.
const SEGMENT_BYTES: i64 = 512 << 10;
/// How often it is looked whether somebody waits for a write that has failed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// An open tree.
#[derive(Debug)]
pub(super) struct Database {
    /// There until it is dropped.
    db: Option<sled::Db>,
    watch: Option<Watch>,
}

/// The thread that wakes those who wait in vain. It ends when its sender is dropped.
#[derive(Debug)]
struct Watch {
    alive: Sender<()>,
    thread: JoinHandle<()>,
}

impl Database {
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let open = || guarded_open(folder, || settings(folder).open());
        let mut db = open();
        // A tree of this process that was closed just now is let go by a thread of sled's.
        for _ in 1..LOCK_TRIES {
            if !matches!(db, Err(StoreError::Busy { .. })) {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
            db = open();
        }
        let db = db?;
        let mut opened = Self { db: Some(db), watch: None };
        opened.watch = Some(Watch::over(&opened)?);
        Ok(opened)
    }

    /// The segment in which sled's log goes on. Only a hidden part of sled tells: it gives a place
    /// in the log, which is then left empty.
    pub(super) fn segment(&self) -> sled::Result<i64> {
        let place = self.context.pagecache.log.reserve(LogKind::Free, 0, &(), &sled::pin())?;
        let (lsn, _) = place.abort()?;
        Ok(lsn / SEGMENT_BYTES)
    }

    /// The segment up to which the log has been written out.
    pub(super) fn segment_written(&self) -> i64 {
        self.written() / SEGMENT_BYTES
    }

    /// Bytes of the log that have been written out.
    pub(super) fn written(&self) -> i64 {
        self.context.pagecache.log.stable_offset()
    }
}

fn settings(folder: &Path) -> sled::Config {
    sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None)
}

impl Watch {
    /// sled writes on threads of its own. When such a write fails it leaves a note, but those who
    /// wait for the write are not always told. Whoever asks again while the note is there wakes
    /// them up.
    fn over(db: &sled::Db) -> Result<Self, StoreError> {
        let db = db.clone();
        let (alive, ended) = channel();
        let watch = move || {
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if db.context.global_error().is_err() {
                    // With the note there, this comes back at once with the same error.
                    drop(db.context.pagecache.log.make_stable(i64::MAX));
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-watch".to_owned()).spawn(watch);
        Ok(Self { alive, thread: thread.map_err(io("start a thread"))? })
    }
}

impl Deref for Database {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        self.db.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(Watch { alive, thread }) = self.watch.take() {
            // Closing flushes, and waits: better while somebody watches. What it says is as good as
            // nothing, for what was promised is on the disk.
            drop(guarded("close", || self.flush()));
            drop(alive);
            // It has a handle of its own, and the last one to go closes the tree.
            drop(thread.join());
        }
        guarded_close(self.db.take());
    }
}
