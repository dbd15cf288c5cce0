//! A store in memory with an idea of what a crash would leave, for the simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::claims::ClaimIndex;
use super::pack::{self, Change, Plan, Rows, Visitor};
use super::still::{self, Aside};
use super::{
    FORMAT, Key, MetaRecord, Order, RawFrame, Record, Scanned, Store, StoreError, Write, read,
};
use crate::model::{Digest, Timestamp};

/// A store in memory. Clones are handles on the same store, so a core that should be dead can
/// still hold one and be fenced.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    shared: Arc<Mutex<Image>>,
}

/// The live rows, and how to get back from them to what is durable.
#[derive(Debug, Default)]
struct Image {
    rows: BTreeMap<Vec<u8>, Arc<[u8]>>,
    files: BTreeMap<Digest, Vec<u8>>,
    /// One for each commit since the last flush, oldest first.
    unflushed: Vec<Undo>,
    loosened: Vec<Digest>,
    /// Where claims are, once somebody has asked.
    claims: Option<ClaimIndex>,
    epoch: u64,
    /// How often what is read has changed.
    version: u64,
    fails_in: Option<u64>,
    /// The still under way.
    aside: Option<Aside>,
}

/// What the rows of one commit were before it.
type Undo = Vec<(Vec<u8>, Option<Arc<[u8]>>)>;

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses power: what is left is everything flushed and the first `keep_unflushed` commits
    /// after it. Returns a handle for the next process life; old handles see the same store and
    /// are fenced once that life has begun.
    #[must_use]
    pub fn crash(&self, keep_unflushed: usize) -> Self {
        let mut image = self.lock();
        image.version += 1;
        let kept = keep_unflushed.min(image.unflushed.len());
        let undone = image.unflushed.split_off(kept);
        for (key, before) in undone.into_iter().rev().flatten() {
            image.restore(key, before);
        }
        // What survived is on the disk now.
        image.unflushed.clear();
        image.claims = None;
        image.fails_in = None;
        image.epoch = image.stored_epoch();
        drop(image);
        self.clone()
    }

    /// What a crash at this instant would leave if it kept nothing that was not flushed, as a store
    /// of its own.
    #[must_use]
    pub fn durable(&self) -> Self {
        let image = self.lock();
        let mut copy = Image {
            rows: image.rows.clone(),
            files: image.files.clone(),
            epoch: image.epoch,
            ..Image::default()
        };
        for (key, before) in image.unflushed.iter().rev().flatten() {
            copy.restore(key.clone(), before.clone());
        }
        Self { shared: Arc::new(Mutex::new(copy)) }
    }

    /// How many commits the next crash may lose.
    pub fn unflushed(&self) -> usize {
        self.lock().unflushed.len()
    }

    /// Lets the disk fail after `n` more commits and flushes, and at every later one until a
    /// crash.
    pub fn fail_at(&self, n: u64) {
        self.lock().fails_in = Some(n);
    }

    /// Overwrites the bytes under a key, as a bad disk would; for tests of what is then said.
    pub fn damage(&self, key: &Key, change: impl FnOnce(&mut Vec<u8>)) {
        let mut image = self.lock();
        let bytes = key.encode();
        let Some(row) = image.rows.get(&bytes) else { return };
        let mut row = row.to_vec();
        change(&mut row);
        image.version += 1;
        image.rows.insert(bytes, row.into());
    }

    fn lock(&self) -> MutexGuard<'_, Image> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        read::get(&*self.lock(), key)
    }

    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError> {
        let mut image = self.lock();
        let index = match image.claims.take() {
            Some(index) => index,
            None => ClaimIndex::of(&*image)?,
        };
        Ok(image.claims.insert(index).find(id))
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        read::scan_checked(&*self.lock(), from, to, order, limit)
    }

    fn version(&self) -> Option<u64> {
        Some(self.lock().version)
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        super::assert_no_meta(writes);
        let mut image = self.lock();
        image.may_fail("commit")?;
        if epoch != image.epoch {
            return Err(StoreError::Fenced { ours: epoch, stored: image.epoch });
        }
        let plan = pack::plan(&*image, writes)?;
        if let Some(mut aside) = image.aside.take() {
            aside.note(&*image, writes);
            image.aside = Some(aside);
        }
        image.apply(plan);
        if let Some(mut index) = image.claims.take() {
            index.follow(&*image, writes)?;
            image.claims = Some(index);
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut image = self.lock();
        image.may_fail("flush")?;
        image.settle()
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        let mut image = self.lock();
        image.may_fail("begin epoch")?;
        let epoch = image.stored_epoch() + 1;
        let meta = Record::Meta(MetaRecord { format: FORMAT, epoch });
        let plan = pack::plan(&*image, &[Write::Put(Key::Meta, meta)])?;
        image.apply(plan);
        image.settle()?;
        image.epoch = epoch;
        Ok(epoch)
    }

    fn begin_still(&self) -> Result<(), StoreError> {
        still::begin(&mut self.lock().aside)
    }

    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError> {
        let mut image = self.lock();
        let mut aside = image.aside.take();
        let page = still::under_way(&mut aside).and_then(|aside| aside.page(&*image, rows));
        image.aside = aside;
        page
    }

    fn end_still(&self) {
        self.lock().aside = None;
    }
}

impl Image {
    fn apply(&mut self, plan: Plan<Arc<[u8]>>) {
        self.version += 1;
        self.files.extend(plan.files);
        self.loosened.extend(plan.loosened);
        let mut undo = Undo::with_capacity(plan.rows.len());
        let own = plan.rows.into_iter().map(|(key, Change { row, .. })| (key, row));
        for (key, row) in own.chain(plan.beside) {
            let before = match row {
                Some(row) => self.rows.insert(key.clone(), row.into()),
                None => self.rows.remove(&key),
            };
            undo.push((key, before));
        }
        self.unflushed.push(undo);
    }

    fn restore(&mut self, key: Vec<u8>, before: Option<Arc<[u8]>>) {
        match before {
            Some(row) => drop(self.rows.insert(key, row)),
            None => drop(self.rows.remove(&key)),
        }
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        self.unflushed.clear();
        for digest in std::mem::take(&mut self.loosened) {
            if !pack::is_named(self, &digest)? {
                self.files.remove(&digest);
            }
        }
        Ok(())
    }

    fn stored_epoch(&self) -> u64 {
        match read::get(self, &Key::Meta) {
            Ok(Some(Record::Meta(meta))) => meta.epoch,
            _ => 0,
        }
    }

    fn may_fail(&mut self, op: &'static str) -> Result<(), StoreError> {
        match &mut self.fails_in {
            None => Ok(()),
            Some(0) => Err(StoreError::Disk { op, problem: "a failure was asked for".to_owned() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Rows for Image {
    type Row = Arc<[u8]>;

    fn row(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.files.get(digest).cloned())
    }

    fn visit(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        each: &mut Visitor<'_>,
    ) -> Result<(), StoreError> {
        let mut range = self.rows.range::<[u8], _>((from, to));
        loop {
            let next = match order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            let Some((key, row)) = next else { return Ok(()) };
            if !each(key, row)? {
                return Ok(());
            }
        }
    }
}
