//! Reading a backup from end to end.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ring::digest::{Context, SHA256};

use super::format::{self, FileHead, FileTail, Header, Kind, Reader, Trailer};
use super::media::MediaNamed;
use super::piece::Piece;
use super::{BackupError, file};
use crate::store::{FORMAT, Finding, Framed, Key};

/// Bytes read from the disk at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What is done with what a backup holds.
pub(super) trait Taker {
    /// A record; they come in the order of their keys.
    fn row(&mut self, framed: Framed) -> Result<(), BackupError>;
    /// A file begins.
    fn file(&mut self, piece: Piece) -> Result<(), BackupError>;
    /// More of it.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError>;
    /// It ends; `sound` says that it is what its name says.
    fn file_end(&mut self, sound: bool) -> Result<(), BackupError>;
}

/// Takes everything and keeps nothing: for a look at whether it is all there.
pub(super) struct Nothing;

impl Taker for Nothing {
    fn row(&mut self, _framed: Framed) -> Result<(), BackupError> {
        Ok(())
    }
    fn file(&mut self, _piece: Piece) -> Result<(), BackupError> {
        Ok(())
    }
    fn bytes(&mut self, _bytes: &[u8]) -> Result<(), BackupError> {
        Ok(())
    }
    fn file_end(&mut self, _sound: bool) -> Result<(), BackupError> {
        Ok(())
    }
}

/// What a sound backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub header: Header,
    /// Records.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Bytes of these.
    pub file_bytes: u64,
    /// Bytes of the whole.
    pub bytes: u64,
    /// Media that must be there and are not.
    pub missing: Vec<Finding>,
}

/// A reader behind the first line, and the header.
pub(super) fn open(path: &Path) -> Result<(Reader<BufReader<File>>, Header), BackupError> {
    let input = File::open(path).map_err(file("open", path))?;
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, input), path)?;
    let (kind, payload) = reader.frame()?;
    if kind != Kind::Header {
        return Err(reader.damaged("it does not begin with its header"));
    }
    let header: Header = reader.parse(&payload)?;
    if header.store_format > FORMAT {
        let (found, known) = (header.store_format, FORMAT);
        let path = path.display().to_string();
        return Err(BackupError::TooNew { path, what: "store format", found, known });
    }
    Ok((reader, header))
}

/// Reads everything, checks it and hands it on.
pub(super) fn read(path: &Path, taker: &mut dyn Taker) -> Result<Contents, BackupError> {
    let (mut reader, header) = open(path)?;
    let mut walk = Walk { taker, last: None, media: MediaNamed::default(), there: BTreeSet::new() };
    let (mut rows, mut files, mut file_bytes) = (0, 0, 0);
    loop {
        let (kind, payload) = reader.frame()?;
        match kind {
            Kind::Row if files == 0 => {
                walk.row(&reader, payload)?;
                rows += 1;
            }
            Kind::File => {
                file_bytes += walk.file(&mut reader, &payload)?;
                files += 1;
            }
            Kind::Trailer => {
                let trailer: Trailer = reader.parse(&payload)?;
                let own = Trailer { rows, files, file_bytes, sha256: reader.sha256_before() };
                if trailer != own {
                    return Err(reader.damaged("its end does not sum up what stands before it"));
                }
                let bytes = reader.end()?;
                let missing = walk.media.missing(&walk.there);
                return Ok(Contents { header, rows, files, file_bytes, bytes, missing });
            }
            Kind::Header | Kind::Row | Kind::Bytes | Kind::FileEnd => {
                return Err(reader.damaged(&format!("a frame of kind {kind:?} stands out of turn")));
            }
        }
    }
}

struct Walk<'a> {
    taker: &'a mut dyn Taker,
    last: Option<Vec<u8>>,
    media: MediaNamed,
    there: BTreeSet<crate::model::Digest>,
}

impl Walk<'_> {
    fn row(
        &mut self,
        reader: &Reader<BufReader<File>>,
        payload: Vec<u8>,
    ) -> Result<(), BackupError> {
        let parts = payload.split_first_chunk::<2>().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        let Some((key, frame)) = parts else { return Err(reader.damaged("a record has no key")) };
        if self.last.as_deref().is_some_and(|last| last >= key) {
            return Err(reader.damaged("the records are not in order"));
        }
        let framed = Framed::read(key, frame.to_vec())?;
        if framed.key == Key::Meta {
            return Err(reader.damaged("it holds the store's own record"));
        }
        self.last = Some(key.to_vec());
        self.media.take(&framed);
        self.taker.row(framed)
    }

    fn file(
        &mut self,
        reader: &mut Reader<BufReader<File>>,
        payload: &[u8],
    ) -> Result<u64, BackupError> {
        let head: FileHead = reader.parse(payload)?;
        let Ok(piece) = head.name.parse::<Piece>() else {
            return Err(reader.damaged(&format!("no file is called {:?}", head.name)));
        };
        self.taker.file(piece)?;
        let (mut bytes, mut hash) = (0, Context::new(&SHA256));
        loop {
            let (kind, payload) = reader.frame()?;
            match kind {
                Kind::Bytes => {
                    bytes += payload.len() as u64;
                    hash.update(&payload);
                    self.taker.bytes(&payload)?;
                }
                Kind::FileEnd => {
                    let tail: FileTail = reader.parse(&payload)?;
                    let digest = format::digest(hash);
                    if tail != (FileTail { bytes, sha256: digest.to_string() }) {
                        return Err(reader.damaged(&format!("{piece} is not what it was")));
                    }
                    // Media that was spoilt before the backup was made is kept by no name.
                    let sound = !matches!(piece, Piece::Media(name) if name != digest);
                    if let (Piece::Media(_), true) = (piece, sound) {
                        self.there.insert(digest);
                    }
                    self.taker.file_end(sound)?;
                    return Ok(bytes);
                }
                Kind::Header | Kind::Row | Kind::File | Kind::Trailer => {
                    return Err(reader.damaged(&format!("{piece} has no end")));
                }
            }
        }
    }
}
