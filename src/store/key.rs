//! The data model: every key family, in one enum, and its bytes.

use std::cmp::Ordering;
use std::fmt;

use crate::model::{
    AccountId, BatchId, ContentIx, Digest, KeyId, Millis, PostId, ProfileId, StepRef, TargetIx,
    Timestamp,
};

/// Every key there is. Encoded as a family byte and big-endian parts; keys compare as their bytes
/// do, so the rows of a batch lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

// The family bytes. Persisted: never renumber one.
const META: u8 = 0x01;
const DEFINITION: u8 = 0x02;
const PROFILE: u8 = 0x03;
const ACCOUNT: u8 = 0x04;
const CREDENTIAL: u8 = 0x05;
const API_KEY: u8 = 0x06;
const API_KEY_BY_ID: u8 = 0x07;
const PARK: u8 = 0x08;
const BATCH: u8 = 0x10;
const TIMER: u8 = 0x20;
const POST: u8 = 0x21;
const CLAIM: u8 = 0x22;
const CLAIM_EXPIRY: u8 = 0x23;
const SETTLED: u8 = 0x24;
const UPKEEP: u8 = 0x25;
// The parts of a batch, after its id.
const PART_HEAD: u8 = 0x00;
const PART_TARGET: u8 = 0x01;
const PART_CONTENT: u8 = 0x02;
const PART_MEMO: u8 = 0x03;
const PART_ENTRY: u8 = 0x04;

impl Key {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(34);
        match self {
            Self::Meta => out.push(META),
            Self::Definition(digest) => digest_key(&mut out, DEFINITION, digest),
            Self::Profile(id) => raw_key(&mut out, PROFILE, id.raw()),
            Self::Account(id) => raw_key(&mut out, ACCOUNT, id.raw()),
            Self::Credential(id) => raw_key(&mut out, CREDENTIAL, id.raw()),
            Self::ApiKey(digest) => digest_key(&mut out, API_KEY, digest),
            Self::ApiKeyById(id) => raw_key(&mut out, API_KEY_BY_ID, id.raw()),
            Self::Park(id) => raw_key(&mut out, PARK, id.raw()),
            Self::Batch(id) => batch_key(&mut out, *id, PART_HEAD, &[]),
            Self::Target(id, ix) => batch_key(&mut out, *id, PART_TARGET, &[ix.0]),
            Self::Content(id, place) => {
                batch_key(&mut out, *id, PART_CONTENT, &place.0.to_be_bytes());
            }
            Self::Memo(id, ix, at) => {
                let [s0, s1] = at.step.to_be_bytes();
                let [r0, r1] = at.round.to_be_bytes();
                batch_key(&mut out, *id, PART_MEMO, &[ix.0, s0, s1, r0, r1]);
            }
            Self::Entry(id, n) => batch_key(&mut out, *id, PART_ENTRY, &n.to_be_bytes()),
            Self::Timer(at, id) => timed_key(&mut out, TIMER, *at, &id.raw().to_be_bytes()),
            Self::Post(id) => raw_key(&mut out, POST, id.raw()),
            Self::Claim(digest) => digest_key(&mut out, CLAIM, digest),
            Self::ClaimExpiry(at, digest) => timed_key(&mut out, CLAIM_EXPIRY, *at, &digest.0),
            Self::Settled(at, id) => timed_key(&mut out, SETTLED, *at, &id.raw().to_be_bytes()),
            Self::Upkeep(digest) => digest_key(&mut out, UPKEEP, digest),
        }
        out
    }

    /// The key of these bytes; `None` when they are no key of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (family, rest) = bytes.split_first()?;
        Some(match *family {
            META if rest.is_empty() => Self::Meta,
            DEFINITION => Self::Definition(digest(rest)?),
            PROFILE => Self::Profile(ProfileId::from_raw(raw(rest)?)),
            ACCOUNT => Self::Account(AccountId::from_raw(raw(rest)?)),
            CREDENTIAL => Self::Credential(AccountId::from_raw(raw(rest)?)),
            API_KEY => Self::ApiKey(digest(rest)?),
            API_KEY_BY_ID => Self::ApiKeyById(KeyId::from_raw(raw(rest)?)),
            PARK => Self::Park(AccountId::from_raw(raw(rest)?)),
            BATCH => decode_batch(rest)?,
            TIMER => {
                let (at, rest) = time(rest)?;
                Self::Timer(at, BatchId::from_raw(raw(rest)?))
            }
            POST => Self::Post(PostId::from_raw(raw(rest)?)),
            CLAIM => Self::Claim(digest(rest)?),
            CLAIM_EXPIRY => {
                let (at, rest) = time(rest)?;
                Self::ClaimExpiry(at, digest(rest)?)
            }
            SETTLED => {
                let (at, rest) = time(rest)?;
                Self::Settled(at, BatchId::from_raw(raw(rest)?))
            }
            UPKEEP => Self::Upkeep(digest(rest)?),
            _ => return None,
        })
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.encode().cmp(&other.encode())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn raw_key(out: &mut Vec<u8>, family: u8, raw: u128) {
    out.push(family);
    out.extend_from_slice(&raw.to_be_bytes());
}

