//! The store on disk: one sled tree, made durable by us.
//!
//! sled 0.34 writes on `flush` but does not sync. So every flush is followed by `fdatasync` on our
//! own descriptor of the file sled uses, and only then is anything called durable.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::memory::FORMAT;
use super::record::{decode, encode};
use super::value::{PARTS_BEGIN, Shape, Spills, part_key, plan, sync_folder};
use super::{Key, MetaRecord, Order, Record, Scanned, Store, StoreError, Write};

/// sled's cache, in bytes: its default grows to a gibibyte.
const CACHE_BYTES: u64 = 64 << 20;

/// The store on disk.
pub struct Sled {
    db: sled::Db,
    file: File,
    folder: PathBuf,
    spills: Spills,
    unreferenced: Mutex<Vec<[u8; 32]>>,
    epoch: AtomicU64,
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sled({})", self.folder.display())
    }
}

impl Sled {
    /// Opens the store in `folder`, or makes it there.
    ///
    /// # Errors
    /// `Busy` when another process has it; `TooNew` when a newer program wrote it; `Corrupt` when
    /// its files do not hold; `Disk`.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(|e| disk("create the store's folder", &e))?;
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let db = match guarded("open", || config.open()) {
            Ok(db) => db,
            Err(StoreError::Disk { problem, .. }) if problem.contains("lock") => {
                return Err(busy(folder));
            }
            Err(StoreError::Disk { problem, .. }) => return Err(unreadable(folder, problem)),
            Err(other) => return Err(other),
        };
        write_pid(folder).map_err(|e| disk("write the pid file", &e))?;
        let file = own_descriptor(folder).map_err(|e| disk("open the store's file", &e))?;
        let spills = Spills::open(folder.join("spill")).map_err(|e| disk("open spill", &e))?;
        sync_folder(folder).map_err(|e| disk("sync the store's folder", &e))?;
        let store = Self {
            db,
            file,
            folder: folder.to_owned(),
            spills,
            unreferenced: Mutex::default(),
            epoch: AtomicU64::new(0),
        };
        let meta = store.meta()?;
        if meta.format > FORMAT {
            return Err(StoreError::TooNew { found: meta.format, known: FORMAT });
        }
        store.epoch.store(meta.epoch, Ordering::Release);
        store.sweep()?;
        Ok(store)
    }

    /// Bytes of the store's files.
    pub fn disk_bytes(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
        let spilled = self.spills.names().unwrap_or_default();
        let spill = self.folder.join("spill");
        let spilled: u64 = spilled
            .iter()
            .map(|name| size(&spill.join(crate::model::Digest(*name).to_string())))
            .sum();
        size(&self.folder.join("db")) + spilled
    }

    /// Whether sled has put nothing into the files it never syncs. It must always be so.
    pub fn blobs_empty(&self) -> bool {
        fs::read_dir(self.folder.join("blobs")).map_or(true, |mut files| files.next().is_none())
    }

    fn meta(&self) -> Result<MetaRecord, StoreError> {
        match self.get(&Key::Meta)? {
            Some(Record::Meta(meta)) => Ok(meta),
            _ => Ok(MetaRecord { format: FORMAT, epoch: 0 }),
        }
    }

    /// The whole frame behind a stored value.
    fn frame(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let corrupt = |problem: &str| StoreError::Corrupt {
            key: Key::decode(key).map_or_else(|| format!("{key:02x?}"), |key| key.to_string()),
            problem: problem.to_owned(),
        };
        match Shape::of(value).ok_or_else(|| corrupt("its value has no known shape"))? {
            Shape::Whole => Ok(value.to_vec()),
            Shape::Parts(count) => {
                let mut frame = Vec::new();
                for n in 0..count {
                    let part = guarded("read", || self.db.get(part_key(key, n)))?;
                    frame.extend_from_slice(&part.ok_or_else(|| corrupt("a part is missing"))?);
                }
                Ok(frame)
            }
            Shape::Spilled(name) => {
                self.spills.read(&name).map_err(|_| corrupt("its spill file cannot be read"))
            }
        }
    }

    /// What the old value of a key leaves behind when it is overwritten or deleted.
    fn leavings(
        &self,
        key: &[u8],
        batch: &mut sled::Batch,
        gone: &mut Vec<[u8; 32]>,
    ) -> Result<(), StoreError> {
        let Some(old) = guarded("read", || self.db.get(key))? else { return Ok(()) };
        match Shape::of(&old) {
            Some(Shape::Parts(count)) => (0..count).for_each(|n| batch.remove(part_key(key, n))),
            Some(Shape::Spilled(name)) => gone.push(name),
            Some(Shape::Whole) | None => {}
        }
        Ok(())
    }

    /// Removes spilled files that no record names: those of a commit that did not happen.
    fn sweep(&self) -> Result<(), StoreError> {
        let mut names = self.spills.names().map_err(|e| disk("list spilled records", &e))?;
        if names.is_empty() {
            return Ok(());
        }
        for pair in self.db.range(..PARTS_BEGIN.to_vec()) {
            let (_, value) = pair.map_err(|e| disk("read", &e))?;
            if let Some(Shape::Spilled(used)) = Shape::of(&value) {
                names.retain(|name| *name != used);
            }
        }
        names.iter().for_each(|name| self.spills.remove(name));
        Ok(())
    }
}

