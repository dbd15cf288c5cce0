//! Small worlds for the tests of the store.

use std::sync::Arc;

use crate::machine::stored_wake;
use crate::model::{
    Batch, BatchId, Content, ContentIx, Cursor, Digest, Event, JournalEntry, PostId, Stamp,
    TargetIx, Timestamp,
};
use crate::store::samples::Maker;
use crate::store::{
    ClaimRecord, ClaimState, Key, Order, PostPlace, Record, Sled, Store, TimerRecord, Write,
    batch_writes,
};

/// A store in a folder of its own, in its first process life.
pub(super) struct OnDisk {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Sled,
    pub(super) epoch: u64,
}

impl OnDisk {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let store = Sled::open(folder.path()).expect("a new store");
        let epoch = store.begin_epoch().expect("an epoch");
        Self { folder, store, epoch }
    }

    /// Closes the store and opens it again.
    pub(super) fn reopen(self) -> Self {
        let Self { folder, store, .. } = self;
        drop(store);
        let store = Sled::open(folder.path()).expect("the same store");
        let epoch = store.begin_epoch().expect("an epoch");
        Self { folder, store, epoch }
    }

    pub(super) fn commit(&self, writes: &[Write]) {
        self.store.commit(self.epoch, writes).expect("a sound disk");
    }

    /// The names in the spill folder.
    pub(super) fn spilled(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("spill")).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect()
    }
}

pub(super) const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

pub(super) fn memo(batch: u128, step: u16) -> Key {
    let step = crate::model::StepRef { step, round: 0 };
    Key::Memo(BatchId::from_raw(batch), TargetIx(0), step)
}

pub(super) fn put(key: Key, text: &str) -> Write {
    Write::Put(key, Record::Memo(text.to_owned()))
}

/// A text of `bytes` bytes that differs from place to place.
pub(super) fn long(bytes: usize, seed: u64) -> String {
    let mut maker = Maker::new(seed);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        text.push_str(&format!("{:016x}", maker.num()));
    }
    text.truncate(bytes);
    text
}

pub(super) fn content(text: String) -> Record {
    Record::Content(Content { text, ..Content::default() })
}

/// A queued batch whose every target wakes at `due`.
pub(super) fn queued(seed: u64, targets: usize, due: Timestamp) -> Batch {
    let mut maker = Maker::new(seed);
    let mut batch = maker.batch(targets);
    batch.reply = crate::model::ReplyState::Given;
    batch.claim = Some(Digest([7; 32]));
    batch.entries = 0;
    for target in &mut batch.targets {
        Arc::make_mut(target).cursor = Cursor::Queued { due };
    }
    batch
}

/// Everything an engine stores with a batch: rows, journal, timer, posts and claim.
pub(super) fn accepted(batch: &Batch, entries: u32) -> (Batch, Vec<Write>) {
    let mut batch = batch.clone();
    batch.entries = entries;
    let mut writes = batch_writes(None, &batch);
    for n in 0..entries {
        let stamp = Stamp { seq: n.into(), at: at(0), entropy: 0, epoch: 1 };
        let event = Event::Woke { ix: TargetIx(0) };
        let entry = JournalEntry { batch: batch.id, n, stamp, event };
        writes.push(Write::Put(Key::Entry(batch.id, n), Record::Entry(Box::new(entry))));
    }
    if let Some(wake) = stored_wake(&batch) {
        let timer = TimerRecord { running: false };
        writes.push(Write::Put(Key::Timer(wake, batch.id), Record::Timer(timer)));
    }
    for (ix, target) in batch.places() {
        let place = PostPlace { batch: batch.id, ix };
        writes.push(Write::Put(Key::Post(target.post), Record::Post(place)));
    }
    if let Some(claim) = batch.claim {
        writes.push(Write::Put(Key::Claim(at(1), claim), running(Some(batch.id))));
    }
    (batch, writes)
}

pub(super) fn running(batch: Option<BatchId>) -> Record {
    Record::Claim(ClaimRecord {
        fingerprint: Digest([1; 32]),
        created_at: at(0),
        expires_at: at(1),
        batch,
        state: ClaimState::Running,
    })
}

/// All posts, by their keys.
pub(super) fn posts(store: &dyn Store, order: Order, limit: usize) -> Vec<PostId> {
    let rows = store.scan(&Key::FIRST_POST, &Key::LAST_POST, order, limit).expect("sound");
    let post = |(key, _)| match key {
        Key::Post(post) => post,
        other => panic!("{other} is no post"),
    };
    rows.into_iter().map(post).collect()
}

pub(super) const PLACE: ContentIx = ContentIx(0);
