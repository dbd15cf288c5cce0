//! What is remembered: one ordered tree of typed keys and framed, versioned records.
//!
//! Words: a *write* puts or deletes one key; a *commit* is a list of writes that becomes visible
//! at once and whole; a *flush* makes every commit before it survive a power loss; the *epoch*
//! is the number of the process life that may write; a *still* is what the store held at one
//! instant, read while others commit.
//!
//! Two implementations: `Sled` on disk and `Memory` with a live and a durable image, for the
//! simulation. Both store the same bytes, so both prove the same codec.
//!
//! Deliberately absent: decisions. The store knows no clock and no rule of the machine.

mod key;
mod record;
mod batch;
mod claims;
mod pack;
mod read;
mod still;
mod disk;
mod memory;
mod verify;
mod aside;
mod audit;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use aside::{BrokeOff, aside};
pub use audit::{Audit, audit, kept_catalog};
pub use batch::{batch_writes, load_batch};
pub use claims::key_now;
pub use disk::Sled;
pub use key::Key;
pub use memory::Memory;
pub use record::{
    BatchHead, ClaimRecord, ClaimState, CredentialRecord, DefinitionRecord, FetchedRecord,
    MetaRecord, OauthStateRecord, ParkRecord, PostPlace, Record, TimerRecord, UpkeepRecord,
    decode as decode_record, encode as encode_record,
};
pub use still::{Framed, RawFrame, Still};
pub use verify::{Finding, VerifyReport, verify};

use crate::model::{Digest, Timestamp};

/// The format of the store as a whole: raised when an older program must not open it.
pub const FORMAT: u32 = 7;

/// One change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets the key to this record.
    Put(Key, Record),
    /// Sets a key that holds nothing, as the caller knows: so nobody looks what it held. On a key
    /// that does hold something this is a mistake of the caller, and the seal of the store breaks.
    New(Key, Record),
    /// Removes the key; removing what is not there is no error.
    Delete(Key),
}

impl Write {
    /// The key it changes.
    pub const fn key(&self) -> &Key {
        let (Self::Put(key, _) | Self::New(key, _) | Self::Delete(key)) = self;
        key
    }

    /// The same write by one who does not know whether the key holds something.
    #[must_use]
    pub fn unsure(self) -> Self {
        match self {
            Self::New(key, record) => Self::Put(key, record),
            sure => sure,
        }
    }
}

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Lowest key first.
    Ascending,
    /// Highest key first.
    Descending,
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk refused or vanished. The process must stop: memory may not run ahead of disk.
    #[error("{op}: {problem}")]
    Disk {
        /// What was being done.
        op: &'static str,
        /// What the system said.
        problem: String,
    },
    /// A record does not hold what it should. Names the key.
    #[error("read {key}: {problem}; run `fanfare journal verify`, then restore a backup")]
    Corrupt {
        /// The key, in words.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process life has taken the store over.
    #[error("commit: this process life (epoch {ours}) was superseded by epoch {stored}")]
    Fenced {
        /// Our epoch.
        ours: u64,
        /// The epoch on disk.
        stored: u64,
    },
    /// Another process holds the folder.
    #[error("open {folder}: another fanfare is using this folder{holder}")]
    Busy {
        /// The folder.
        folder: String,
        /// `, pid N` where it is known.
        holder: String,
    },
    /// A newer program wrote this store or record.
    #[error(
        "read the store: a newer fanfare wrote it (format {found}, and this program knows formats \
         up to {known}); start the newer one again, or restore a backup from before it"
    )]
    TooNew {
        /// The format found.
        found: u32,
        /// The highest format known.
        known: u32,
    },
    /// One commit is larger than may be made durable at once.
    #[error("commit: {bytes} bytes in one commit, at most {max}; nothing was written")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// What the store holds at one instant cannot be read while others commit.
    #[error("copy the store: {problem}")]
    Still {
        /// Why.
        problem: String,
    },
}

/// Takes a record of a stretch, or what is wrong with it.
pub type Taker<'a> = dyn FnMut(usize, Result<(Key, Record), StoreError>) + 'a;

/// An ordered map of typed keys to records with atomic, fenced commits.
pub trait Store: Send + Sync {
    /// The record under `key`.
    ///
    /// # Errors
    /// `Corrupt` when the bytes there do not hold; `Disk` when they cannot be read.
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// The instants that the idempotency record of `id` may be kept under: nearly always one, or
    /// none where there is no record.
    ///
    /// # Errors
    /// `Corrupt` when what tells it does not hold; `Disk`.
    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError>;