fn digest_key(out: &mut Vec<u8>, family: u8, digest: &Digest) {
    out.push(family);
    out.extend_from_slice(&digest.0);
}

fn timed_key(out: &mut Vec<u8>, family: u8, at: Timestamp, rest: &[u8]) {
    out.push(family);
    // The sign bit is flipped so that times before 1970 sort first.
    out.extend_from_slice(&(at.as_millis() ^ i64::MIN).to_be_bytes());
    out.extend_from_slice(rest);
}

fn batch_key(out: &mut Vec<u8>, id: BatchId, part: u8, rest: &[u8]) {
    raw_key(out, BATCH, id.raw());
    out.push(part);
    out.extend_from_slice(rest);
}

fn raw(bytes: &[u8]) -> Option<u128> {
    Some(u128::from_be_bytes(bytes.try_into().ok()?))
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    Some(Digest(bytes.try_into().ok()?))
}

fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    Some((Timestamp::from_millis(i64::from_be_bytes(*at) ^ i64::MIN), rest))
}

fn decode_batch(bytes: &[u8]) -> Option<Key> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let id = BatchId::from_raw(u128::from_be_bytes(*id));
    let (part, rest) = rest.split_first()?;
    Some(match (*part, rest) {
        (PART_HEAD, []) => Key::Batch(id),
        (PART_TARGET, [ix]) => Key::Target(id, TargetIx(*ix)),
        (PART_CONTENT, [a, b]) => Key::Content(id, ContentIx(u16::from_be_bytes([*a, *b]))),
        (PART_MEMO, [ix, s0, s1, r0, r1]) => {
            let step = u16::from_be_bytes([*s0, *s1]);
            let round = u16::from_be_bytes([*r0, *r1]);
            Key::Memo(id, TargetIx(*ix), StepRef { step, round })
        }
        (PART_ENTRY, rest) => Key::Entry(id, u32::from_be_bytes(rest.try_into().ok()?)),
        _ => return None,
    })
}

impl fmt::Display for Key {
    /// The key in words, for an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta => f.write_str("the store's own record"),
            Self::Definition(digest) => write!(f, "workflow definition {digest}"),
            Self::Profile(id) => write!(f, "profile {id}"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Credential(id) => write!(f, "credential of account {id}"),
            Self::ApiKey(digest) => write!(f, "API key with hash {digest}"),
            Self::ApiKeyById(id) => write!(f, "API key {id}"),
            Self::Park(id) => write!(f, "rate-limit rest of account {id}"),
            Self::Batch(id) => write!(f, "head of {id}"),
            Self::Target(id, ix) => write!(f, "target {} of {id}", ix.0),
            Self::Content(id, place) => write!(f, "content {} of {id}", place.0),
            Self::Memo(id, ix, at) => {
                write!(f, "memo of step {}.{}, target {} of {id}", at.step, at.round, ix.0)
            }
            Self::Entry(id, n) => write!(f, "journal entry {n} of {id}"),
            Self::Timer(at, id) => write!(f, "timer of {id} at {at}"),
            Self::Post(id) => write!(f, "index of {id}"),
            Self::Claim(digest) => write!(f, "idempotency record {digest}"),
            Self::ClaimExpiry(at, digest) => write!(f, "expiry at {at} of claim {digest}"),
            Self::Settled(at, id) => write!(f, "settled mark of {id} at {at}"),
            Self::Upkeep(digest) => write!(f, "upkeep record {digest}"),
        }
    }
}

