//! The store in memory, with a live and a durable image: for the simulation. It keeps the same
//! bytes as the one on disk, so it proves the same codec.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::record::{decode, encode};
use super::{Key, MetaRecord, Order, Record, Scanned, Store, StoreError, Write};

/// The store's format.
pub(super) const FORMAT: u32 = 1;

type Image = BTreeMap<Vec<u8>, Vec<u8>>;
type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug, Default)]
struct Inner {
    live: Image,
    durable: Image,
    unflushed: Vec<Vec<Change>>,
    epoch: u64,
    fails_after: Option<u64>,
    dead: bool,
}

/// A store in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a crash leaves: all that was flushed and the first `keep` commits after it. This
    /// store is dead from then on.
    #[must_use]
    pub fn crash(&self, keep: usize) -> Self {
        let mut inner = self.lock();
        inner.dead = true;
        let mut image = inner.durable.clone();
        for commit in inner.unflushed.iter().take(keep) {
            apply(&mut image, commit);
        }
        let epoch = inner.epoch;
        let next = Inner { live: image.clone(), durable: image, epoch, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(next)) }
    }

    /// Lets the disk fail at the `n`-th commit or flush from now on, and at every later one.
    pub fn fail_at(&self, n: u64) {
        self.lock().fails_after = Some(n);
    }

    /// Overwrites the bytes under a key, as a bad disk would; for tests of what is then said.
    pub fn damage(&self, key: &Key, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.lock().live.get_mut(&key.encode()) {
            change(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn disk(&mut self, op: &'static str) -> Result<(), StoreError> {
        match self.fails_after {
            Some(0) => self.dead = true,
            Some(left) => self.fails_after = Some(left - 1),
            None => {}
        }
        if self.dead {
            return Err(StoreError::Disk { op, problem: "the simulated disk is gone".to_owned() });
        }
        Ok(())
    }
}

fn apply(image: &mut Image, commit: &[Change]) {
    for (key, value) in commit {
        match value {
            Some(value) => image.insert(key.clone(), value.clone()),
            None => image.remove(key),
        };
    }
}

impl Store for Memory {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let bytes = key.encode();
        let inner = self.lock();
        inner.live.get(&bytes).map(|frame| decode(key, &bytes, frame)).transpose()
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        if from > to {
            return Ok(Vec::new());
        }
        let inner = self.lock();
        let range = inner.live.range::<[u8], _>((Bound::Included(from), Bound::Included(to)));
        let read = |(bytes, frame): (&Vec<u8>, &Vec<u8>)| Scanned::read(bytes, frame);
        Ok(match order {
            Order::Ascending => range.take(limit).map(read).collect(),
            Order::Descending => range.rev().take(limit).map(read).collect(),
        })
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        let mut commit = Vec::with_capacity(writes.len());
        for write in writes {
            match write {
                Write::Put(key, record) => {
                    let bytes = key.encode();
                    let frame = encode(&bytes, record)?;
                    commit.push((bytes, Some(frame)));
                }
                Write::Delete(key) => commit.push((key.encode(), None)),
            }
        }
        let mut inner = self.lock();
        inner.disk("commit")?;
        if inner.epoch != epoch {
            return Err(StoreError::Fenced { ours: epoch, stored: inner.epoch });
        }
        let inner = &mut *inner;
        apply(&mut inner.live, &commit);
        inner.unflushed.push(commit);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.disk("flush")?;
        let inner = &mut *inner;
        for commit in inner.unflushed.drain(..) {
            apply(&mut inner.durable, &commit);
        }
        Ok(())
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        let stored = match self.get(&Key::Meta)? {
            Some(Record::Meta(meta)) => meta.epoch,
            _ => 0,
        };
        let epoch = stored + 1;
        self.lock().epoch = epoch;
        let meta = Record::Meta(MetaRecord { format: FORMAT, epoch });
        self.commit(epoch, &[Write::Put(Key::Meta, meta)])?;
        self.flush()?;
        Ok(epoch)
    }
}
