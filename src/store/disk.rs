//! The store on disk: sled, and what sled does not promise.
//!
//! sled's own flush reaches the kernel and no further, so every flush here ends with an fdatasync
//! on a descriptor of ours for the same file. sled may panic where a disk refuses or a file is
//! damaged, so every call of it is guarded; after the first failure of a write nothing more is
//! accepted, because memory may be ahead of the disk from then on. And where its log is damaged it
//! may open as it was before, in silence: so all rows are sealed.
//!
//! A row costs in sled many times its bytes, and a flush many steps. So commits are made durable in
//! a log of ours; their rows go to sled later, sorted, without what has changed since, and many to
//! a value.

mod begin;
mod database;
mod file;
mod guard;
mod hold;
#[cfg(test)]
mod hooks;
mod known;
mod layers;
mod merge;
#[cfg(test)]
mod merge_tests;
mod page;
mod seal;
mod spill;
mod tree;
mod wal;
mod walk;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use database::Database;
use file::DataFile;
use guard::guarded;
use hold::Hold;
use known::Known;
use layers::{Layers, View};
use merge::Put;
use seal::{Reached, Seal};
use spill::SpillFolder;
use tree::Tree;
use wal::{Told, Wal};

use super::claims::ClaimIndex;
use super::pack::{self, Rows};
use super::still::{self, Aside};
use super::{Key, Order, RawFrame, Record, Scanned, Store, StoreError, Taker, Write, read};
use crate::model::{Digest, Timestamp};

/// With so many bytes the young layer becomes old. The more, the more often a row changes before
/// it is merged, and the more memory it takes: two layers and what is around each row, up to ten
/// times this. Builds with debug assertions merge early, so that every test meets it.
const YOUNG_BYTES_MAX: usize = if cfg!(debug_assertions) { 8 << 10 } else { 2 << 20 };
/// For each byte of the log so many are merged: the old layer is gone before the next is full.
const MERGE_PACE: usize = 2;
/// With more than this to be merged, a flush does not leave it to `tidy`.
const OWED_BYTES_MAX: usize = if cfg!(debug_assertions) { 4 << 10 } else { 2 << 20 };
/// More than this does not wait for a flush.
const WAITING_BYTES_MAX: usize = 512 << 10;

/// A folder with a sled tree in it, held by this process alone.
#[derive(Debug)]
pub struct Sled {
    // Dropped in this order: the tree before the lock that keeps others out.
    tree: Tree,
    file: DataFile,
    reached: Reached,
    folder: PathBuf,
    epoch: AtomicU64,
    /// How often what is read has changed.
    version: AtomicU64,
    /// What the tree does not hold yet. It appears at once to a read of several rows, and only who
    /// has the writer changes it.
    layers: RwLock<Layers>,
    known: Known,
    writer: Mutex<Writer>,
    /// Where claims are, once all rows have been read or somebody has asked. Only who has the
    /// writer changes it.
    claims: RwLock<Option<ClaimIndex>>,
    _hold: Hold,
}

/// What only one thread at a time may have.
#[derive(Debug)]
struct Writer {
    wal: Wal,
    /// Files that commits since the last flush stopped naming.
    loosened: Vec<Digest>,
    /// Why nothing more is written.
    broken: Option<String>,
    /// The still under way.
    aside: Option<Aside>,
    /// The seal of all rows as they stand; none in a store of before there was one.
    seal: Option<Seal>,
    /// The segment of sled's log up to which all is synced.
    synced: i64,
    /// From which key on the old layer is not merged; none when there is nothing to merge.
    merging: Option<Vec<u8>>,
    /// Bytes that are to be merged for what has been logged.
    owed: usize,
}

