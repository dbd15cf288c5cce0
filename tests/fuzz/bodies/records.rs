//! Stored bytes under any key: keys, rows, frames of every version, archives.
//!
//! An input is the length of a key, the key, and what is stored there: a frame without its
//! checksum, which is put in, so that what is behind it is reached. A key of length 0 stands for
//! the store's own, with a whole row under it, checksum and all.

use std::hint::black_box;

use fanfare::store::{Key, Memory, Order, Store, StoreError, decode_record, encode_record, verify};

use super::cut::Cut;

/// See `ALL`.
pub fn run(input: &[u8]) {
    let mut cut = Cut::new(input);
    match usize::from(cut.byte()) {
        0 => row(cut.rest()),
        length => {
            let rest = cut.rest();
            let (key, stored) = rest.split_at(length.min(rest.len()));
            frame(key, stored);
        }
    }
}

fn frame(key: &[u8], stored: &[u8]) {
    let Some(known) = Key::decode(key) else { return };
    assert_eq!(known.encode(), key, "{known:?}");
    black_box(known.to_string());
    let Some((version, archive)) = stored.split_first() else { return };
    let mut summed = crc32fast::Hasher::new();
    for part in [&[*version], key, archive] {
        summed.update(part);
    }
    let sum = summed.finalize().to_le_bytes();
    let frame = [&[*version], sum.as_slice(), archive].concat();
    let record = match decode_record(&known, &frame) {
        Ok(record) => record,
        Err(StoreError::Corrupt { key, .. }) => return assert_eq!(key, known.to_string()),
        Err(StoreError::TooNew { found, .. }) => return assert_eq!(found, u32::from(*version)),
        Err(other) => panic!("{other}"),
    };
    assert!(record.fits(&known), "{record:?} under {known:?}");
    let again = decode_record(&known, &encode_record(&known, &record));
    assert_eq!(again.as_ref(), Ok(&record), "{known:?}");
}

/// A row that a bad disk left under the store's own key: it may be a frame, or name parts and files
/// that are not there.
fn row(bytes: &[u8]) {
    let store = Memory::new();
    store.begin_epoch().expect("memory");
    store.damage(&Key::Meta, |row| *row = bytes.to_vec());
    let got = store.get(&Key::Meta);
    let sound = matches!(got, Ok(Some(_)));
    let scanned = store.scan(&Key::Meta, &Key::LAST_NOTICE, Order::Ascending, 10);
    assert_eq!(scanned.is_ok(), sound, "{got:?} {scanned:?}");
    let report = verify(&store);
    let found = report.map_or(true, |report| !report.findings.is_empty());
    assert!(found || sound, "{got:?} goes unseen");
    black_box(store.begin_epoch().is_ok());
}
