//! The store on disk: sled, and what sled does not promise.
//!
//! sled's own flush reaches the kernel and no further, so every flush here ends with an fdatasync
//! on a descriptor of ours for the same file. sled may panic where a disk refuses or a file is
//! damaged, so every call of it is guarded; after the first failure of a write nothing more is
//! accepted, because memory may be ahead of the disk from then on. And where its log is damaged it
//! may open as it was before, in silence: so all rows are sealed.
//!
//! What a value costs in sled is many times its bytes, so commits go there as a log first, and
//! later, sorted and many rows to a value, to their places.

mod database;
mod file;
mod guard;
mod hold;
#[cfg(test)]
mod hooks;
mod layers;
mod merge;
mod page;
mod seal;
mod spill;
mod tree;
mod wal;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use database::Database;
use file::DataFile;
use guard::guarded;
use hold::Hold;
use layers::{Layers, View, row_bytes};
use seal::{Reached, Seal};
use spill::SpillFolder;
use tree::Tree;

use super::pack::{self, Rows};
use super::still::{self, Aside};
use super::{
    FORMAT, Key, MetaRecord, Order, RawFrame, Record, Scanned, Store, StoreError, Write, read,
};
use crate::model::Digest;

/// Stores have been sealed since this format.
const SEALED_FORMAT: u32 = 3;
/// Rows have shared pages since this format.
const PAGED_FORMAT: u32 = 4;
/// With so many bytes the young layer becomes old. The more, the more often a row changes before
/// it is merged, and the more memory it takes: two layers and what is around each row, up to ten
/// times this. Builds with debug assertions merge early, so that every test meets it.
const YOUNG_BYTES_MAX: usize = if cfg!(debug_assertions) { 8 << 10 } else { 2 << 20 };
/// For each byte handed over so many are merged: the old layer is gone before the next is full.
const MERGE_PACE: usize = 2;

/// A folder with a sled tree in it, held by this process alone.
#[derive(Debug)]
pub struct Sled {
    // Dropped in this order: the tree before the lock that keeps others out.
    tree: Tree,
    file: DataFile,
    reached: Reached,
    folder: PathBuf,
    epoch: AtomicU64,
    /// What the tree does not hold yet. It appears at once to a read of several rows, and only who
    /// has the writer changes it.
    layers: RwLock<Layers>,
    writer: Mutex<Writer>,
    _hold: Hold,
}

/// What only one thread at a time may have.
#[derive(Debug, Default)]
struct Writer {
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
    /// Our log.
    pieces: wal::Pieces,
    /// How far the old layer is merged.
    merging: Option<Merging>,
}

