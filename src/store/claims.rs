//! Where idempotency records are.
//!
//! Ids of claims have no order: under them alone each record would lie in a place of its own, and
//! cost the tree a leaf to read and to write. So the records lie in the order in which they expire,
//! which is mostly that in which they are made, and their ids are found in memory. What is here is
//! made from the keys there are, and kept with them; nothing of it is stored.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::pack::{BROKEN_PAGE, BROKEN_PAGE_WORDS, Rows};
use super::{Key, Order, Record, StoreError, Write, key};
use crate::model::{Digest, Timestamp};

/// Bytes of an id in a place. Two live ids that begin alike cost a look, no more.
const ID_BYTES: usize = 4;
/// Bytes of an instant in a place: milliseconds up to the year 6429.
const AT_BYTES: usize = 6;
/// The earliest instant of a place.
const EPOCH: i64 = -(1 << (8 * AT_BYTES - 1));

/// How an id begins, and an instant that an id like it is kept under: small, since there are as
/// many as posts a day.
pub(super) type Place = [u8; ID_BYTES + AT_BYTES];

/// All places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClaimIndex(BTreeSet<Place>);

impl ClaimIndex {
    /// The places of all claims among these rows.
    ///
    /// # Errors
    /// `Corrupt` where a page of claims makes no sense; `Disk`.
    pub(super) fn of(rows: &impl Rows) -> Result<Self, StoreError> {
        let (from, to) = key::claims();
        let mut places = Vec::new();
        let bounds = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        rows.visit(bounds.0, bounds.1, Order::Ascending, &mut |key, row| {
            if *row == BROKEN_PAGE {
                let problem = BROKEN_PAGE_WORDS.to_owned();
                return Err(StoreError::Corrupt { key: key::words(key), problem });
            }
            places.extend(place_of(key));
            Ok(true)
        })?;
        Ok(places.into_iter().collect())
    }

    /// The instants that the record of an id may be kept under: nearly always one, or none where
    /// there is no record.
    pub(super) fn find(&self, id: &Digest) -> Vec<Timestamp> {
        let (first, last) = (place(id, EPOCH), place(id, i64::MAX));
        self.0.range(first..=last).map(instant).collect()
    }

    /// Follows a commit; `rows` are those after it.
    pub(super) fn follow(&mut self, rows: &impl Rows, writes: &[Write]) -> Result<(), StoreError> {
        for write in writes {
            let Key::Claim(at, id) = write.key() else { continue };
            let place = place(id, at.as_millis());
            if !matches!(write, Write::Delete(_)) || is_taken(rows, &place, *at)? {
                self.0.insert(place);
            } else {
                self.0.remove(&place);
            }
        }
        Ok(())
    }
}

