//! The file: a first line, frames, and an end that sums everything up.
//!
//! ```text
//! fanfare backup 1⏎
//! frame   kind u8 · number u64 · length u32 · payload · CRC-32 of all of these u32   (big-endian)
//! order   Header, Row…, (File, Bytes…, FileEnd)…, Trailer, and then nothing
//! ```
//!
//! Frames are numbered from 0 without a gap. Rows come in the order of their keys. The trailer
//! counts what there was and holds the SHA-256 of every byte before it, so whatever is cut,
//! changed, left out or put in is found.

use std::io::{Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{BackupError, file};
use crate::model::Digest;

/// The version of this format.
pub(super) const VERSION: u32 = 1;
/// How the first line begins; the version and a line feed follow.
const MAGIC: &str = "fanfare backup ";
/// Digits of a version and the line feed.
const VERSION_BYTES_MAX: usize = 6;
/// Kind, number and length of a frame.
const HEAD_BYTES: usize = 13;
/// Bytes of a payload: above the largest record and its key.
const PAYLOAD_BYTES_MAX: usize = 9 << 20;
/// Bytes of a file in one frame.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header,
    Row,
    File,
    Bytes,
    FileEnd,
    Trailer,
}

// The bytes of the kinds. Never renumber one.
const KINDS: [(u8, Kind); 6] = [
    (1, Kind::Header),
    (2, Kind::Row),
    (3, Kind::File),
    (4, Kind::Bytes),
    (5, Kind::FileEnd),
    (6, Kind::Trailer),
];

impl Kind {
    fn byte(self) -> u8 {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or(0, |(byte, _)| *byte)
    }

    fn of(byte: u8) -> Option<Self> {
        KINDS.iter().find(|(known, _)| *known == byte).map(|(_, kind)| *kind)
    }
}

/// What a backup says of itself at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// The version of the program that made it.
    pub program: String,
    /// The format of the store.
    pub store_format: u32,
    /// Which server it is of.
    pub instance: String,
    /// Which instant it shows, in milliseconds after 1970.
    pub created_at_ms: i64,
    /// The process life that wrote then.
    pub epoch: u64,
    /// Whether the secret key is in it; else it is in the environment of the server.
    pub has_secret_key: bool,
}

/// What a backup says of itself at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trailer {
    pub rows: u64,
    pub files: u64,
    pub file_bytes: u64,
    pub sha256: String,
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileHead {
    pub name: String,
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileTail {
    pub bytes: u64,
    pub sha256: String,
}

/// Writes frames.
pub(super) struct Writer<W> {
    out: W,
    number: u64,
    hash: Context,
    /// Bytes written.
    pub written: u64,
}

impl<W: Write> Writer<W> {
    /// A writer that has written the first line.
    pub(super) fn new(out: W) -> std::io::Result<Self> {
        let mut writer = Self { out, number: 0, hash: Context::new(&SHA256), written: 0 };
        writer.put(format!("{MAGIC}{VERSION}\n").as_bytes())?;
        Ok(writer)
    }

    /// Writes a frame whose payload is the parts one after the other.
    pub(super) fn frame(&mut self, kind: Kind, parts: &[&[u8]]) -> std::io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).map_err(std::io::Error::other)?;
        let head = head(kind.byte(), self.number, length);
        let mut sum = crc32fast::Hasher::new();
        for part in std::iter::once(&head[..]).chain(parts.iter().copied()) {
            sum.update(part);
            self.put(part)?;
        }
        self.number += 1;
        self.put(&sum.finalize().to_be_bytes())
    }

    /// As `frame`, with a payload of JSON.
    pub(super) fn json(&mut self, kind: Kind, value: &impl Serialize) -> std::io::Result<()> {
        self.frame(kind, &[&serde_json::to_vec(value)?])
    }

    /// What has been written so far, as the trailer names it.
    pub(super) fn sha256(&self) -> String {
        digest(self.hash.clone()).to_string()
    }

    /// The end: gives back what was written to.
    pub(super) fn into_inner(self) -> W {
        self.out
    }

    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn head(kind: u8, number: u64, length: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[0] = kind;
    head[1..9].copy_from_slice(&number.to_be_bytes());
    head[9..].copy_from_slice(&length.to_be_bytes());
    head
}

