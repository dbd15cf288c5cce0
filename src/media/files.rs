//! The folder of media.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::model::{Dice, Digest, Timestamp};
use crate::platforms::MediaFacts;

/// Bytes of a file's start that tell its type and, for images, its size.
const HEAD_BYTES: u64 = 256 * 1_024;
/// The type of what is not known.
const UNKNOWN_MIME: &str = "application/octet-stream";
/// The folder of what is being written.
const INCOMING: &str = "incoming";

/// Why bytes were not kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{op} media: {problem}")]
pub struct MediaError {
    /// What was being done.
    op: &'static str,
    /// What the system said.
    problem: std::io::Error,
}

impl MediaError {
    /// Whether what was to be read is not there.
    pub fn is_missing(&self) -> bool {
        self.op == "read" && self.problem.kind() == ErrorKind::NotFound
    }
}

fn failed(op: &'static str) -> impl Fn(std::io::Error) -> MediaError {
    move |problem| MediaError { op, problem }
}

/// The folder of media. All calls block; run them off the runtime.
pub struct Media {
    folder: PathBuf,
    dice: Dice,
    /// How many hold on to what there is.
    moving: Mutex<usize>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({})", self.folder.display())
    }
}

/// While it lives, no kept file is removed.
#[derive(Debug)]
pub struct Held<'a> {
    media: &'a Media,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.media.lock() -= 1;
    }
}

/// A file that is being written; it vanishes unless it is adopted.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
}

impl Incoming {
    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After adoption there is nothing at this path any more.
        let _ = fs::remove_file(&self.path);
    }
}

impl Media {
    /// Opens the folder, and clears away what an earlier life left half written.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: PathBuf, dice: Dice) -> Result<Self, MediaError> {
        let incoming = folder.join(INCOMING);
        fs::create_dir_all(&incoming).map_err(failed("open"))?;
        // The name of the folder itself: what is kept beneath it is lost with it.
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        for entry in fs::read_dir(&incoming).map_err(failed("open"))? {
            let path = entry.map_err(failed("open"))?.path();
            fs::remove_file(path).map_err(failed("clear"))?;
        }
        Ok(Self { folder, dice, moving: Mutex::new(0) })
    }

    /// A fresh file to write to.
    pub fn incoming(&self) -> Incoming {
        Incoming { path: self.folder.join(INCOMING).join(format!("{:032x}", (self.dice)())) }
    }

    /// Keeps bytes; keeping them twice is no error.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, MediaError> {
        let incoming = self.incoming();
        let mut file = fs::File::create(incoming.path()).map_err(failed("write"))?;
        file.write_all(bytes).map_err(failed("write"))?;
        drop(file);
        self.adopt(&incoming)
    }

    /// Keeps a written file under the digest of what it holds, durably.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn adopt(&self, incoming: &Incoming) -> Result<Digest, MediaError> {
        let digest = hash(incoming.path())?;
        self.adopt_hashed(incoming, &digest)?;
        Ok(digest)
    }

    /// As `adopt`, for who hashed the file while it was written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn adopt_hashed(&self, incoming: &Incoming, digest: &Digest) -> Result<(), MediaError> {
        let path = self.path(digest);
        let parent = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(failed("write"))?;
        let file = fs::File::open(incoming.path()).map_err(failed("write"))?;
        file.sync_all().map_err(failed("sync"))?;
        // The same bytes may be there already. They are replaced all the same: so the file is young
        // again, and nobody takes it for one that is no longer needed.
        {
            let _whole = self.lock();
            fs::rename(incoming.path(), &path).map_err(failed("write"))?;
        }
        sync_folder(parent)?;
        sync_folder(&self.folder)
    }

    /// The lock under which a file is replaced or removed.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps every file that is there until what this gives is dropped.
    pub fn hold(&self) -> Held<'_> {
        *self.lock() += 1;
        Held { media: self }
    }

    /// The kept files that were written before an instant.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn older(&self, before: Timestamp) -> Result<BTreeSet<Digest>, MediaError> {
        let mut found = BTreeSet::new();
        for shard in entries(&self.folder)? {
            // Files of nobody's and the folder of what is being written have other names.
            if shard.file_name().is_none_or(|name| name.len() != 2) {
                continue;
            }
            for path in entries(&shard)? {
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some(digest) = name.and_then(|name| name.parse().ok())
                    && is_older(&path, before)?
                {
                    found.insert(digest);
                }
            }
        }
        Ok(found)
    }

    /// Removes the bytes of a digest, unless they were written at an instant or later, or somebody
    /// holds on to what there is. Whether they were removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, digest: &Digest, before: Timestamp) -> Result<bool, MediaError> {
        let path = self.path(digest);
        let holders = self.lock();
        if *holders > 0 || !is_older(&path, before)? {
            return Ok(false);
        }
        fs::remove_file(&path).map_err(failed("remove"))?;
        Ok(true)
    }

    /// Removes what was being written and has stood still since before an instant; how many.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_stale(&self, before: Timestamp) -> Result<usize, MediaError> {
        let mut removed = 0;
        for path in entries(&self.folder.join(INCOMING))? {
            if is_older(&path, before)? {
                fs::remove_file(&path).map_err(failed("remove"))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Where the bytes of a digest are.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// What is known of kept bytes.
    ///
    /// # Errors
    /// When they are not there or cannot be read.
    pub fn facts(&self, digest: &Digest) -> Result<MediaFacts, MediaError> {
        let path = self.path(digest);
        let file = fs::File::open(&path).map_err(failed("read"))?;
        let bytes = file.metadata().map_err(failed("read"))?.len();
        let mut head = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut head).map_err(failed("read"))?;
        let mime = infer::get(&head).map_or(UNKNOWN_MIME, |kind| kind.mime_type());
        let dimensions = imagesize::blob_size(&head).ok().and_then(|size| {
            Some((u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?))
        });
        Ok(MediaFacts { digest: *digest, bytes, mime: mime.to_owned(), dimensions })
    }
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> Result<(), MediaError> {
    // The parent of a relative path of one part is where the process stands.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync"))
}

/// What lies in a folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, MediaError> {
    let found = fs::read_dir(folder).map_err(failed("list"))?;
    found.map(|entry| Ok(entry.map_err(failed("list"))?.path())).collect()
}