/// A key's bytes in words, whatever they are.
pub(super) fn words(bytes: &[u8]) -> String {
    Key::decode(bytes).map_or_else(
        || {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("key 0x{hex}")
        },
        |key| key.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::samples::any_key;

    proptest! {
        #[test]
        fn every_key_survives_its_bytes(key in any_key()) {
            let bytes = key.encode();
            prop_assert_eq!(Key::decode(&bytes), Some(key));
            prop_assert_eq!(Key::decode(&bytes[..bytes.len() - 1]), None);
            let mut longer = bytes;
            longer.push(0);
            prop_assert_eq!(Key::decode(&longer), None);
        }

        #[test]
        fn instants_sort_across_1970(a in any::<i64>(), b in any::<i64>(), id in any::<u128>()) {
            let timer = |ms| Key::Timer(Timestamp::from_millis(ms), BatchId::from_raw(id));
            prop_assert_eq!(timer(a).encode().cmp(&timer(b).encode()), a.cmp(&b));
        }

        #[test]
        fn rows_sort_by_batch_then_kind_then_number(
            batches in any::<(u128, u128)>(),
            kinds in (0u8..5, 0u8..5),
            numbers in any::<(u8, u8)>(),
        ) {
            let row = |batch, kind, n: u8| {
                let batch = BatchId::from_raw(batch);
                match kind {
                    0 => Key::Batch(batch),
                    1 => Key::Target(batch, TargetIx(n)),
                    2 => Key::Content(batch, ContentIx(u16::from(n) << 4)),
                    3 => Key::Memo(batch, TargetIx(n), StepRef { step: 1, round: 2 }),
                    _ => Key::Entry(batch, u32::from(n) << 12),
                }
            };
            let number = |kind, n| if kind == 0 { 0 } else { n };
            let left = row(batches.0, kinds.0, numbers.0);
            let right = row(batches.1, kinds.1, numbers.1);
            let expected = (batches.0, kinds.0, number(kinds.0, numbers.0))
                .cmp(&(batches.1, kinds.1, number(kinds.1, numbers.1)));
            prop_assert_eq!(left.cmp(&right), expected);
        }
    }

    #[test]
    fn families_sort_in_the_order_of_the_enum() {
        let zero = BatchId::from_raw(0);
        let at = Timestamp::from_millis(0);
        let none = Digest([0; 32]);
        let keys = [
            Key::Meta,
            Key::Definition(none),
            Key::Profile(ProfileId::from_raw(0)),
            Key::Account(AccountId::from_raw(0)),
            Key::Credential(AccountId::from_raw(0)),
            Key::ApiKey(none),
            Key::ApiKeyById(KeyId::from_raw(0)),
            Key::Park(AccountId::from_raw(0)),
            Key::Batch(zero),
            Key::Target(zero, TargetIx(0)),
            Key::Content(zero, ContentIx(0)),
            Key::Memo(zero, TargetIx(0), StepRef { step: 0, round: 0 }),
            Key::Entry(zero, 0),
            Key::Timer(at, zero),
            Key::Post(PostId::from_raw(0)),
            Key::Claim(none),
            Key::ClaimExpiry(at, none),
            Key::Settled(at, zero),
            Key::Upkeep(none),
        ];
        assert!(keys.is_sorted());
        let families: Vec<u8> = keys.iter().map(|key| key.encode()[0]).collect();
        assert_eq!(
            families,
            [1, 2, 3, 4, 5, 6, 7, 8, 16, 16, 16, 16, 16, 32, 33, 34, 35, 36, 37],
            "family bytes are persisted"
        );
    }

    #[test]
    fn what_belongs_to_a_batch_lies_together_entries_last() {
        let batch = BatchId::from_raw(7);
        let ix = TargetIx(24);
        let step = StepRef { step: 9, round: 9 };
        let keys = [
            Key::Batch(batch),
            Key::Target(batch, ix),
            Key::Content(batch, ContentIx(1)),
            Key::Memo(batch, ix, step),
            Key::Entry(batch, 0),
            Key::Entry(batch, 1),
            Key::Batch(BatchId::from_raw(8)),
        ];
        assert!(keys.windows(2).all(|pair| pair[0].encode() < pair[1].encode()));
        assert_eq!(Key::decode(&[]), None);
        assert_eq!(Key::decode(&[BATCH, 1, 2]), None);
    }
}