/// The SHA-256 that a context has come to.
pub(super) fn digest(context: Context) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}

/// Reads frames.
pub(super) struct Reader<R> {
    input: R,
    path: String,
    number: u64,
    at: u64,
    hash: Context,
    /// The hash of what stands before the frame at hand.
    before: Context,
}

impl<R: Read> Reader<R> {
    /// A reader that has read the first line.
    pub(super) fn new(input: R, path: &Path) -> Result<Self, BackupError> {
        let path = path.display().to_string();
        let hash = Context::new(&SHA256);
        let mut reader = Self { input, path, number: 0, at: 0, before: hash.clone(), hash };
        let foreign = |reader: &Self| BackupError::Foreign { path: reader.path.clone() };
        let mut magic = [0; MAGIC.len()];
        if !reader.fill(&mut magic)? || magic != *MAGIC.as_bytes() {
            return Err(foreign(&reader));
        }
        let mut text = String::new();
        let mut byte = [0];
        while text.len() <= VERSION_BYTES_MAX && reader.fill(&mut byte)? && byte != *b"\n" {
            text.push(char::from(byte[0]));
        }
        match text.parse() {
            Ok(VERSION) if byte == *b"\n" => Ok(reader),
            Ok(found) if found > VERSION => {
                let (path, known) = (reader.path, VERSION);
                Err(BackupError::TooNew { path, what: "format", found, known })
            }
            _ => Err(foreign(&reader)),
        }
    }

    /// The next frame.
    pub(super) fn frame(&mut self) -> Result<(Kind, Vec<u8>), BackupError> {
        self.before = self.hash.clone();
        let mut head_read = [0; HEAD_BYTES];
        self.exact(&mut head_read)?;
        let (kind, rest) = (head_read[0], &head_read[1..]);
        let (number, length) = rest.split_at(8);
        let number = u64::from_be_bytes(number.try_into().unwrap_or_default());
        let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(self.damaged("a frame is longer than any can be"));
        }
        let mut payload = vec![0; bytes];
        self.exact(&mut payload)?;
        let mut sum = [0; 4];
        self.exact(&mut sum)?;
        let mut own = crc32fast::Hasher::new();
        own.update(&head_read);
        own.update(&payload);
        if own.finalize() != u32::from_be_bytes(sum) {
            return Err(self.damaged("a checksum does not match its frame"));
        }
        if number != self.number {
            return Err(self.damaged(&format!("frame {number} stands where {} must", self.number)));
        }
        self.number += 1;
        match Kind::of(kind) {
            Some(kind) => Ok((kind, payload)),
            None => Err(self.damaged(&format!("no frame is of kind {kind}"))),
        }
    }

    /// The SHA-256 of everything before the frame read last.
    pub(super) fn sha256_before(&self) -> String {
        digest(self.before.clone()).to_string()
    }

    /// That nothing comes after the trailer.
    pub(super) fn end(mut self) -> Result<u64, BackupError> {
        let mut more = [0];
        let at = self.at;
        if self.fill(&mut more)? {
            Err(self.damaged("something stands behind its end"))
        } else {
            Ok(at)
        }
    }

    /// The payload of a frame, which is JSON.
    pub(super) fn parse<T: for<'a> Deserialize<'a>>(
        &self,
        payload: &[u8],
    ) -> Result<T, BackupError> {
        let read = serde_json::from_slice(payload);
        read.map_err(|problem| {
            self.damaged(&format!("a frame does not say what it must: {problem}"))
        })
    }

    /// What is wrong, here.
    pub(super) fn damaged(&self, problem: &str) -> BackupError {
        let problem = problem.to_owned();
        BackupError::Damaged { path: self.path.clone(), at: self.at, problem }
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), BackupError> {
        if self.fill(buffer)? { Ok(()) } else { Err(self.damaged("it ends too early")) }
    }

    /// Fills the buffer; false when the file ends before.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, BackupError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.hash.update(buffer);
                self.at += buffer.len() as u64;
                Ok(true)
            }
            Err(problem) if problem.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(problem) => Err(file("read", Path::new(&self.path))(problem)),
        }
    }
}