impl Sled {
    /// Opens the store in `folder`, or makes one there.
    ///
    /// # Errors
    /// `Busy` when another process holds it; `Corrupt` when it is damaged; `TooNew` when a newer
    /// program wrote it; `Disk`.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        file::create_folder(folder)?;
        let hold = Hold::take(folder)?;
        file::clear_half_made(folder)?;
        let db = Database::open(folder)?;
        let file = DataFile::of(folder)?;
        let tree = Tree { db, spill: SpillFolder::open(folder)? };
        let reached = Reached::open(folder)?;
        begin::refuse_newer(&tree)?;
        let (wal, Told { old, young, seal }) = Wal::open(folder)?;
        file::sync_new_store(folder)?;
        let writer = Writer {
            wal,
            loosened: Vec::new(),
            broken: None,
            aside: None,
            seal: seal.map_or_else(|| whole::old_seal(&tree.db), |seal| Ok(Some(seal)))?,
            synced: 0,
            merging: (!old.rows().is_empty()).then(Vec::new),
            owed: 0,
        };
        let layers = Layers { old, young, ..Layers::default() };
        let store = Self {
            tree,
            file,
            reached,
            folder: folder.to_owned(),
            epoch: AtomicU64::new(0),
            version: AtomicU64::new(0),
            layers: RwLock::new(layers),
            known: Known::default(),
            writer: Mutex::new(writer),
            claims: RwLock::default(),
            _hold: hold,
        };
        store.begin()?;
        // Only now is it sure that what the tree names is durable, and that it is our tree.
        store.tree.spill.sweep(|digest| pack::is_named(&store.view(&store.layers()), digest))?;
        Ok(store)
    }

    /// Makes the process life that a restored store comes from the last one there was.
    ///
    /// # Errors
    /// `Disk`.
    pub fn resume_epoch(&self, epoch: u64) -> Result<(), StoreError> {
        self.write_meta(|_| epoch).map(drop)
    }

    fn corrupt(&self, problem: String) -> StoreError {
        StoreError::Corrupt { key: format!("the store in {}", self.folder.display()), problem }
    }

    fn apply(&self, writer: &mut Writer, writes: &[Write]) -> Result<(), StoreError> {
        let seal = match writer.seal {
            Some(seal) => seal,
            None => self.read_through()?.0,
        };
        let layers = self.layers();
        let view = self.view(&layers);
        let plan = pack::plan(&view, writes)?;
        let spilled = self.tree.spill.write(&plan.files);
        writer.note(spilled)?;
        if let Some(aside) = &mut writer.aside {
            aside.note(&view, writes);
        }
        let mut changes = plan.rows;
        for (key, row) in plan.beside {
            let before = view.row(&key)?;
            changes.push((key, pack::Change { row, before }));
        }
        let full = layers.waiting.bytes() > WAITING_BYTES_MAX;
        drop(layers);
        if full {
            self.log(writer)?;
        }
        writer.seal = Some(seal.after(&changes));
        writer.loosened.extend(plan.loosened);
        let mut layers = self.layers_mut();
        layers.add(changes);
        self.known.forget(writes);
        self.version.fetch_add(1, Ordering::SeqCst);
        drop(layers);
        if let Some(index) = self.claims_mut().as_mut() {
            index.follow(&self.view(&self.layers()), writes)?;
        }
        Ok(())
    }

    /// Writes what waits to the log, if anything does.
    fn log(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let written = {
            let layers = self.layers();
            if layers.commits == 0 {
                return Ok(());
            }
            writer.wal.write(&layers.waiting, writer.seal.unwrap_or_default())
        };
        writer.owed += writer.note(written)? * MERGE_PACE;
        self.layers_mut().logged();
        Ok(())
    }

    /// Makes the young layer the old one.
    fn begin_merge(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let turned = writer.wal.current().sync().and_then(|()| writer.wal.turn());
        writer.note(turned)?;
        let mut layers = self.layers_mut();
        layers.old = std::mem::take(&mut layers.young);
        writer.merging = Some(Vec::new());
        Ok(())
    }

    /// Merges some of what is owed.
    fn merge(&self, writer: &mut Writer, bytes: usize) -> Result<(), StoreError> {
        let mut left = writer.owed.min(bytes);
        writer.owed -= left;
        while left > 0 {
            let Some(from) = writer.merging.take() else {
                let enough = self.layers().young.bytes() > YOUNG_BYTES_MAX;
                if !enough && !writer.wal.is_full() {
                    // Of what there is no need to merge nothing is owed.
                    writer.owed = 0;
                    break;
                }
                self.begin_merge(writer)?;
                continue;
            };
            let step = merge::step(&self.tree, self.layers().old.rows(), &from, left);
            let step = writer.note(step)?;
            left = left.saturating_sub(step.taken.max(1));
            self.give(writer, step.puts)?;
            writer.merging = step.next;
            if writer.merging.is_none() {
                // The log of these rows is written over next.
                self.settle_tree(writer)?;
                let old = std::mem::take(&mut self.layers_mut().old);
                // It may take a while to drop.
                drop(old);
            }
        }
        Ok(())
    }

    /// Gives sled a step's values.
    fn give(&self, writer: &mut Writer, puts: Vec<Put>) -> Result<(), StoreError> {
        let written = self.write_out(writer);
        writer.note(written)?;
        let _call = self.tree.db.call();
        // Nobody reads several rows meanwhile.
        let layers = self.layers_mut();
        let applied = guarded("merge", || self.tree.put(puts));
        drop(layers);
        writer.note(applied)
    }

    /// Makes all that sled was given durable.
    fn settle_tree(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let _call = self.tree.db.call();
        let flushed = guarded("flush", || self.tree.db.flush()).and_then(|_| {
            let written = self.tree.db.segment_written();
            self.file.sync().map(|()| written)
        });
        writer.synced = writer.note(flushed)?;
        Ok(())
    }

    fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims_mut(&self) -> RwLockWriteGuard<'_, Option<ClaimIndex>> {
        self.claims.write().unwrap_or_else(PoisonError::into_inner)
    }

    const fn view<'a>(&'a self, layers: &'a Layers) -> View<'a> {
        View { tree: &self.tree, layers }
    }

    /// Syncs where sled has begun a segment of its log since the last sync. When it opens, it
    /// trusts that of two segments begun one after the other the first is whole.
    fn write_out(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if guarded("merge", || self.tree.db.segment())? > writer.synced {
            self.settle_tree(writer)?;
        }
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files that were loosened before a flush that has succeeded. Best effort: what
    /// stays is swept at the next start.
    fn remove_files(&self, loosened: Vec<Digest>) {
        if loosened.is_empty() {
            return;
        }
        // No commit may name a file again while it is looked at.
        let writer = self.writer();
        let layers = self.layers();
        let view = self.view(&layers);
        for digest in loosened {
            let again = writer.loosened.contains(&digest);
            if !again && pack::is_named(&view, &digest) == Ok(false) {
                self.tree.spill.remove(&digest);
            }
        }
    }
}

