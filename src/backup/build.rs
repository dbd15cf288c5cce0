//! Building a data folder from what a backup holds.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::piece::Piece;
use super::read::Taker;
use super::{BackupError, file, sync_parent};
use crate::media::{Incoming, Media};
use crate::model::Dice;
use crate::store::{Framed, Sled, Store as _, StoreError, Write, key_now};

/// Bytes of frames gathered for one commit: with keys and overhead they stay below its limit.
const COMMIT_BYTES: usize = 32 << 10;
/// Records of one commit at the most.
const COMMIT_ROWS: usize = 200;

/// A folder that removes itself unless it is kept.
pub(super) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// A new folder, for its owner alone.
    pub(super) fn make(path: PathBuf) -> Result<Self, BackupError> {
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(file("make the folder", &path))?;
        Ok(Self { path, keep: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to its place, durably.
    pub(super) fn keep_as(mut self, place: &Path) -> Result<(), BackupError> {
        sync_tree(&self.path)?;
        std::fs::rename(&self.path, place).map_err(file("move the new folder to", place))?;
        self.keep = true;
        sync_parent(place)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes the names in a folder and all folders below it durable; the files are by then.
fn sync_tree(folder: &Path) -> Result<(), BackupError> {
    for entry in std::fs::read_dir(folder).map_err(file("read", folder))? {
        let path = entry.map_err(file("read", folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    File::open(folder).and_then(|it| it.sync_all()).map_err(file("sync", folder))
}

/// The store, and beside it the files, if they are wanted.
pub(super) struct Build<'a> {
    folder: &'a Path,
    store: Sled,
    media: Option<Media>,
    writes: Vec<Write>,
    bytes: usize,
    current: Option<Current>,
}

/// A file that is being written.
struct Current {
    piece: Piece,
    out: File,
    path: PathBuf,
    incoming: Option<Incoming>,
}

impl<'a> Build<'a> {
    /// Builds the store in `folder/store`, and with dice the files too.
    pub(super) fn begin(folder: &'a Path, files: Option<Dice>) -> Result<Self, BackupError> {
        let store = Sled::open(&folder.join("store"))?;
        let media = files.map(|dice| Media::open(folder.join("media"), dice)).transpose()?;
        let (writes, bytes, current) = (Vec::new(), 0, None);
        Ok(Self { folder, store, media, writes, bytes, current })
    }

    /// The store, whole and durable, as the process life `epoch` left it.
    pub(super) fn finish(mut self, epoch: u64) -> Result<Sled, BackupError> {
        self.commit()?;
        self.store.resume_epoch(epoch)?;
        Ok(self.store)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        commit(&self.store, &std::mem::take(&mut self.writes))
    }
}

/// Writes that are too many for one commit become two.
fn commit(store: &Sled, writes: &[Write]) -> Result<(), StoreError> {
    match store.commit(0, writes) {
        Err(StoreError::TooLarge { .. }) if writes.len() > 1 => {
            let (one, other) = writes.split_at(writes.len() / 2);
            commit(store, one)?;
            commit(store, other)
        }
        other => other,
    }
}

impl Taker for Build<'_> {
    fn row(&mut self, framed: Framed) -> Result<(), BackupError> {
        self.bytes += framed.frame.len();
        if let Some(key) = key_now(framed.key, &framed.record) {
            self.writes.push(Write::Put(key, framed.record));
        }
        if self.bytes > COMMIT_BYTES || self.writes.len() >= COMMIT_ROWS {
            self.commit()?;
        }
        Ok(())
    }

    fn file(&mut self, piece: Piece) -> Result<(), BackupError> {
        let Some(media) = &self.media else { return Ok(()) };
        let incoming = matches!(piece, Piece::Media(_)).then(|| media.incoming());
        let path = match &incoming {
            Some(incoming) => incoming.path().to_owned(),
            None => piece.path(self.folder, media),
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(file("make the folder", parent))?;
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let out = opened.map_err(file("make", &path))?;
        self.current = Some(Current { piece, out, path, incoming });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.out.write_all(bytes).map_err(file("write", &current.path))
    }

    fn file_end(&mut self, sound: bool) -> Result<(), BackupError> {
        let (Some(media), Some(current)) = (&self.media, self.current.take()) else {
            return Ok(());
        };
        match (current.piece, &current.incoming) {
            (Piece::Media(digest), Some(incoming)) if sound => {
                Ok(media.adopt_hashed(incoming, &digest)?)
            }
            // Spoilt media goes with its incoming file.
            (Piece::Media(_), _) => Ok(()),
            _ => current.out.sync_all().map_err(file("sync", &current.path)),
        }
    }
}
