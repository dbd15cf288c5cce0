//! Making a backup while the server runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::format::{self, CHUNK_BYTES, FileHead, FileTail, Header, Kind, Trailer, Writer};
use super::media::MediaNamed;
use super::piece::{Piece, SMALL};
use super::read::{Contents, Nothing, read};
use super::{BackupError, file, folder, sync_parent, with_ending};
use crate::media::Media;
use crate::model::Timestamp;
use crate::store::{FORMAT, Key, Record, Still, Store};

/// Bytes written between two looks at how much room there is.
const LOOK_EVERY_BYTES: u64 = 16 << 20;
/// Bytes kept back until the disk takes them.
const BUFFER_BYTES: usize = 256 << 10;

/// Makes, lists and prunes backups of one server. All calls block; run them off the runtime.
pub struct Backups {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The media.
    pub media: Arc<Media>,
    /// The data folder.
    pub data: PathBuf,
    /// Where backups go unless another place is named.
    pub folder: PathBuf,
    /// Which server this is: the same for one that was restored from a backup of it.
    pub instance: String,
    /// Whether the secret key lies in the data folder.
    pub has_secret_key: bool,
    /// What must stay free on a disk that is written to.
    pub free_bytes_min: u64,
}

impl std::fmt::Debug for Backups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backups({})", self.folder.display())
    }
}

/// A backup that was made, and read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub contents: Contents,
}

impl Backups {
    /// Makes a backup of this instant: in the folder, in another one, or as the file named.
    /// `rows` records are read at once.
    ///
    /// # Errors
    /// See `BackupError`. Then there is no file of that name.
    pub fn create(
        &self,
        to: Option<&Path>,
        now: Timestamp,
        rows: usize,
    ) -> Result<Made, BackupError> {
        let path = match to {
            None => {
                make_folder(&self.folder)?;
                folder::sweep(&self.folder)?;
                self.folder.join(folder::name(now))
            }
            Some(named) if named.is_dir() => named.join(folder::name(now)),
            Some(named) => named.to_owned(),
        };
        if path.exists() {
            let shown = path.display();
            return Err(BackupError::Refused(format!(
                "write {shown}: there is a file already; name another"
            )));
        }
        let draft = Draft::begin(&path)?;
        self.write(&draft, now, rows)?;
        // What a disk has taken is read again before it counts.
        let contents = read(&draft.path, &mut Nothing)?;
        std::fs::rename(&draft.path, &path).map_err(file("name", &path))?;
        sync_parent(&path)?;
        tracing::info!(path = %path.display(), bytes = contents.bytes, "a backup was made");
        Ok(Made { path, contents })
    }

    fn write(&self, draft: &Draft, now: Timestamp, rows: usize) -> Result<(), BackupError> {
        // No file that the records of this instant name may go before it is copied.
        let _kept = self.media.hold();
        let still = Still::of(self.store.as_ref())?;
        let mut out = Copying::begin(self, draft)?;
        out.json(
            Kind::Header,
            &Header {
                program: env!("CARGO_PKG_VERSION").to_owned(),
                store_format: FORMAT,
                instance: self.instance.clone(),
                created_at_ms: now.as_millis(),
                epoch: self.epoch()?,
                has_secret_key: self.has_secret_key,
            },
        )?;
        let mut named = MediaNamed::default();
        let mut count = 0;
        loop {
            let page = still.page(rows)?;
            if page.is_empty() {
                break;
            }
            for framed in page {
                let key = framed.key.encode();
                let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
                out.frame(Kind::Row, &[&length, &key, &framed.frame])?;
                named.take(&framed);
                count += 1;
            }
        }
        drop(still);
        // After the records: whatever these say was published has landed.
        let pieces = SMALL.into_iter().filter(|piece| self.goes_along(*piece));
        for piece in pieces.chain(named.all().map(|digest| Piece::Media(*digest))) {
            out.copy(piece)?;
        }
        out.end(count)
    }

    /// A secret key that lies in the folder beside one that is given in the environment is not the
    /// one in use.
    fn goes_along(&self, piece: Piece) -> bool {
        piece != Piece::SecretKey || self.has_secret_key
    }

    fn epoch(&self) -> Result<u64, BackupError> {
        match self.store.get(&Key::Meta)? {
            Some(Record::Meta(meta)) => Ok(meta.epoch),
            _ => Ok(0),
        }
    }
}

