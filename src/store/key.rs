//! The data model: every key family, in one enum.

use crate::model::{
    AccountId, BatchId, ContentIx, Digest, KeyId, Millis, PostId, ProfileId, StepRef, TargetIx,
    Timestamp,
};

/// Every key there is. Encoded as a family byte and big-endian parts, so that the derived order
/// of this enum is the order of the bytes. Family bytes are persisted: never renumber one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `01`. The store's format, epoch and identity. One; updated at start.
    Meta,
    /// `02 digest`. The text of a workflow definition that a target pinned. Immutable.
    Definition(Digest),
    /// `03 id`. A profile. Updated rarely.
    Profile(ProfileId),
    /// `04 id`. An account. Updated rarely, deleted on removal.
    Account(AccountId),
    /// `05 id`. An account's sealed credential. Updated at each refresh, deleted on removal.
    Credential(AccountId),
    /// `06 hash`. An API key under the SHA-256 of its plaintext. Updated once, when revoked.
    ApiKey(Digest),
    /// `07 id`. Finds an API key's hash by its id. Immutable.
    ApiKeyById(KeyId),
    /// `08 id`. Until when an account rests after a rate limit. Deleted when over.
    Park(AccountId),
    /// `10 batch 00`. A batch's head. Small; updated with every event of the batch.
    Batch(BatchId),
    /// `10 batch 01 ix`. A target's head, without its memos. Small; updated while it is hot.
    Target(BatchId, TargetIx),
    /// `10 batch 02 ix`. A content. Immutable.
    Content(BatchId, ContentIx),
    /// `10 batch 03 ix step round`. What a step gave. Written once, or again while it polls.
    Memo(BatchId, TargetIx, StepRef),
    /// `10 batch 04 n`. A journal entry. Immutable; trimmed when old.
    Entry(BatchId, u32),
    /// `20 instant batch`. The one timer of an unsettled batch. Moved with its earliest wake-up.
    Timer(Timestamp, BatchId),
    /// `21 post`. Finds a post's batch; in this order posts are listed. Immutable.
    Post(PostId),
    /// `22 claim`. An idempotency record. Updated once, when its reply is decided; expires.
    Claim(Digest),
    /// `23 instant claim`. When to look whether a claim has expired. Moved or deleted then.
    ClaimExpiry(Timestamp, Digest),
    /// `24 instant batch`. When a batch settled: in this order journals are trimmed.
    Settled(Timestamp, BatchId),
    /// `25 digest of its name`. When an upkeep task last ran.
    Upkeep(Digest),
}

impl Key {
    /// Below every post.
    pub const FIRST_POST: Self = Self::Post(PostId::from_raw(0));
    /// Above every post.
    pub const LAST_POST: Self = Self::Post(PostId::from_raw(u128::MAX));
    /// Above every timer.
    pub const LAST_TIMER: Self =
        Self::Timer(Timestamp::from_millis(i64::MAX), BatchId::from_raw(u128::MAX));
    /// Above every settled mark.
    pub const LAST_SETTLED: Self =
        Self::Settled(Timestamp::from_millis(i64::MAX), BatchId::from_raw(u128::MAX));

    /// The lowest timer above this one.
    pub fn timer_after(at: Timestamp, batch: BatchId) -> Self {
        match batch.raw().checked_add(1) {
            Some(next) => Self::Timer(at, BatchId::from_raw(next)),
            None => Self::Timer(at.plus(Millis(1)), BatchId::from_raw(0)),
        }
    }
}