impl Store for Sled {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let layers = self.layers();
        self.known.get(key, || read::get(&self.view(&layers), key))
    }

    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError> {
        let find = || {
            let claims = self.claims.read().unwrap_or_else(PoisonError::into_inner);
            claims.as_ref().map(|index| index.find(id))
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        // While the writer is ours, nobody commits.
        let _writer = self.writer();
        let index = ClaimIndex::of(&self.view(&self.layers()))?;
        Ok(self.claims_mut().insert(index).find(id))
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        read::scan_checked(&self.view(&self.layers()), from, to, order, limit)
    }

    fn scan(
        &self,
        from: &Key,
        to: &Key,
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        let (from, to) = (from.encode(), to.encode());
        read::scan(&self.view(&self.layers()), &from, &to, order, limit)
    }

    fn scan_each(&self, stretches: &[(Key, Key)], limit: usize, each: &mut Taker<'_>) {
        walk::scan_each(&self.view(&self.layers()), stretches, limit, each);
    }

    fn version(&self) -> Option<u64> {
        Some(self.version.load(Ordering::SeqCst))
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        super::assert_no_meta(writes);
        let mut writer = self.writer();
        writer.check("commit")?;
        let stored = self.epoch.load(Ordering::SeqCst);
        if epoch != stored {
            return Err(StoreError::Fenced { ours: epoch, stored });
        }
        self.apply(&mut writer, writes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        let (loosened, commits, log) = {
            let mut writer = self.writer();
            writer.check("flush")?;
            self.log(&mut writer)?;
            let commits = writer.seal.map_or(0, |seal| seal.commits);
            let loosened = std::mem::take(&mut writer.loosened);
            (loosened, commits, Arc::clone(writer.wal.current()))
        };
        let flushed = log.sync().and_then(|()| self.reached.note(commits));
        {
            let mut writer = self.writer();
            writer.note(flushed)?;
            if writer.owed > OWED_BYTES_MAX {
                self.merge(&mut writer, usize::MAX)?;
            }
        }
        self.remove_files(loosened);
        Ok(())
    }

    fn tidy(&self, bytes: usize) -> Result<usize, StoreError> {
        let mut writer = self.writer();
        writer.check("merge")?;
        self.merge(&mut writer, bytes.saturating_mul(MERGE_PACE))?;
        Ok(writer.owed / MERGE_PACE)
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        self.write_meta(|epoch| epoch + 1)
    }

    fn begin_still(&self) -> Result<(), StoreError> {
        still::begin(&mut self.writer().aside)
    }

    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError> {
        // While the writer is ours, nobody commits.
        let mut writer = self.writer();
        let layers = self.layers();
        still::under_way(&mut writer.aside)?.page(&self.view(&layers), rows)
    }

    fn end_still(&self) {
        self.writer().aside = None;
    }

    fn check_whole(&self) -> Result<(), StoreError> {
        let before = self.writer().seal;
        let (seal, claims) = self.read_through()?;
        let writer = self.writer();
        // A commit meanwhile is in the sum or not, or in part.
        if before != writer.seal {
            return Ok(());
        }
        if before.is_none_or(|before| before.sum == seal.sum) {
            self.claims_mut().get_or_insert(claims);
            return Ok(());
        }
        Err(self.corrupt("some of its records are older than they were, or gone".to_owned()))
    }
}

impl Writer {
    fn check(&self, op: &'static str) -> Result<(), StoreError> {
        match &self.broken {
            None => Ok(()),
            Some(earlier) => Err(StoreError::Disk {
                op,
                problem: format!("the disk failed before ({earlier}); restart on a sound disk"),
            }),
        }
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.broken.get_or_insert_with(|| error.to_string());
        }
        result
    }
}
