//! sled's own handle: opened with care, kept from waiting for ever, and closed with care.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sled::LogKind;

use super::guard::{guarded, guarded_close, guarded_open, io};
use super::hold::{LOCK_PAUSE, LOCK_TRIES};
use crate::store::StoreError;

/// sled's own default grows with the machine. It counts bytes of its log, and keeps more than that
/// (see `page.rs`).
const CACHE_BYTES: u64 = 12 << 20;
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

/// The thread that wakes those who wait in vain.
#[derive(Debug)]
struct Watch {
    post: Arc<Post>,
    thread: JoinHandle<()>,
}

/// Where the watch looks what there is to do.
#[derive(Debug, Default)]
struct Post {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Calls of sled that may wait for a write.
    under_way: usize,
    /// Calls so far.
    calls: u64,
    /// Whether the watch sleeps until there is one.
    asleep: bool,
    ended: bool,
}

/// A call of sled that may wait for a write.
pub(super) struct Call<'a>(&'a Post);

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

    /// Keeps the watch awake as long as this is held.
    pub(super) fn call(&self) -> Option<Call<'_>> {
        let Watch { post, .. } = self.watch.as_ref()?;
        let mut state = post.state();
        state.under_way += 1;
        state.calls += 1;
        if state.asleep {
            post.called.notify_one();
        }
        Some(Call(post))
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
    /// them up. Nobody watches where nobody has called for a while.
    fn over(db: &sled::Db) -> Result<Self, StoreError> {
        let db = db.clone();
        let post = Arc::new(Post::default());
        let watched = Arc::clone(&post);
        let watch = move || {
            while watched.wait() {
                if db.context.global_error().is_err() {
                    // With the note there, this comes back at once with the same error.
                    drop(db.context.pagecache.log.make_stable(i64::MAX));
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-watch".to_owned()).spawn(watch);
        Ok(Self { post, thread: thread.map_err(io("start a thread"))? })
    }
}

impl Post {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is time for a look; says no when the watch is over.
    fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            let calls = state.calls;
            let (later, look) = self
                .called
                .wait_timeout_while(state, LOOK_EVERY, |state| !state.ended)
                .unwrap_or_else(PoisonError::into_inner);
            state = later;
            if !look.timed_out() {
                return false;
            }
            if state.under_way > 0 || state.calls > calls {
                return true;
            }
            state.asleep = true;
            state = self
                .called
                .wait_while(state, |state| state.calls == calls && !state.ended)
                .unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
    }

    fn end(&self) {
        self.state().ended = true;
        self.called.notify_one();
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
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
        // Closing flushes, and waits: better while somebody watches. What it says is as good as
        // nothing, for what was promised is on the disk.
        let call = self.call();
        drop(guarded("close", || self.flush()));
        drop(call);
        if let Some(Watch { post, thread }) = self.watch.take() {
            post.end();
            // It has a handle of its own, and the last one to go closes the tree.
            drop(thread.join());
        }
        guarded_close(self.db.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_looked_after_until_the_end() {
        let post = Post::default();
        post.state().under_way = 1;
        assert!(post.wait());
        post.end();
        assert!(!post.wait());
    }

    #[test]
    fn a_watch_that_sleeps_is_woken_by_a_call() {
        let post = Arc::new(Post::default());
        let watched = Arc::clone(&post);
        let watch = std::thread::spawn(move || watched.wait());
        while !post.state().asleep {
            std::thread::yield_now();
        }
        {
            let mut state = post.state();
            state.under_way += 1;
            state.calls += 1;
        }
        post.called.notify_one();
        assert!(watch.join().expect("no panic"), "it looks while the call is under way");
    }
}