impl Store for Sled {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let bytes = key.encode();
        match guarded("read", || self.db.get(&bytes))? {
            None => Ok(None),
            Some(value) => decode(key, &bytes, &self.frame(&bytes, &value)?).map(Some),
        }
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
        let pairs = guarded("scan", || {
            let range = self.db.range(from.to_vec()..=to.to_vec());
            match order {
                Order::Ascending => range.take(limit).collect::<Result<Vec<_>, _>>(),
                Order::Descending => range.rev().take(limit).collect(),
            }
        })?;
        let ours = pairs.iter().filter(|(key, _)| key.as_ref() < PARTS_BEGIN.as_slice());
        Ok(ours
            .map(|(key, value)| match self.frame(key, value) {
                Ok(frame) => Scanned::read(key, &frame),
                Err(problem) => Scanned { bytes: key.to_vec(), record: Err(problem) },
            })
            .collect())
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        let stored = self.epoch.load(Ordering::Acquire);
        if stored != epoch {
            return Err(StoreError::Fenced { ours: epoch, stored });
        }
        let mut frames = Vec::with_capacity(writes.len());
        for write in writes {
            match write {
                Write::Put(key, record) => {
                    let bytes = key.encode();
                    let frame = encode(&bytes, record)?;
                    frames.push((bytes, Some(frame)));
                }
                Write::Delete(key) => frames.push((key.encode(), None)),
            }
        }
        let mut batch = sled::Batch::default();
        let mut gone = Vec::new();
        for (key, _) in &frames {
            self.leavings(key, &mut batch, &mut gone)?;
        }
        let plan = plan(frames)?;
        self.spills.write(&plan.spills).map_err(|e| disk("write a spilled record", &e))?;
        for (key, value) in plan.changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded("commit", || self.db.apply_batch(batch))?;
        gone.retain(|name| !plan.spills.iter().any(|(kept, _)| kept == name));
        self.unreferenced.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        guarded("flush", || self.db.flush())?;
        self.file.sync_data().map_err(|e| disk("fdatasync", &e))?;
        let gone =
            std::mem::take(&mut *self.unreferenced.lock().unwrap_or_else(PoisonError::into_inner));
        gone.iter().for_each(|name| self.spills.remove(name));
        Ok(())
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        let meta = self.meta()?;
        let epoch = meta.epoch + 1;
        self.epoch.store(epoch, Ordering::Release);
        let record = Record::Meta(MetaRecord { format: FORMAT, epoch });
        self.commit(epoch, &[Write::Put(Key::Meta, record)])?;
        self.flush()?;
        Ok(epoch)
    }
}

/// Runs a call into sled; a panic in it becomes an error that stops us in words.
fn guarded<T, E: std::fmt::Display>(
    op: &'static str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(problem)) => Err(StoreError::Disk { op, problem: problem.to_string() }),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            Err(StoreError::Disk { op, problem: format!("the storage engine gave up: {text}") })
        }
    }
}

fn disk(op: &'static str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Disk { op, problem: problem.to_string() }
}

fn unreadable(folder: &Path, problem: String) -> StoreError {
    StoreError::Corrupt { key: format!("the store in {}", folder.display()), problem }
}

fn busy(folder: &Path) -> StoreError {
    let pid = fs::read_to_string(folder.join("pid")).unwrap_or_default();
    let holder = match pid.trim() {
        "" => String::new(),
        pid => format!(", pid {pid}"),
    };
    StoreError::Busy { folder: folder.display().to_string(), holder }
}

fn write_pid(folder: &Path) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join("pid"))?;
    writeln!(file, "{}", std::process::id())
}

/// Our descriptor of the very file sled has open: `fdatasync` works on the file, not on whose
/// descriptor it is, so both must be the same inode.
fn own_descriptor(folder: &Path) -> std::io::Result<File> {
    let path = folder.join("db");
    let file = File::open(&path)?;
    let (ours, there) = (file.metadata()?, fs::metadata(&path)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Err(std::io::Error::other("the store's file was replaced while it was opened"));
    }
    Ok(file)
}
