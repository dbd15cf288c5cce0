//! The files of a data folder that go along, and where each lies.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::media::Media;
use crate::model::Digest;

/// A file that goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// What credentials are sealed with.
    SecretKey,
    /// The first API key, where it is still kept.
    InitialKey,
    /// What landed on the sandbox.
    Landings,
    /// The bytes of uploads and attachments, under their SHA-256.
    Media(Digest),
}

/// The files that are not media.
pub(super) const SMALL: [Piece; 3] = [Piece::SecretKey, Piece::InitialKey, Piece::Landings];

impl Piece {
    /// Where it lies in a data folder.
    pub(super) fn path(self, data: &Path, media: &Media) -> PathBuf {
        match self {
            Self::SecretKey => data.join("secret-key"),
            Self::InitialKey => data.join("initial-key"),
            Self::Landings => data.join("sandbox").join("landings.log"),
            Self::Media(digest) => media.path(&digest),
        }
    }
}

impl fmt::Display for Piece {
    /// Its name in a backup.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretKey => f.write_str("secret-key"),
            Self::InitialKey => f.write_str("initial-key"),
            Self::Landings => f.write_str("sandbox/landings.log"),
            Self::Media(digest) => write!(f, "media/{digest}"),
        }
    }
}

impl FromStr for Piece {
    type Err = ();

    /// The piece of a name; no other name is ever made into a path.
    fn from_str(name: &str) -> Result<Self, ()> {
        if let Some(digest) = name.strip_prefix("media/") {
            return digest.parse().map(Self::Media).map_err(drop);
        }
        SMALL.into_iter().find(|piece| piece.to_string() == name).ok_or(())
    }
}
