//! Frames too large for one commit, as files named by their SHA-256.
//!
//! A file is complete and durable before a commit names it, and goes only after a durable commit
//! has stopped naming it. In between a crash may leave a file nobody names: `sweep` removes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::file::sync_folder;
use super::guard::io;
use crate::model::Digest;
use crate::store::StoreError;

/// The folder `spill`.
#[derive(Debug)]
pub(super) struct SpillFolder {
    folder: PathBuf,
}

impl SpillFolder {
    /// The folder `spill` in the store's folder, made where there is none.
    pub(super) fn open(store: &Path) -> Result<Self, StoreError> {
        let folder = store.join("spill");
        std::fs::create_dir_all(&folder).map_err(io("create the spill folder"))?;
        Ok(Self { folder })
    }

    /// Writes the files that are not there yet and makes them durable.
    pub(super) fn write(&self, files: &BTreeMap<Digest, Vec<u8>>) -> Result<(), StoreError> {
        if files.is_empty() {
            return Ok(());
        }
        for (digest, bytes) in files {
            let path = self.path(digest);
            if path.exists() {
                continue;
            }
            self.write_one(&path, bytes).map_err(io("write a spill file"))?;
        }
        sync_folder(&self.folder)
    }

    fn write_one(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let draft = path.with_extension("draft");
        let mut file = File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(draft, path)
    }

    /// The content of a file, if it is there.
    pub(super) fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        match std::fs::read(self.path(digest)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io("read a spill file")(error)),
        }
    }

    /// Removes a file, if it can.
    pub(super) fn remove(&self, digest: &Digest) {
        // What stays is swept at the next start.
        drop(std::fs::remove_file(self.path(digest)));
    }

    /// Removes every file of ours that no record names.
    pub(super) fn sweep(
        &self,
        is_named: impl Fn(&Digest) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for entry in std::fs::read_dir(&self.folder).map_err(io("sweep the spill folder"))? {
            let path = entry.map_err(io("sweep the spill folder"))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let unused = match name.parse() {
                Ok(digest) => !is_named(&digest)?,
                // What else lies here is not ours.
                Err(_) => name.ends_with(".draft"),
            };
            if unused {
                std::fs::remove_file(&path).map_err(io("sweep the spill folder"))?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }
}