/// The merging of the old layer.
#[derive(Debug)]
struct Merging {
    /// From which key on it is not merged; none when all is.
    from: Option<Vec<u8>>,
    /// Pieces of the log before this one are not needed any more when it is merged.
    forget: u64,
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
        file::sync_new_store(folder)?;
        let wal::Told { young, seal, pieces } = wal::read(&tree.db)?;
        let seal = seal.map_or_else(|| whole::old_seal(&tree.db), |seal| Ok(Some(seal)))?;
        let layers = Layers { young, ..Layers::default() };
        let store = Self {
            tree,
            file,
            reached,
            folder: folder.to_owned(),
            epoch: AtomicU64::new(0),
            layers: RwLock::new(layers),
            writer: Mutex::new(Writer { seal, pieces, ..Writer::default() }),
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

    /// Whether sled has put nothing into the files it never syncs. It must always be so.
    pub fn blobs_empty(&self) -> bool {
        let blobs = std::fs::read_dir(self.folder.join("blobs"));
        blobs.is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Bytes that this process may still write where the store is, if the system tells.
    pub fn free_bytes(&self) -> Option<u64> {
        let space = rustix::fs::statvfs(&self.folder).ok()?;
        space.f_bavail.checked_mul(space.f_frsize)
    }

    /// Bytes of the store's files, as far as they can be seen.
    pub fn disk_bytes(&self) -> u64 {
        file::folder_bytes(&self.folder)
    }

    /// Reads the epoch, or makes the first meta record in a new store.
    fn begin(&self) -> Result<(), StoreError> {
        let Some(Record::Meta(meta)) = self.get(&Key::Meta)? else {
            if file::is_marked(&self.folder) {
                return Err(self.corrupt("it was in use before and opened empty".to_owned()));
            }
            self.write_meta(|_| 0)?;
            return file::mark(&self.folder);
        };
        if meta.format > FORMAT {
            return Err(StoreError::TooNew { found: meta.format, known: FORMAT });
        }
        self.check_count(meta.format)?;
        self.epoch.store(meta.epoch, Ordering::SeqCst);
        if meta.format < PAGED_FORMAT {
            let mut writer = self.writer();
            merge::lay_out(&self.tree, |batch| self.give(&mut writer, batch, |_| {}))?;
            drop(writer);
            self.write_meta(|epoch| epoch)?;
        }
        if file::is_marked(&self.folder) { Ok(()) } else { file::mark(&self.folder) }
    }

    /// Whether the newest commits are all there.
    fn check_count(&self, format: u32) -> Result<(), StoreError> {
        let reached = self.reached.commits();
        let problem = match self.writer().seal {
            Some(Seal { commits, .. }) if commits >= reached => return Ok(()),
            None if format < SEALED_FORMAT => return Ok(()),
            Some(Seal { commits, .. }) => {
                format!("it had {reached} commits, and the newest it shows is {commits}")
            }
            None => "its seal is gone".to_owned(),
        };
        Err(self.corrupt(problem))
    }

    fn corrupt(&self, problem: String) -> StoreError {
        StoreError::Corrupt { key: format!("the store in {}", self.folder.display()), problem }
    }

    fn write_meta(&self, next: impl FnOnce(u64) -> u64) -> Result<u64, StoreError> {
        let mut writer = self.writer();
        writer.check("begin epoch")?;
        let epoch = next(self.epoch.load(Ordering::SeqCst));
        let meta = Record::Meta(MetaRecord { format: FORMAT, epoch });
        self.apply(&mut writer, &[Write::Put(Key::Meta, meta)])?;
        self.epoch.store(epoch, Ordering::SeqCst);
        drop(writer);
        self.flush()?;
        Ok(epoch)
    }

    fn apply(&self, writer: &mut Writer, writes: &[Write]) -> Result<(), StoreError> {
        let seal = writer.seal.map_or_else(|| self.sealed_anew(), Ok)?;
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
        let sizes = changes.iter().map(|(key, change)| row_bytes(key, change.row.as_deref()));
        let full = layers.waiting.bytes() + sizes.sum::<usize>() > pack::COMMIT_BYTES_MAX;
        drop(layers);
        if full {
            self.hand_over(writer)?;
        }
        writer.seal = Some(seal.after(&changes));
        writer.loosened.extend(plan.loosened);
        self.layers_mut().add(changes);
        Ok(())
    }

    /// Gives sled the commits that wait, as one group of the log, and goes on merging.
    fn hand_over(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if self.layers().commits == 0 {
            return Ok(());
        }
        let bytes = self.log(writer)?;
        self.merge(writer, bytes * MERGE_PACE)
    }

    /// Writes what waits to the log; returns its bytes.
    fn log(&self, writer: &mut Writer) -> Result<usize, StoreError> {
        let mut batch = sled::Batch::default();
        let pieces = {
            let layers = self.layers();
            // Programs that know nothing of the log find out here that they are too old.
            let meta = Key::Meta.encode();
            if let Some(row) = layers.waiting.row(&meta) {
                batch.insert(meta, row);
            }
            wal::pieces(&layers.waiting, writer.seal.unwrap_or_default())
        };
        if writer.pieces.next == 0 {
            batch.remove(&seal::KEY);
        }
        let first = writer.pieces.next;
        let mut bytes = 0;
        for (n, piece) in (first..).zip(pieces) {
            bytes += piece.len();
            batch.insert(&wal::place(n), piece);
            writer.pieces.next = n + 1;
        }
        writer.pieces.newest = first;
        self.give(writer, batch, Layers::logged)?;
        Ok(bytes)
    }

    /// Makes the young layer the old one. The newest group stays in the log.
    fn begin_merge(&self, writer: &mut Writer) {
        let mut layers = self.layers_mut();
        layers.old = std::mem::take(&mut layers.young);
        writer.merging = Some(Merging { from: Some(Vec::new()), forget: writer.pieces.newest });
    }

    /// Merges about so many bytes of the old layer.
    fn merge(&self, writer: &mut Writer, bytes: usize) -> Result<(), StoreError> {
        let mut left = bytes;
        if writer.merging.is_none() && self.layers().young.bytes() > YOUNG_BYTES_MAX {
            self.begin_merge(writer);
        }
        while left > 0
            && let Some(Merging { from, forget }) = writer.merging.take()
        {
            let Some(from) = from else {
                let (batch, oldest) = merge::forget(writer.pieces.from, forget);
                self.give(writer, batch, |_| {})?;
                writer.pieces.from = oldest;
                if oldest < forget {
                    writer.merging = Some(Merging { from: None, forget });
                } else {
                    // It may take a while to drop.
                    let old = std::mem::take(&mut self.layers_mut().old);
                    drop(old);
                }
                continue;
            };
            let step = merge::step(&self.tree, self.layers().old.rows(), &from, left)?;
            left = left.saturating_sub(step.taken.max(1));
            self.give(writer, step.batch, |_| {})?;
            writer.merging = Some(Merging { from: step.next, forget });
        }
        Ok(())
    }

    /// Gives sled a batch, and changes the layers at the same moment.
    fn give(
        &self,
        writer: &mut Writer,
        batch: sled::Batch,
        then: impl FnOnce(&mut Layers),
    ) -> Result<(), StoreError> {
        let written = self.write_out(writer);
        writer.note(written)?;
        let mut layers = self.layers_mut();
        let applied = guarded("commit", || self.tree.db.apply_batch(batch));
        then(&mut layers);
        drop(layers);
        writer.note(applied)
    }

    fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    const fn view<'a>(&'a self, layers: &'a Layers) -> View<'a> {
        View { tree: &self.tree, layers }
    }

    /// Syncs where sled has begun a segment of its log since the last sync. When it opens, it
    /// trusts that of two segments begun one after the other the first is whole.
    fn write_out(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if guarded("commit", || self.tree.db.segment())? > writer.synced {
            guarded("write out", || self.tree.db.flush())?;
            let written = self.tree.db.segment_written();
            self.file.sync()?;
            writer.synced = written;
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
        read::get(&self.view(&self.layers()), key)
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        read::scan(&self.view(&self.layers()), from, to, order, limit)
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
        let (loosened, commits) = {
            let mut writer = self.writer();
            writer.check("flush")?;
            self.hand_over(&mut writer)?;
            let commits = writer.seal.map_or(0, |seal| seal.commits);
            (std::mem::take(&mut writer.loosened), commits)
        };
        let flushed = guarded("flush", || self.tree.db.flush()).and_then(|_| {
            let written = self.tree.db.segment_written();
            self.file.sync()?;
            self.reached.note(commits).map(|()| written)
        });
        {
            let mut writer = self.writer();
            writer.synced = writer.note(flushed)?;
        }
        self.remove_files(loosened);
        Ok(())
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
        let sum = self.sealed_anew()?.sum;
        // A commit meanwhile is in the sum or not, or in part.
        let quiet = before == self.writer().seal;
        if !quiet || before.is_none_or(|seal| seal.sum == sum) {
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
