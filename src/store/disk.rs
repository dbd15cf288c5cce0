//! The store on disk: sled, and what sled does not promise.
//!
//! sled's own flush reaches the kernel and no further, so every flush here ends with an fdatasync
//! on a descriptor of ours for the same file. sled may panic where a disk refuses or a file is
//! damaged, so every call of it is guarded; after the first failure of a write nothing more is
//! accepted, because memory may be ahead of the disk from then on. And where its log is damaged it
//! may open as it was before, in silence: so all rows are sealed.

mod database;
mod file;
mod guard;
mod hold;
mod pending;
mod seal;
mod spill;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use database::Database;
use file::DataFile;
use guard::{guarded, guarded_read};
use hold::Hold;
use pending::{Before, Pending, View, Waiting};
use seal::{Reached, Seal};
use spill::SpillFolder;

use super::pack::{self, Rows, Visitor};
use super::still::{self, Aside};
use super::{
    FORMAT, Key, MetaRecord, Order, RawFrame, Record, Scanned, Store, StoreError, Write, key, read,
};
use crate::model::Digest;

/// Stores have been sealed since this format.
const SEALED_FORMAT: u32 = 3;

/// A folder with a sled tree in it, held by this process alone.
#[derive(Debug)]
pub struct Sled {
    // Dropped in this order: the tree before the lock that keeps others out.
    tree: Tree,
    file: DataFile,
    reached: Reached,
    folder: PathBuf,
    epoch: AtomicU64,
    /// Commits that the tree does not hold yet. They appear at once to a read of several rows, and
    /// only who has the writer changes them.
    pending: RwLock<Pending>,
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
    /// The seal of all rows as they stand; none until a row is written.
    seal: Option<Seal>,
    /// The segment of sled's log up to which all is synced.
    synced: i64,
}

/// The tree and the files beside it.
#[derive(Debug)]
struct Tree {
    db: Database,
    spill: SpillFolder,
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
        let store = Self {
            tree,
            file,
            reached,
            folder: folder.to_owned(),
            epoch: AtomicU64::new(0),
            pending: RwLock::default(),
            writer: Mutex::default(),
            _hold: hold,
        };
        store.begin()?;
        // Only now is it sure that what the tree names is durable, and that it is our tree.
        store.tree.spill.sweep(|digest| pack::is_named(&store.tree, digest))?;
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
        let Some(Record::Meta(meta)) = read::get(&self.tree, &Key::Meta)? else {
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
        if file::is_marked(&self.folder) { Ok(()) } else { file::mark(&self.folder) }
    }

    /// Whether the newest commits are all there.
    fn check_count(&self, format: u32) -> Result<(), StoreError> {
        let reached = self.reached.commits();
        let problem = match self.tree.seal()? {
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
        let (plan, waiting) = {
            let pending = self.pending();
            let view = View { tree: &self.tree, pending: &pending };
            let plan = pack::plan(&view, writes)?;
            let spilled = self.tree.spill.write(&plan.files);
            writer.note(spilled)?;
            if let Some(aside) = &mut writer.aside {
                aside.note(&view, writes);
            }
            (plan, pending.bytes())
        };
        if waiting + pending::bytes_of(&plan) > pack::COMMIT_BYTES_MAX {
            self.hand_over(writer)?;
        }
        writer.loosened.extend(plan.loosened);
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pending.add(plan.rows, plan.beside);
        Ok(())
    }

    /// Gives sled the commits that wait, in one batch.
    fn hand_over(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let (batch, seal) = {
            let pending = self.pending();
            if pending.is_empty() {
                return Ok(());
            }
            self.batch(writer.seal, &pending)?
        };
        let written = self.write_out(writer);
        writer.note(written)?;
        // Until sled has them, they are read here; from then on, there.
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        let applied = guarded("commit", || self.tree.db.apply_batch(batch));
        *pending = Pending::default();
        writer.seal = Some(seal);
        writer.note(applied)
    }

    /// What waits as a batch, and the seal of all rows with it.
    fn batch(
        &self,
        seal: Option<Seal>,
        pending: &Pending,
    ) -> Result<(sled::Batch, Seal), StoreError> {
        let mut seal = match seal {
            Some(seal) => seal,
            None => self.tree.seal()?.map_or_else(|| self.tree.sealed_anew(), Ok)?,
        };
        seal.commits += pending.commits();
        let mut batch = sled::Batch::default();
        for (key, Waiting { row, before }) in pending.rows() {
            let unread = match before {
                Before::Known(_) => None,
                Before::Unread => self.tree.row(key)?,
            };
            if let Before::Known(Some(before)) = before {
                seal.take(key, before);
            } else if let Some(before) = unread {
                seal.take(key, &before);
            }
            match row {
                Some(row) => {
                    seal.add(key, row);
                    batch.insert(key.as_slice(), row.clone());
                }
                None => batch.remove(key.as_slice()),
            }
        }
        batch.insert(&seal::KEY, seal.row());
        Ok((batch, seal))
    }

    fn pending(&self) -> RwLockReadGuard<'_, Pending> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
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
        let pending = self.pending();
        let view = View { tree: &self.tree, pending: &pending };
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
        read::get(&View { tree: &self.tree, pending: &self.pending() }, key)
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        read::scan(&View { tree: &self.tree, pending: &self.pending() }, from, to, order, limit)
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
        let view = View { tree: &self.tree, pending: &self.pending() };
        still::under_way(&mut writer.aside)?.page(&view, rows)
    }

