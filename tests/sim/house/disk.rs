//! The store as the house sees it: the process may die at any operation, and a flaw may sit in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fanfare::model::{Digest, Notice, Timestamp};
use fanfare::store::{ClaimState, Key, Order, RawFrame, Record, Scanned, Store, StoreError, Write};

use super::world::World;

/// What a panic carries that stands for the end of the process.
pub struct Death(pub &'static str);

/// A named mistake. Every checker of the house must catch one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Says that it flushed, and did not.
    LiesAboutFlush,
    /// Does not store claims.
    ForgetsClaims,
    /// Does not keep replies.
    ForgetsReplies,
    /// Loses one delivery in five.
    LosesDeliveries,
    /// Loses one event in twenty.
    LosesNotices,
    /// Keeps no renewed credential.
    ForgetsCredentials,
    /// Never forgets a claim.
    KeepsClaims,
    /// Does not store that the clock was set forward.
    ForgetsLeaps,
    /// The engine's clock is a minute slow.
    WakesLate,
    /// The engine's clock is a minute fast.
    WakesEarly,
    /// Attempts of posts that cannot be read back are made again.
    RepeatsBlindly,
    /// Failures are shown without a remedy.
    SaysNothing,
    /// An event is never told twice in the same words.
    TurnsWords,
    /// The host of the accounts takes no password any more.
    LosesPasswords,
    /// Keeps other bytes than were given.
    MixesMedia,
    /// Does not keep what was given.
    LosesMedia,
    /// Does not store what was fetched.
    ForgetsFetched,
    /// Fetches what is stored already.
    FetchesAgain,
    /// Does not see what is under way when it looks for files that nobody needs.
    PrunesNeeded,
    /// Never removes a file.
    KeepsMedia,
    /// Does not store which uploads a batch needs.
    ForgetsUses,
    /// Leaves the media out of backups.
    BacksUpNoMedia,
    /// Restores as if nothing had been sent since the backup.
    ForgetsTheLoss,
    /// Does not say that something was committed.
    CountsNothing,
}

/// A store with a will of its own.
pub struct Disk {
    pub world: Arc<World>,
    pub count: Arc<AtomicU64>,
}

impl Disk {
    /// Perhaps the process dies here.
    fn perhaps(&self, place: &'static str) {
        let dies = {
            let mut state = self.world.state();
            let chance = state.plan.dies_in;
            chance > 0 && state.is_faulty() && state.dice.range(0, 9_999) < chance
        };
        if dies {
            std::panic::resume_unwind(Box::new(Death(place)));
        }
    }

    fn one_in(&self, n: u64) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) % n == n - 1
    }

    fn keeps(&self, write: &Write) -> bool {
        let Some(flaw) = self.world.flaw else { return true };
        match (flaw, write) {
            (Flaw::ForgetsClaims, Write::Put(Key::Claim(..), _))
            | (Flaw::ForgetsFetched, Write::Put(Key::Fetched(..), _))
            | (Flaw::ForgetsUses, Write::Put(Key::MediaUse(..), _))
            | (Flaw::ForgetsLeaps, Write::Put(Key::ClockLeap(..), _))
            | (Flaw::KeepsClaims, Write::Delete(Key::Claim(..))) => false,
            (Flaw::ForgetsReplies, Write::Put(Key::Claim(..), Record::Claim(record))) => {
                matches!(record.state, ClaimState::Running)
            }
            (Flaw::ForgetsCredentials, Write::Put(Key::Credential(_), Record::Credential(it))) => {
                it.version == 1
            }
            (
                Flaw::LosesDeliveries,
                Write::Put(Key::Delivery(_, notice) | Key::DeliveryDue(_, _, notice), _),
            ) => notice.raw() % 5 > 0,
            (Flaw::LosesNotices, Write::Put(Key::Notice(_), _)) => !self.one_in(20),
            _ => true,
        }
    }
}

impl Store for Disk {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        if self.world.flaw == Some(Flaw::FetchesAgain) && matches!(key, Key::Fetched(..)) {
            return Ok(None);
        }
        let found = self.world.memory().get(key)?;
        Ok(match found {
            Some(Record::Notice(notice)) if self.world.flaw == Some(Flaw::TurnsWords) => {
                let n = self.count.fetch_add(1, Ordering::Relaxed);
                Some(Record::Notice(Notice { data: format!("{{\"n\":{n}}}"), ..notice }))
            }
            found => found,
        })
    }

    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError> {
        self.world.memory().claim_places(id)
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        let prunes = self.world.flaw == Some(Flaw::PrunesNeeded) && self.world.is_pruning();
        if prunes && to == Key::LAST_TIMER.encode() {
            return Ok(Vec::new());
        }
        self.world.memory().scan_checked(from, to, order, limit)
    }

    fn version(&self) -> Option<u64> {
        match self.world.flaw {
            Some(Flaw::CountsNothing) => Some(1),
            _ => self.world.memory().version(),
        }
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        self.perhaps("before a commit");
        match self.world.flaw {
            None => self.world.memory().commit(epoch, writes)?,
            // With what a flaw keeps back, no caller knows any more which keys are new.
            Some(_) => {
                let writes = writes.iter().cloned().map(Write::unsure);
                let kept: Vec<Write> = writes.filter(|write| self.keeps(write)).collect();
                self.world.memory().commit(epoch, &kept)?;
            }
        }
        self.perhaps("after a commit");
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.perhaps("before a flush");
        if self.world.flaw != Some(Flaw::LiesAboutFlush) {
            self.world.memory().flush()?;
        }
        self.perhaps("between flush and release");
        Ok(())
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        self.world.memory().begin_epoch()
    }

    fn begin_still(&self) -> Result<(), StoreError> {
        self.world.memory().begin_still()
    }

    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError> {
        self.perhaps("in the middle of a backup");
        self.world.memory().still_page(rows)
    }

    fn end_still(&self) {
        self.world.memory().end_still();
    }
}
