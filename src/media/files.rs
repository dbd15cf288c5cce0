//! The folder of media.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::model::{Dice, Digest, MediaId};
use crate::platforms::MediaFacts;

/// Bytes of a file's start that tell its type and, for images, its size.
const HEAD_BYTES: u64 = 256 * 1_024;
/// The type of what is not known.
const UNKNOWN_MIME: &str = "application/octet-stream";

/// Why bytes were not kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{op} media: {problem}")]
pub struct MediaError {
    /// What was being done.
    op: &'static str,
    /// What the system said.
    problem: std::io::Error,
}

fn failed(op: &'static str) -> impl Fn(std::io::Error) -> MediaError {
    move |problem| MediaError { op, problem }
}

/// The folder of media. All calls block; run them off the runtime.
pub struct Media {
    folder: PathBuf,
    dice: Dice,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({})", self.folder.display())
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
        let incoming = folder.join("incoming");
        fs::create_dir_all(&incoming).map_err(failed("open"))?;
        for entry in fs::read_dir(&incoming).map_err(failed("open"))? {
            let path = entry.map_err(failed("open"))?.path();
            fs::remove_file(path).map_err(failed("clear"))?;
        }
        Ok(Self { folder, dice })
    }

    /// A fresh file to write to.
    pub fn incoming(&self) -> Incoming {
        Incoming { path: self.folder.join("incoming").join(format!("{:032x}", (self.dice)())) }
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
        let path = self.path(&digest);
        if path.exists() {
            return Ok(digest);
        }
        let parent = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(failed("write"))?;
        let file = fs::File::open(incoming.path()).map_err(failed("write"))?;
        file.sync_all().map_err(failed("sync"))?;
        fs::rename(incoming.path(), &path).map_err(failed("write"))?;
        for folder in [parent, &self.folder] {
            let folder = fs::File::open(folder).map_err(failed("sync"))?;
            folder.sync_all().map_err(failed("sync"))?;
        }
        Ok(digest)
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

    /// Whether an upload of this id exists. Uploads come with the media API.
    pub fn knows(&self, _id: &MediaId) -> bool {
        false
    }
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
        assert!(media.facts(&Digest([0; 32])).is_err());
        let stray = media.incoming();
        fs::write(stray.path(), b"half").expect("written");
        std::mem::forget(stray);
        drop(open().expect("it opens again"));
        let left = fs::read_dir(folder.path().join("media/incoming")).expect("a folder").count();
        assert_eq!(left, 0, "what was half written is gone");
    }
}