    fn end_still(&self) {
        self.writer().aside = None;
    }

    fn check_whole(&self) -> Result<(), StoreError> {
        let before = self.tree.seal()?;
        let sum = self.tree.sealed_anew()?.sum;
        // A commit meanwhile is in the sum or not, or in part. sled reads nothing in the middle of
        // one, so it is seen here.
        let quiet = before == self.tree.seal()?;
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

impl Tree {
    /// The seal as it is stored.
    fn seal(&self) -> Result<Option<Seal>, StoreError> {
        Ok(self.row(&seal::KEY)?.and_then(|row| Seal::of(&row)))
    }

    /// The seal of all rows as they are, by themselves.
    fn sealed_anew(&self) -> Result<Seal, StoreError> {
        let sum = |from, to| {
            let mut seal = Seal::default();
            let visited = self.visit(from, to, Order::Ascending, &mut |key, row| {
                if key != seal::KEY {
                    seal.add(key, row);
                }
                Ok(true)
            });
            visited.map(|()| seal.sum)
        };
        // Batches and what is told of them are about half of all rows, and a sum has no order.
        let middle: &[u8] = &[key::MIDDLE];
        let (below, above) = std::thread::scope(|scope| {
            let below = || sum(Bound::Unbounded, Bound::Excluded(middle));
            let below = std::thread::Builder::new().spawn_scoped(scope, below);
            let above = sum(Bound::Included(middle), Bound::Unbounded);
            (below.map(std::thread::ScopedJoinHandle::join), above)
        });
        let below = below.map_err(guard::io("start a thread"))?;
        let below = below.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Seal { sum: below.wrapping_add(above?), ..Seal::default() })
    }
}

impl Rows for Tree {
    type Row = sled::IVec;

    fn row(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        guarded_read(|| self.db.get(key))
    }

    fn file(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.spill.read(digest)
    }

    fn visit(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        order: Order,
        each: &mut Visitor<'_>,
    ) -> Result<(), StoreError> {
        let mut range = guarded_read(|| Ok(self.db.range::<&[u8], _>((from, to))))?;
        loop {
            let next = guarded_read(|| {
                match order {
                    Order::Ascending => range.next(),
                    Order::Descending => range.next_back(),
                }
                .transpose()
            })?;
            let Some((key, row)) = next else { return Ok(()) };
            if !each(&key, &row)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
impl Sled {
    /// Bytes of the log that have been written out.
    pub(in crate::store) fn log_bytes(&self) -> i64 {
        self.tree.db.written()
    }

    /// Gives sled what waits.
    fn settle(&self) {
        self.hand_over(&mut self.writer()).expect("a sound disk");
    }

    /// Puts raw bytes under a raw key, as damage would.
    pub(in crate::store) fn damage(&self, key: &[u8], row: &[u8]) {
        self.settle();
        self.tree.db.insert(key, row).expect("a sound disk");
    }

    /// Tears a raw row out.
    pub(in crate::store) fn tear(&self, key: &[u8]) {
        self.settle();
        self.tree.db.remove(key).expect("a sound disk");
    }

    /// The raw bytes under a raw key.
    pub(in crate::store) fn raw(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.settle();
        self.tree.db.get(key).expect("a sound disk").map(|row| row.to_vec())
    }

    /// How many raw rows there are beside the seal, and the bytes of the largest value.
    pub(in crate::store) fn raw_sizes(&self) -> (usize, usize) {
        self.settle();
        let rows = self.tree.db.iter().map(|row| row.expect("a sound disk"));
        let sizes: Vec<usize> =
            rows.filter(|(key, _)| *key != seal::KEY).map(|(_, row)| row.len()).collect();
        (sizes.len(), sizes.into_iter().max().unwrap_or(0))
    }
}