    /// The idempotency record of `id`, and its key.
    ///
    /// # Errors
    /// As `get`.
    fn claim(&self, id: &Digest) -> Result<Option<(Key, ClaimRecord)>, StoreError> {
        for at in self.claim_places(id)? {
            let key = Key::Claim(at, *id);
            if let Some(Record::Claim(record)) = self.get(&key)? {
                return Ok(Some((key, record)));
            }
        }
        Ok(None)
    }

    /// Up to `limit` keys with `from <= key <= to` by their bytes, each with its record or with
    /// what is wrong with it. Rows that the store keeps for itself appear only where they are
    /// wrong.
    ///
    /// # Errors
    /// Only when the store cannot be read on: what is behind the last key of an earlier call is
    /// then out of reach.
    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError>;

    /// Up to `limit` records with `from <= key <= to`, in `order`.
    ///
    /// # Errors
    /// The first `Corrupt` of the range; `Disk`.
    fn scan(
        &self,
        from: &Key,
        to: &Key,
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        let found = self.scan_checked(&from.encode(), &to.encode(), order, limit)?;
        found.into_iter().map(|scanned| scanned.record).collect()
    }

    /// Up to `limit` records of each of these stretches, upwards from its first key to its last.
    /// They are short, one comes below the other, and all are of one instant as far as the store
    /// knows any: `each` is told the place of the stretch, and gets what is wrong with a stretch
    /// as the last of it.
    fn scan_each(&self, stretches: &[(Key, Key)], limit: usize, each: &mut Taker<'_>) {
        for (place, (from, to)) in stretches.iter().enumerate() {
            match self.scan(from, to, Order::Ascending, limit) {
                Ok(rows) => rows.into_iter().for_each(|row| each(place, Ok(row))),
                Err(error) => each(place, Err(error)),
            }
        }
    }

    /// A number that grows with each commit, before the commit returns. As long as it is the same,
    /// so is whatever is read. `None` where nobody counts.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Applies all writes or none. Visible at once, durable only after the next `flush`.
    ///
    /// # Errors
    /// `Fenced` when `epoch` is not the store's; `TooLarge`; `Disk`.
    ///
    /// # Panics
    /// When a record is of another kind than its key, a new key holds something (in builds with
    /// debug assertions), or a write touches `Key::Meta`, which is the store's own: mistakes of the
    /// caller.
    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError>;

    /// Makes every commit so far survive a power loss.
    ///
    /// # Errors
    /// `Disk`.
    fn flush(&self) -> Result<(), StoreError>;

    /// Does some of what flushes have put off because nobody waits for it: about as much as makes
    /// good for `bytes` of commits. Returns how many bytes are left. Who flushes often calls it
    /// after each; where nobody does, a flush does it once it has become much.
    ///
    /// # Errors
    /// `Disk`; `Corrupt` when what it goes on from does not hold.
    fn tidy(&self, bytes: usize) -> Result<usize, StoreError> {
        let _ = bytes;
        Ok(0)
    }

    /// Begins a new process life: adds one to the stored epoch, durably, and returns it.
    ///
    /// # Errors
    /// `Disk` or `Corrupt`.
    fn begin_epoch(&self) -> Result<u64, StoreError>;

    /// For `Still` alone: begins one.
    ///
    /// # Errors
    /// `Still` when there is another.
    fn begin_still(&self) -> Result<(), StoreError>;

    /// For `Still` alone: its next frames.
    ///
    /// # Errors
    /// See `Still::page`.
    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError>;

    /// For `Still` alone: ends it.
    fn end_still(&self);

    /// Whether all records together are those that were committed: records of which each holds may
    /// still be older than they were. Says nothing while others commit.
    ///
    /// # Errors
    /// `Corrupt` when they are not; `Disk`.
    fn check_whole(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One key met by a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The key's bytes.
    pub bytes: Vec<u8>,
    /// The key and its record, or what is wrong with them.
    pub record: Result<(Key, Record), StoreError>,
}

impl Scanned {
    /// The key in words, even where its bytes are none.
    pub fn words(&self) -> String {
        key::words(&self.bytes)
    }
}

fn assert_no_meta(writes: &[Write]) {
    let touches = writes.iter().any(|write| *write.key() == Key::Meta);
    assert!(!touches, "the meta record changes only when an epoch begins");
}