/// Whether a file was last written before an instant; not, when it is gone or its age is not told.
fn is_older(path: &Path, before: Timestamp) -> Result<bool, MediaError> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(false),
        Err(problem) => return Err(failed("read")(problem)),
    };
    let Ok(written) = meta.modified() else { return Ok(false) };
    let before = u64::try_from(before.as_millis()).unwrap_or(0);
    Ok(meta.is_file() && written < SystemTime::UNIX_EPOCH + Duration::from_millis(before))
}

fn hash(path: &Path) -> Result<Digest, MediaError> {
    let mut file = fs::File::open(path).map_err(failed("read"))?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        match file.read(&mut buffer).map_err(failed("read"))? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Ok(Digest(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn bytes_are_kept_once_under_what_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = AtomicU64::new(0);
        let dice: Dice = Arc::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed)));
        let open = || Media::open(folder.path().join("media"), Arc::clone(&dice));
        let media = open().expect("it opens");
        // The smallest PNG header: signature and IHDR of 3 by 2 pixels.
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";
        let digest = media.put(png).expect("kept");
        assert_eq!(media.put(png).expect("kept again"), digest);
        let facts = media.facts(&digest).expect("known");
        assert_eq!((facts.mime.as_str(), facts.dimensions), ("image/png", Some((3, 2))));
        assert_eq!(facts.bytes, u64::try_from(png.len()).expect("small"));
        let text = media.put(b"hello").expect("kept");
        assert_eq!(media.facts(&text).expect("known").mime, UNKNOWN_MIME);
        let missing = media.facts(&Digest([0; 32])).expect_err("nothing has this digest");
        assert!(missing.is_missing());
        let stray = media.incoming();
        fs::write(stray.path(), b"half").expect("written");
        std::mem::forget(stray);
        drop(open().expect("it opens again"));
        let left = fs::read_dir(folder.path().join("media/incoming")).expect("a folder").count();
        assert_eq!(left, 0, "what was half written is gone");
    }

    #[test]
    fn only_what_is_old_is_removed_and_keeping_makes_young() {
        let folder = tempfile::tempdir().expect("a folder");
        let dice: Dice = Arc::new(|| 1);
        let media = Media::open(folder.path().join("media"), dice).expect("it opens");
        let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let limit = Timestamp::from_millis(1_000);
        let age = |path: &Path, ms: u64| {
            let file = fs::File::options().append(true).open(path).expect("it is there");
            file.set_modified(at(ms)).expect("it is ours");
        };
        let (old, young) = (media.put(b"old").expect("kept"), media.put(b"young").expect("kept"));
        age(&media.path(&old), 999);
        age(&media.path(&young), 1_000);
        assert_eq!(media.older(limit).expect("listed"), BTreeSet::from([old]));
        assert!(!media.remove(&young, limit).expect("looked at"));
        assert!(!media.remove(&Digest([0; 32]), limit).expect("nothing there"));
        // Kept again between the listing and the removal.
        media.put(b"old").expect("kept again");
        assert!(!media.remove(&old, limit).expect("looked at"));
        age(&media.path(&old), 0);
        let (one, other) = (media.hold(), media.hold());
        drop(one);
        assert!(!media.remove(&old, limit).expect("looked at"), "somebody holds on to it");
        drop(other);
        assert!(media.remove(&old, limit).expect("removed"));
        assert!(media.facts(&old).expect_err("gone").is_missing());
        let stray = media.incoming();
        fs::write(stray.path(), b"half").expect("written");
        assert_eq!(media.remove_stale(limit).expect("looked at"), 0);
        age(stray.path(), 999);
        assert_eq!(media.remove_stale(limit).expect("removed"), 1);
        assert!(!stray.path().exists());
    }
}
