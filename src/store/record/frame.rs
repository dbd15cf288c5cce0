//! The frame around a stored record: a version byte, a checksum, the archive.
//!
//! The checksum covers the version, the key and the archive, so a record under a wrong key is as
//! wrong as a flipped bit.

use rkyv::util::AlignedVec;

use super::{Key, Record, v1, v2, v3};
use crate::store::StoreError;

/// The newest version; those above it belong to newer programs.
const VERSION: u8 = 3;
const HEADER_BYTES: usize = 5;

/// The frame of `record` under `key`.
///
/// # Panics
/// When the record is not of the kind its key says: a mistake of the caller.
pub fn encode(key: &Key, record: &Record) -> Vec<u8> {
    encode_at(key, &key.encode(), record)
}

/// The frame of `record` under `key`, whose bytes are known already.
pub(in crate::store) fn encode_at(key: &Key, bytes: &[u8], record: &Record) -> Vec<u8> {
    assert!(record.fits(key), "a record of another kind under {key}");
    let newest = v3::archive(record).map(|archive| (3, archive));
    let written = newest
        .or_else(|| v2::archive(record).map(|archive| (2, archive)))
        .or_else(|| v1::archive(record).map(|archive| (1, archive)));
    let (version, archive) = written.expect("every kind of record has a version that writes it");
    let mut frame = Vec::with_capacity(HEADER_BYTES + archive.len());
    frame.push(version);
    frame.extend_from_slice(&checksum(version, bytes, &archive).to_le_bytes());
    frame.extend_from_slice(&archive);
    frame
}

/// The record in a frame found under `key`.
///
/// # Errors
/// `Corrupt` when anything about it is not as written; `TooNew` when a newer program wrote it.
pub fn decode(key: &Key, frame: &[u8]) -> Result<Record, StoreError> {
    decode_at(key, &key.encode(), frame)
}

/// The record in a frame found under `key`, whose bytes are known already.
pub(in crate::store) fn decode_at(
    key: &Key,
    bytes: &[u8],
    frame: &[u8],
) -> Result<Record, StoreError> {
    let corrupt = |problem: String| StoreError::Corrupt { key: key.to_string(), problem };
    let Some((header, archive)) = frame.split_first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt(format!("{} bytes are too few for a record", frame.len())));
    };
    let [version, sum @ ..] = *header;
    if checksum(version, bytes, archive) != u32::from_le_bytes(sum) {
        return Err(corrupt("its checksum does not match its bytes and its key".to_owned()));
    }
    if version > VERSION {
        return Err(StoreError::TooNew { found: version.into(), known: VERSION.into() });
    }
    // rkyv reads in place and wants alignment; values lie at any offset.
    let mut aligned = AlignedVec::with_capacity(archive.len());
    aligned.extend_from_slice(archive);
    match version {
        1 => v1::restore(key, &aligned).map_err(|unfit| corrupt(unfit.0)),
        2 => v2::restore(key, &aligned).map_err(|unfit| corrupt(unfit.0)),
        3 => v3::restore(key, &aligned).map_err(|unfit| corrupt(unfit.0)),
        other => Err(corrupt(format!("no program ever wrote version {other}"))),
    }
}

fn checksum(version: u8, key: &[u8], archive: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(key);
    hasher.update(archive);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{BatchId, TargetIx};
    use crate::store::record::golden::rich_rows;
    use crate::store::samples::any_row;

    proptest! {
        #[test]
        fn every_record_survives_its_frame((key, record) in any_row()) {
            prop_assert_eq!(decode(&key, &encode(&key, &record)), Ok(record));
        }

        #[test]
        fn garbage_is_refused_and_never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            (key, _) in any_row(),
            version in 0u8..=VERSION,
        ) {
            prop_assert!(decode(&key, &bytes).is_err());
            // With a good checksum in front, the layout check stands alone.
            let mut sealed = vec![version];
            sealed.extend_from_slice(&checksum(version, &key.encode(), &bytes).to_le_bytes());
            sealed.extend_from_slice(&bytes);
            match decode(&key, &sealed) {
                Ok(record) => prop_assert!(record.fits(&key)),
                Err(StoreError::Corrupt { key: named, .. }) => {
                    prop_assert_eq!(named, key.to_string());
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for (name, key, record) in rich_rows() {
            let frame = encode(&key, &record);
            for at in 0..frame.len() {
                let mut flipped = frame.clone();
                flipped[at] ^= 1 << (at % 8);
                let got = decode(&key, &flipped);
                assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{name} {at}: {got:?}");
                assert!(decode(&key, &frame[..at]).is_err(), "{name} cut at {at}");
            }
        }
    }

    #[test]
    fn a_record_under_another_key_of_its_kind_is_corrupt() {
        let batch = BatchId::from_raw(7);
        let (_, key, record) = rich_rows()
            .into_iter()
            .find(|(_, key, _)| matches!(key, Key::Target(..)))
            .expect("a sample target");
        let frame = encode(&key, &record);
        let elsewhere = Key::Target(batch, TargetIx(1));
        let error = decode(&elsewhere, &frame).expect_err("a stranger");
        assert!(error.to_string().contains(&elsewhere.to_string()), "{error}");
    }

    #[test]
    fn a_newer_version_says_so() {
        let mut frame = vec![VERSION + 1, 0, 0, 0, 0, 9, 9];
        let sum = checksum(VERSION + 1, &Key::Meta.encode(), &[9, 9]);
        frame[1..5].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(decode(&Key::Meta, &frame), Err(StoreError::TooNew { found: 4, known: 3 }));
    }
}
