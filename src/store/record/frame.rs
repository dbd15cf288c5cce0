//! The bytes of a record: a version byte, three zero bytes, a checksum over the key and the
//! archive, and the archive itself.
//!
//! The key is part of the checksum, so a record that stands under a wrong key is found out.

use super::{Record, from_disk, to_disk, v1};
use crate::store::{Key, StoreError};
use rkyv::rancor;

/// The version this program writes.
const VERSION: u8 = 1;
/// Version, padding and checksum: keeps the archive aligned to eight when the frame is.
const HEADER_BYTES: usize = 8;

/// The frame of a record.
///
/// # Errors
/// `Disk` when it cannot be serialized, which is a mistake of ours.
pub fn encode(key: &[u8], record: &Record) -> Result<Vec<u8>, StoreError> {
    let archive = rkyv::to_bytes::<rancor::Error>(&to_disk::record(record))
        .map_err(|problem| StoreError::Disk { op: "encode", problem: problem.to_string() })?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + archive.len());
    frame.extend_from_slice(&[VERSION, 0, 0, 0]);
    frame.extend_from_slice(&checksum(key, &archive).to_be_bytes());
    frame.extend_from_slice(&archive);
    Ok(frame)
}

/// The record of a frame.
///
/// # Errors
/// `Corrupt`, naming the key, when anything about the bytes does not hold.
pub fn decode(key: &Key, key_bytes: &[u8], frame: &[u8]) -> Result<Record, StoreError> {
    let corrupt = |problem: String| StoreError::Corrupt { key: key.to_string(), problem };
    let (header, archive) = frame
        .split_at_checked(HEADER_BYTES)
        .ok_or_else(|| corrupt(format!("it is {} bytes long, less than a frame", frame.len())))?;
    if header[0] != VERSION {
        let found = header[0];
        return Err(corrupt(format!("it has version {found}; this program knows {VERSION}")));
    }
    let stored = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    if stored != checksum(key_bytes, archive) {
        return Err(corrupt("its checksum does not match its bytes".to_owned()));
    }
    let mut aligned = rkyv::util::AlignedVec::<16>::with_capacity(archive.len());
    aligned.extend_from_slice(archive);
    let disk = rkyv::from_bytes::<v1::Record, rancor::Error>(&aligned)
        .map_err(|problem| corrupt(format!("its archive does not hold: {problem}")))?;
    let record = from_disk::record(disk).map_err(corrupt)?;
    if !record.fits(key) {
        return Err(corrupt("it is a record of another kind".to_owned()));
    }
    Ok(record)
}

fn checksum(key: &[u8], archive: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[VERSION]);
    hasher.update(key);
    hasher.update(archive);
    hasher.finalize()
}