impl FromIterator<Place> for ClaimIndex {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

/// The place of a claim's key; `None` of any other key.
pub(super) fn place_of(bytes: &[u8]) -> Option<Place> {
    // Most keys are none of these, and this is asked of every one there is.
    if !bytes.starts_with(&key::claims().0) {
        return None;
    }
    match Key::decode(bytes) {
        Some(Key::Claim(at, id)) => Some(place(&id, at.as_millis())),
        _ => None,
    }
}

/// Whether any id with this place is kept under this instant.
fn is_taken(rows: &impl Rows, place: &Place, at: Timestamp) -> Result<bool, StoreError> {
    let end = |fill| {
        let mut id = [fill; 32];
        id[..ID_BYTES].copy_from_slice(&place[..ID_BYTES]);
        Key::Claim(at, Digest(id)).encode()
    };
    let (first, last) = (end(0), end(u8::MAX));
    let bounds = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
    let mut taken = false;
    rows.visit(bounds.0, bounds.1, Order::Ascending, &mut |_, _| {
        taken = true;
        Ok(false)
    })?;
    Ok(taken)
}

fn place(id: &Digest, at: i64) -> Place {
    let mut place = [0; ID_BYTES + AT_BYTES];
    place[..ID_BYTES].copy_from_slice(&id.0[..ID_BYTES]);
    let at = at.clamp(EPOCH, -EPOCH - 1) - EPOCH;
    place[ID_BYTES..].copy_from_slice(&at.to_be_bytes()[8 - AT_BYTES..]);
    place
}

fn instant(place: &Place) -> Timestamp {
    let mut at = [0; 8];
    at[8 - AT_BYTES..].copy_from_slice(&place[ID_BYTES..]);
    Timestamp::from_millis(i64::from_be_bytes(at) + EPOCH)
}

/// The key that a record is kept under now, where an older program kept it under this one; `None`
/// where it is kept no more.
pub fn key_now(key: Key, record: &Record) -> Option<Key> {
    match (key, record) {
        (Key::OldClaim(id), Record::Claim(claim)) => Some(Key::Claim(claim.expires_at, id)),
        (Key::ClaimExpiry(..), _) => None,
        (key, _) => Some(key),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::BatchId;
    use crate::store::{ClaimRecord, ClaimState, Memory, Store};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn claim(expires_at: Timestamp) -> ClaimRecord {
        ClaimRecord {
            fingerprint: Digest([1; 32]),
            created_at: at(0),
            expires_at,
            batch: Some(BatchId::from_raw(1)),
            state: ClaimState::Running,
        }
    }

    fn put(ms: i64, id: Digest) -> Write {
        Write::Put(Key::Claim(at(ms), id), Record::Claim(claim(at(ms))))
    }

    /// Ids of which many begin alike.
    fn any_id() -> impl Strategy<Value = Digest> {
        (0u8..3, 0u8..3).prop_map(|(first, last)| {
            let mut id = [first; 32];
            id[31] = last;
            Digest(id)
        })
    }

    proptest! {
        #[test]
        fn every_claim_is_found_and_nothing_else(
            steps in proptest::collection::vec((any_id(), -2i64..3, any::<bool>()), 1..40),
            crash in 0usize..40,
        ) {
            let mut store = Memory::new();
            let epoch = store.begin_epoch().expect("memory");
            let mut there = std::collections::BTreeMap::new();
            for (n, (id, ms, makes)) in steps.into_iter().enumerate() {
                // From here on it is kept, not made anew.
                let known = store.claim(&id).expect("sound").map(|(key, _)| key);
                prop_assert_eq!(known, there.get(&id).map(|ms| Key::Claim(at(*ms), id)));
                let mut writes: Vec<Write> = known.into_iter().map(Write::Delete).collect();
                there.remove(&id);
                if makes {
                    writes.push(put(ms, id));
                    there.insert(id, ms);
                }
                store.commit(epoch, &writes).expect("memory");
                store.flush().expect("memory");
                if n == crash {
                    // What a lost commit made is gone, and what it removed is back.
                    let lost = Digest([9; 32]);
                    let gone = there.iter().map(|(id, ms)| Write::Delete(Key::Claim(at(*ms), *id)));
                    let writes: Vec<Write> = gone.chain([put(7, lost)]).collect();
                    store.commit(epoch, &writes).expect("memory");
                    prop_assert!(store.claim(&lost).expect("sound").is_some());
                    store = store.crash(0);
                    for id in there.keys() {
                        prop_assert!(store.claim(id).expect("sound").is_some());
                    }
                    prop_assert!(store.claim(&lost).expect("sound").is_none());
                }
            }
        }

        #[test]
        fn a_place_gives_its_instant_back(ms in any::<i64>(), id in any_id()) {
            let near = ms % -EPOCH;
            prop_assert_eq!(instant(&place(&id, near)), at(near));
            let key = Key::Claim(at(near), id);
            prop_assert_eq!(place_of(&key.encode()), Some(place(&id, near)));
        }
    }

    #[test]
    fn a_key_of_before_is_laid_out_by_its_expiry() {
        let id = Digest([7; 32]);
        let record = Record::Claim(claim(at(5)));
        assert_eq!(key_now(Key::OldClaim(id), &record), Some(Key::Claim(at(5), id)));
        assert_eq!(key_now(Key::ClaimExpiry(at(5), id), &Record::Mark), None);
        assert_eq!(key_now(Key::NoticeCursor, &record), Some(Key::NoticeCursor));
    }
}
