//! The first steps of a process life: what format the store is of, and whether it is all there.

use std::sync::atomic::Ordering;

use super::merge::{self, Put};
use super::seal::{self, Seal};
use super::tree::Tree;
use super::{Sled, file};
use crate::store::{
    FORMAT, Key, MetaRecord, Order, Record, Store as _, StoreError, Write, claims, key, read,
    record,
};

/// Stores have been sealed since this format.
pub(super) const SEALED_FORMAT: u32 = 3;
/// All families that have pages now have had them since this format.
const PAGED_FORMAT: u32 = 6;
/// Since this format claims lie in the order in which they expire, and nothing else tells it.
const CLAIMS_FORMAT: u32 = 7;
/// Claims of an older format that get their keys before they are made durable.
const MOVED_AT_ONCE: usize = 256;

impl Sled {
    /// Reads the epoch, or makes the first meta record in a new store.
    pub(super) fn begin(&self) -> Result<(), StoreError> {
        let Some(Record::Meta(meta)) = self.get(&Key::Meta)? else {
            if file::is_marked(&self.folder) {
                return Err(self.corrupt("it was in use before and opened empty".to_owned()));
            }
            self.write_meta(|_| 0)?;
            return file::mark(&self.folder);
        };
        self.check_count(meta.format)?;
        self.epoch.store(meta.epoch, Ordering::SeqCst);
        if meta.format < PAGED_FORMAT {
            let mut writer = self.writer();
            merge::lay_out(&self.tree, |puts| self.give(&mut writer, puts))?;
        }
        if meta.format < CLAIMS_FORMAT {
            self.move_claims(meta.format)?;
        }
        // Programs of formats below 5 take void rows of pages for rows, those below 6 look for
        // claims under keys that they no longer have, and those below 7 would forget none.
        if meta.format < FORMAT {
            self.write_meta(|epoch| epoch)?;
        }
        if file::is_marked(&self.folder) { Ok(()) } else { file::mark(&self.folder) }
    }

    /// Puts the claims of an older format under the keys they have now, and removes what told when
    /// they expire. Where it stops, the next start goes on.
    fn move_claims(&self, format: u32) -> Result<(), StoreError> {
        let (from, to) = key::old_claims();
        let mut from = from.to_vec();
        loop {
            let page = self.scan_checked(&from, &to, Order::Ascending, MOVED_AT_ONCE)?;
            let Some(last) = page.last() else { return Ok(()) };
            from = [&last.bytes[..], &[0]].concat();
            for row in page {
                let (old, record) = match row.record {
                    // The seal keeps a server from starting; who looks for damage shall find it.
                    Err(StoreError::Corrupt { .. }) if format >= SEALED_FORMAT => continue,
                    read => read?,
                };
                let key = claims::key_now(old, &record);
                if key != Some(old) {
                    let moved = key.map(|key| Write::Put(key, record));
                    let writes: Vec<Write> =
                        moved.into_iter().chain([Write::Delete(old)]).collect();
                    self.apply(&mut self.writer(), &writes)?;
                }
            }
            self.flush()?;
        }
    }

    /// Whether the newest commits are all there.
    fn check_count(&self, format: u32) -> Result<(), StoreError> {
        let reached = self.reached.commits();
        let problem = match self.writer().seal {
            Some(Seal { commits, .. }) if commits >= reached => return Ok(()),
            None if format < SEALED_FORMAT => return Ok(()),
            Some(Seal { commits, .. }) => {
                format!("it had {reached} commits, and the newest it shows is {commits}")
            }
            None => "its seal is gone".to_owned(),
        };
        Err(self.corrupt(problem))
    }

    pub(super) fn write_meta(&self, next: impl FnOnce(u64) -> u64) -> Result<u64, StoreError> {
        let mut writer = self.writer();
        writer.check("begin epoch")?;
        let epoch = next(self.epoch.load(Ordering::SeqCst));
        let meta = Record::Meta(MetaRecord { format: FORMAT, epoch });
        let value = Some(record::encode(&Key::Meta, &meta));
        self.apply(&mut writer, &[Write::Put(Key::Meta, meta)])?;
        self.epoch.store(epoch, Ordering::SeqCst);
        drop(writer);
        self.flush()?;
        // In the tree as well, where programs of other formats look.
        let meta = Put { place: Key::Meta.encode(), value };
        let old_seal = Put { place: seal::KEY.to_vec(), value: None };
        let mut writer = self.writer();
        self.give(&mut writer, vec![meta, old_seal])?;
        self.settle_tree(&mut writer)?;
        Ok(epoch)
    }
}

/// Refuses a tree that a newer program wrote.
pub(super) fn refuse_newer(tree: &Tree) -> Result<(), StoreError> {
    match read::get(tree, &Key::Meta)? {
        Some(Record::Meta(MetaRecord { format, .. })) if format > FORMAT => {
            Err(StoreError::TooNew { found: format, known: FORMAT })
        }
        _ => Ok(()),
    }
}