/// The file while it is written: it bears another name, and is locked so that what a killed process
/// left can be told from it. It goes with this value unless it was renamed.
pub(super) struct Draft {
    path: PathBuf,
    shown: PathBuf,
    file: File,
}

impl Draft {
    fn begin(path: &Path) -> Result<Self, BackupError> {
        let draft = with_ending(path, folder::DRAFT);
        folder::remove_stale(&draft)?;
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&draft);
        let out = opened.map_err(file("make", &draft))?;
        match out.try_lock() {
            Ok(()) => Ok(Self { path: draft, shown: path.to_owned(), file: out }),
            Err(TryLockError::Error(problem)) => Err(file("lock", &draft)(problem)),
            Err(TryLockError::WouldBlock) => {
                Err(file("lock", &draft)(ErrorKind::WouldBlock.into()))
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the renaming there is nothing at this path any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A backup being written.
struct Copying<'a> {
    backups: &'a Backups,
    draft: &'a Draft,
    out: Writer<BufWriter<&'a File>>,
    looked_at: u64,
    files: u64,
    file_bytes: u64,
}

impl<'a> Copying<'a> {
    fn begin(backups: &'a Backups, draft: &'a Draft) -> Result<Self, BackupError> {
        let out = BufWriter::with_capacity(BUFFER_BYTES, &draft.file);
        let out = Writer::new(out).map_err(file("write", &draft.shown))?;
        let copying = Self { backups, draft, out, looked_at: 0, files: 0, file_bytes: 0 };
        copying.look_for_room()?;
        Ok(copying)
    }

    fn frame(&mut self, kind: Kind, parts: &[&[u8]]) -> Result<(), BackupError> {
        self.out.frame(kind, parts).map_err(file("write", &self.draft.shown))?;
        if self.out.written - self.looked_at > LOOK_EVERY_BYTES {
            self.looked_at = self.out.written;
            self.look_for_room()?;
        }
        Ok(())
    }

    fn json(&mut self, kind: Kind, value: &impl serde::Serialize) -> Result<(), BackupError> {
        self.out.json(kind, value).map_err(file("write", &self.draft.shown))
    }

    /// A server must not be stopped by its own backup.
    fn look_for_room(&self) -> Result<(), BackupError> {
        let Ok(space) = rustix::fs::fstatvfs(&self.draft.file) else { return Ok(()) };
        let (free, min) =
            (space.f_bavail.saturating_mul(space.f_frsize), self.backups.free_bytes_min);
        if free >= min {
            return Ok(());
        }
        Err(BackupError::Room { path: self.draft.shown.display().to_string(), free, min })
    }

    /// Copies a file as long as it is now; one that is not there is left out.
    fn copy(&mut self, piece: Piece) -> Result<(), BackupError> {
        let path = piece.path(&self.backups.data, &self.backups.media);
        let input = match File::open(&path) {
            Ok(input) => input,
            Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(()),
            Err(problem) => return Err(file("read", &path)(problem)),
        };
        let length = input.metadata().map_err(file("read", &path))?.len();
        self.json(Kind::File, &FileHead { name: piece.to_string() })?;
        let (mut bytes, mut hash) = (0, Context::new(&SHA256));
        let mut input = input.take(length);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = input.read(&mut chunk).map_err(file("read", &path))?;
            if count == 0 {
                break;
            }
            hash.update(&chunk[..count]);
            bytes += count as u64;
            self.frame(Kind::Bytes, &[&chunk[..count]])?;
        }
        self.files += 1;
        self.file_bytes += bytes;
        let sha256 = format::digest(hash).to_string();
        self.json(Kind::FileEnd, &FileTail { bytes, sha256 })
    }

    fn end(mut self, rows: u64) -> Result<(), BackupError> {
        let sha256 = self.out.sha256();
        let (files, file_bytes) = (self.files, self.file_bytes);
        self.json(Kind::Trailer, &Trailer { rows, files, file_bytes, sha256 })?;
        let shown = &self.draft.shown;
        self.out.into_inner().flush().map_err(file("write", shown))?;
        self.draft.file.sync_all().map_err(file("sync", shown))
    }
}

/// Makes a folder for backups, for its owner alone.
fn make_folder(folder: &Path) -> Result<(), BackupError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(file("make the folder", folder))?;
    sync_parent(folder)
}
