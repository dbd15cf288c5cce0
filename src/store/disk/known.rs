//! Rows that nearly every request asks for and hardly a commit changes: accounts, their sealed
//! credentials, and API keys. To find one in sled and to decode it takes longer than most of what
//! is done with it.
//!
//! Who reads has the layers for reading, and who commits has them for writing: so a row is never
//! kept that a commit has just changed.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::model::KNOWN_ROWS_MAX;
use crate::store::{Key, Record, StoreError, Write};

/// The rows that were asked for.
#[derive(Debug, Default)]
pub(super) struct Known {
    rows: RwLock<BTreeMap<Vec<u8>, Record>>,
}

impl Known {
    /// What is under a key; `find` looks where that is not known. The caller has the layers.
    pub(super) fn get(
        &self,
        key: &Key,
        find: impl FnOnce() -> Result<Option<Record>, StoreError>,
    ) -> Result<Option<Record>, StoreError> {
        if !is_kept(key) {
            return find();
        }
        let place = key.encode();
        if let Some(record) = self.rows().get(&place) {
            return Ok(Some(record.clone()));
        }
        let found = find()?;
        if let Some(record) = &found {
            let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            if rows.len() >= KNOWN_ROWS_MAX {
                // Those that are asked for come back.
                rows.clear();
            }
            rows.insert(place, record.clone());
        }
        Ok(found)
    }

    /// Forgets what a commit changes. The caller has the layers for himself.
    pub(super) fn forget(&self, writes: &[Write]) {
        for key in writes.iter().map(Write::key).filter(|key| is_kept(key)) {
            let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            rows.remove(&key.encode());
        }
    }

    fn rows(&self) -> RwLockReadGuard<'_, BTreeMap<Vec<u8>, Record>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_kept(key: &Key) -> bool {
    matches!(key, Key::Account(_) | Key::Credential(_) | Key::ApiKey(_))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::model::AccountId;
    use crate::store::{CredentialRecord, Sled, Store};

    const KEY: Key = Key::Credential(AccountId::from_raw(1));

    fn credential(version: u64) -> Record {
        Record::Credential(CredentialRecord { sealed: vec![7; 60], version })
    }

    #[test]
    fn no_row_is_older_than_a_commit_that_has_returned() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sled::open(folder.path()).expect("a new store");
        let epoch = store.begin_epoch().expect("an epoch");
        let put = |version| store.commit(epoch, &[Write::Put(KEY, credential(version))]);
        put(0).expect("a sound disk");
        let done = AtomicU64::new(0);
        let read = || {
            let mut seen = 0;
            while seen < 2_000 {
                let least = done.load(Ordering::SeqCst);
                let Ok(Some(Record::Credential(found))) = store.get(&KEY) else {
                    panic!("it is there")
                };
                assert!(found.version >= least.max(seen), "{} after {least}", found.version);
                seen = found.version;
            }
        };
        std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            for version in 1..=2_000 {
                put(version).expect("a sound disk");
                done.store(version, Ordering::SeqCst);
            }
            readers.into_iter().for_each(|reader| reader.join().expect("no reader panics"));
        });
        store.commit(epoch, &[Write::Delete(KEY)]).expect("a sound disk");
        assert_eq!(store.get(&KEY), Ok(None));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let known = Known::default();
        let most = u128::try_from(KNOWN_ROWS_MAX).expect("small");
        for raw in 0..=2 * most {
            let key = Key::Credential(AccountId::from_raw(raw));
            let found = known.get(&key, || Ok(Some(credential(1))));
            assert_eq!(found, Ok(Some(credential(1))));
            assert!(known.rows().len() <= KNOWN_ROWS_MAX);
            let again = known.get(&key, || panic!("it is known"));
            assert_eq!(again, Ok(Some(credential(1))));
        }
        assert_eq!(known.get(&Key::NoticeCursor, || Ok(None)), Ok(None), "it is not kept");
    }
}
