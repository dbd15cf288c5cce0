//! Named mistakes. Every checker must catch one, or it checks nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare::model::{Digest, Timestamp};
use fanfare::store::{
    ClaimState, Key, Memory, Order, RawFrame, Record, Scanned, Store, StoreError, Write,
};

/// A named mistake of the engine or of what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Reads back at once, before a sent request can have landed.
    ProbesAtOnce,
    /// Repeats a call that the platform does not de-duplicate.
    RepeatsWithoutKey,
    /// Forgets to store one timer in five.
    ForgetsTimers,
    /// Leaves old timers behind.
    LeavesTimers,
    /// Does not store claims.
    ForgetsClaims,
    /// Does not keep replies.
    ForgetsReplies,
    /// Loses one journal entry in twenty.
    LosesEntries,
    /// Writes one target in twenty not at all.
    LosesTargets,
    /// Says that it flushed, and did not.
    LiesAboutFlush,
    /// Loses one notice in twenty.
    LosesNotices,
    /// Takes the report of any attempt for that of the one under way.
    TakesStaleReports,
}

impl Mutant {
    /// Whether it sits in the store.
    pub const fn is_of_store(self) -> bool {
        matches!(
            self,
            Self::ForgetsTimers
                | Self::LeavesTimers
                | Self::ForgetsClaims
                | Self::ForgetsReplies
                | Self::LosesEntries
                | Self::LosesTargets
                | Self::LiesAboutFlush
                | Self::LosesNotices
        )
    }
}

/// A store with a mistake.
pub struct Mutated {
    pub inner: Memory,
    pub mutant: Mutant,
    pub count: Arc<AtomicU64>,
}

impl Mutated {
    fn one_in(&self, n: u64) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % n == n - 1
    }

    fn keeps(&self, write: &Write) -> bool {
        match (self.mutant, write) {
            (Mutant::ForgetsTimers, Write::Put(Key::Timer(..), _)) => !self.one_in(5),
            (Mutant::LeavesTimers, Write::Delete(Key::Timer(..))) => !self.one_in(5),
            (Mutant::ForgetsClaims, Write::Put(Key::Claim(..), _)) => false,
            (Mutant::ForgetsReplies, Write::Put(Key::Claim(..), Record::Claim(record))) => {
                matches!(record.state, ClaimState::Running)
            }
            (Mutant::LosesEntries, Write::Put(Key::Entry(..), _))
            | (Mutant::LosesTargets, Write::Put(Key::Target(..), _))
            | (Mutant::LosesNotices, Write::Put(Key::Notice(_), _)) => !self.one_in(20),
            _ => true,
        }
    }
}

impl Store for Mutated {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.get(key)
    }

    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError> {
        self.inner.claim_places(id)
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.inner.scan_checked(from, to, order, limit)
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        // With what a mutant keeps back, no caller knows any more which keys are new.
        let writes = writes.iter().cloned().map(Write::unsure);
        let kept: Vec<Write> = writes.filter(|write| self.keeps(write)).collect();
        self.inner.commit(epoch, &kept)
    }

    fn flush(&self) -> Result<(), StoreError> {
        if self.mutant == Mutant::LiesAboutFlush { Ok(()) } else { self.inner.flush() }
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        self.inner.begin_epoch()
    }

    fn begin_still(&self) -> Result<(), StoreError> {
        self.inner.begin_still()
    }

    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError> {
        self.inner.still_page(rows)
    }

    fn end_still(&self) {
        self.inner.end_still();
    }
}
