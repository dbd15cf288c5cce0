//! The data model: every key family, in one enum, and its bytes.

use std::cmp::Ordering;
use std::fmt;

use crate::model::{
    AccountId, BatchId, ContentIx, Digest, EndpointId, KeyId, MediaId, Millis, NoticeId, PostId,
    ProfileId, StepRef, TargetIx, Timestamp,
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
    /// `09 id`. When an API key was last used, to the minute. Overwritten.
    KeyUse(KeyId),
    /// `0a id`. An uploaded file. Immutable; deleted on request.
    Media(MediaId),
    /// `0b instant id`. In this order uploads are listed. Deleted with its upload.
    MediaByTime(Timestamp, MediaId),
    /// `0c id batch`. That an unsettled batch needs an upload. Deleted when it settles.
    MediaUse(MediaId, BatchId),
    /// `0d id`. A webhook endpoint. Updated rarely, deleted on removal.
    Endpoint(EndpointId),
    /// `0e id`. How deliveries to an endpoint went lately. Overwritten with each attempt.
    EndpointHealth(EndpointId),
    /// `0f nonce`. A connect under way. Deleted when it is used or has expired.
    OauthState(Digest),
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
    /// `10 batch 05 digest of its address`. What a media address gave, once for the whole batch.
    /// Immutable.
    Fetched(BatchId, Digest),
    /// `11 endpoint notice 00`. A delivery. Updated with each attempt.
    Delivery(EndpointId, NoticeId),
    /// `11 endpoint notice 01 n`. What came of an attempt at a delivery. Immutable.
    DeliveryAttempt(EndpointId, NoticeId, u32),
    /// `12`. Up to which notice deliveries have been made. One; moved forward.
    NoticeCursor,
    /// `13 id`. That an account is being removed. Deleted with it.
    Removing(AccountId),
    /// `14 id`. The newest notice when a webhook endpoint was made: it hears only later ones.
    /// Immutable; deleted with the endpoint.
    EndpointSince(EndpointId),
    /// `15 instant span`. That the wall clock was set forward or the server was down, and by how
    /// much idempotency keys of before live longer for it. Deleted when those had their time.
    ClockLeap(Timestamp, Millis),
    /// `20 instant batch`. The one timer of an unsettled batch. Moved with its earliest wake-up.
    Timer(Timestamp, BatchId),
    /// `21 post`. Finds a post's batch; in this order posts are listed. Immutable.
    Post(PostId),
    /// `22 instant claim`. An idempotency record, under the instant when it expires. Updated once,
    /// when its reply is decided; deleted when it has expired.
    Claim(Timestamp, Digest),
    /// `22 claim`. The same as formats before 6 kept it. Only read.
    OldClaim(Digest),
    /// `23 instant claim`. When formats before 7 looked whether a claim had expired. Only read.
    ClaimExpiry(Timestamp, Digest),
    /// `24 instant batch`. When a batch settled: in this order journals are trimmed.
    Settled(Timestamp, BatchId),
    /// `25 digest of its name`. When an upkeep task last ran.
    Upkeep(Digest),
    /// `26 id`. A notice to the world. Immutable; trimmed when old.
    Notice(NoticeId),
    /// `27 endpoint instant notice`. When a delivery is to be attempted. Moved or deleted then. An
    /// endpoint's own come together, so that one that is slow hides nobody else's.
    DeliveryDue(EndpointId, Timestamp, NoticeId),
}

impl Key {
    /// Below every post.
    pub const FIRST_POST: Self = Self::Post(PostId::from_raw(0));
    /// Above every post.
    pub const LAST_POST: Self = Self::Post(PostId::from_raw(u128::MAX));
    /// Above every batch's own row.
    pub const LAST_BATCH: Self = Self::Batch(BatchId::from_raw(u128::MAX));
    /// Above every timer.
    pub const LAST_TIMER: Self =
        Self::Timer(Timestamp::from_millis(i64::MAX), BatchId::from_raw(u128::MAX));
    /// Above every settled mark.
    pub const LAST_SETTLED: Self =
        Self::Settled(Timestamp::from_millis(i64::MAX), BatchId::from_raw(u128::MAX));

    /// Below every leap of the clock.
    pub const FIRST_LEAP: Self = Self::ClockLeap(Timestamp::from_millis(i64::MIN), Millis(0));
    /// Above every leap of the clock.
    pub const LAST_LEAP: Self = Self::ClockLeap(Timestamp::from_millis(i64::MAX), Millis(u64::MAX));
    /// Above every notice.
    pub const LAST_NOTICE: Self = Self::Notice(NoticeId::from_raw(u128::MAX));

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
const KEY_USE: u8 = 0x09;
const MEDIA: u8 = 0x0a;
const MEDIA_BY_TIME: u8 = 0x0b;
const MEDIA_USE: u8 = 0x0c;
const ENDPOINT: u8 = 0x0d;
const ENDPOINT_HEALTH: u8 = 0x0e;
const OAUTH_STATE: u8 = 0x0f;
const BATCH: u8 = 0x10;
const DELIVERY: u8 = 0x11;
const NOTICE_CURSOR: u8 = 0x12;
const REMOVING: u8 = 0x13;
const ENDPOINT_SINCE: u8 = 0x14;
const CLOCK_LEAP: u8 = 0x15;
const TIMER: u8 = 0x20;
const POST: u8 = 0x21;
const CLAIM: u8 = 0x22;
const CLAIM_EXPIRY: u8 = 0x23;
const SETTLED: u8 = 0x24;
const UPKEEP: u8 = 0x25;
const NOTICE: u8 = 0x26;
const DELIVERY_DUE: u8 = 0x27;
/// Families, in order, whose rows are mostly made, read and removed next to each other.
pub(super) const PAGED: [u8; 8] =
    [BATCH, DELIVERY, TIMER, POST, CLAIM, CLAIM_EXPIRY, SETTLED, NOTICE];
// The parts of a batch, after its id.
const PART_HEAD: u8 = 0x00;
const PART_TARGET: u8 = 0x01;
const PART_CONTENT: u8 = 0x02;
const PART_MEMO: u8 = 0x03;
const PART_ENTRY: u8 = 0x04;
const PART_FETCHED: u8 = 0x05;
// The parts of a delivery, after its endpoint and notice.
const PART_ATTEMPT: u8 = 0x01;

impl Key {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(50);
        match self {
            Self::Meta => out.push(META),
            Self::Definition(digest) => digest_key(&mut out, DEFINITION, digest),
            Self::Profile(id) => raw_key(&mut out, PROFILE, id.raw()),
            Self::Account(id) => raw_key(&mut out, ACCOUNT, id.raw()),
            Self::Credential(id) => raw_key(&mut out, CREDENTIAL, id.raw()),
            Self::ApiKey(digest) => digest_key(&mut out, API_KEY, digest),
            Self::ApiKeyById(id) => raw_key(&mut out, API_KEY_BY_ID, id.raw()),
            Self::Park(id) => raw_key(&mut out, PARK, id.raw()),
            Self::KeyUse(id) => raw_key(&mut out, KEY_USE, id.raw()),
            Self::Media(id) => media_key(&mut out, MEDIA, id, &[]),
            Self::MediaByTime(at, id) => timed_key(&mut out, MEDIA_BY_TIME, *at, id.bytes()),
            Self::MediaUse(id, batch) => {
                media_key(&mut out, MEDIA_USE, id, &batch.raw().to_be_bytes());
            }
            Self::Endpoint(id) => raw_key(&mut out, ENDPOINT, id.raw()),
            Self::EndpointHealth(id) => raw_key(&mut out, ENDPOINT_HEALTH, id.raw()),
            Self::OauthState(digest) => digest_key(&mut out, OAUTH_STATE, digest),
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
            Self::Fetched(id, digest) => batch_key(&mut out, *id, PART_FETCHED, &digest.0),
            Self::Delivery(endpoint, notice) => {
                raw_key(&mut out, DELIVERY, endpoint.raw());
                out.extend_from_slice(&notice.raw().to_be_bytes());
                out.push(PART_HEAD);
            }
            Self::DeliveryAttempt(endpoint, notice, n) => {
                raw_key(&mut out, DELIVERY, endpoint.raw());
                out.extend_from_slice(&notice.raw().to_be_bytes());
                out.push(PART_ATTEMPT);
                out.extend_from_slice(&n.to_be_bytes());
            }
            Self::NoticeCursor => out.push(NOTICE_CURSOR),
            Self::Removing(id) => raw_key(&mut out, REMOVING, id.raw()),
            Self::EndpointSince(id) => raw_key(&mut out, ENDPOINT_SINCE, id.raw()),
            Self::ClockLeap(at, span) => {
                timed_key(&mut out, CLOCK_LEAP, *at, &span.0.to_be_bytes());
            }
            Self::Timer(at, id) => timed_key(&mut out, TIMER, *at, &id.raw().to_be_bytes()),
            Self::Post(id) => raw_key(&mut out, POST, id.raw()),
            Self::Claim(at, digest) => timed_key(&mut out, CLAIM, *at, &digest.0),
            Self::OldClaim(digest) => digest_key(&mut out, CLAIM, digest),
            Self::ClaimExpiry(at, digest) => timed_key(&mut out, CLAIM_EXPIRY, *at, &digest.0),
            Self::Settled(at, id) => timed_key(&mut out, SETTLED, *at, &id.raw().to_be_bytes()),
            Self::Upkeep(digest) => digest_key(&mut out, UPKEEP, digest),
            Self::Notice(id) => raw_key(&mut out, NOTICE, id.raw()),
            Self::DeliveryDue(endpoint, at, notice) => {
                raw_key(&mut out, DELIVERY_DUE, endpoint.raw());
                out.extend_from_slice(&time_bytes(*at));
                out.extend_from_slice(&notice.raw().to_be_bytes());
            }
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
            KEY_USE => Self::KeyUse(KeyId::from_raw(raw(rest)?)),
            MEDIA => match media(rest)? {
                (id, []) => Self::Media(id),
                _ => return None,
            },
            MEDIA_BY_TIME => match time(rest).and_then(|(at, rest)| Some((at, media(rest)?)))? {
                (at, (id, [])) => Self::MediaByTime(at, id),
                _ => return None,
            },
            MEDIA_USE => {
                let (id, rest) = media(rest)?;
                Self::MediaUse(id, BatchId::from_raw(raw(rest)?))
            }
            ENDPOINT => Self::Endpoint(EndpointId::from_raw(raw(rest)?)),
            ENDPOINT_HEALTH => Self::EndpointHealth(EndpointId::from_raw(raw(rest)?)),
            OAUTH_STATE => Self::OauthState(digest(rest)?),
            BATCH => decode_batch(rest)?,
            DELIVERY => decode_delivery(rest)?,
            NOTICE_CURSOR if rest.is_empty() => Self::NoticeCursor,
            REMOVING => Self::Removing(AccountId::from_raw(raw(rest)?)),
            ENDPOINT_SINCE => Self::EndpointSince(EndpointId::from_raw(raw(rest)?)),
            CLOCK_LEAP => {
                let (at, rest) = time(rest)?;
                Self::ClockLeap(at, Millis(u64::from_be_bytes(rest.try_into().ok()?)))
            }
            TIMER => {
                let (at, rest) = time(rest)?;
                Self::Timer(at, BatchId::from_raw(raw(rest)?))
            }
            POST => Self::Post(PostId::from_raw(raw(rest)?)),
            CLAIM => match digest(rest) {
                Some(id) => Self::OldClaim(id),
                None => {
                    let (at, rest) = time(rest)?;
                    Self::Claim(at, digest(rest)?)
                }
            },
            CLAIM_EXPIRY => {
                let (at, rest) = time(rest)?;
                Self::ClaimExpiry(at, digest(rest)?)
            }
            SETTLED => {
                let (at, rest) = time(rest)?;
                Self::Settled(at, BatchId::from_raw(raw(rest)?))
            }
            UPKEEP => Self::Upkeep(digest(rest)?),
            NOTICE => Self::Notice(NoticeId::from_raw(raw(rest)?)),
            DELIVERY_DUE => {
                let (endpoint, rest) = rest.split_first_chunk::<16>()?;
                let endpoint = EndpointId::from_raw(u128::from_be_bytes(*endpoint));
                let (at, rest) = time(rest)?;
                Self::DeliveryDue(endpoint, at, NoticeId::from_raw(raw(rest)?))
            }
            _ => return None,
        })
    }
}

/// Where the keys of claims begin, and where they end.
pub(super) const fn claims() -> ([u8; 1], [u8; 1]) {
    ([CLAIM], [CLAIM_EXPIRY])
}

/// The same of all that older formats kept of claims.
pub(super) const fn old_claims() -> ([u8; 1], [u8; 1]) {
    ([CLAIM], [SETTLED])
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
    out.extend_from_slice(&time_bytes(at));
    out.extend_from_slice(rest);
}

/// The sign bit is flipped so that times before 1970 sort first.
fn time_bytes(at: Timestamp) -> [u8; 8] {
    (at.as_millis() ^ i64::MIN).to_be_bytes()
}

fn batch_key(out: &mut Vec<u8>, id: BatchId, part: u8, rest: &[u8]) {
    raw_key(out, BATCH, id.raw());
    out.push(part);
    out.extend_from_slice(rest);
}

fn media_key(out: &mut Vec<u8>, family: u8, id: &MediaId, rest: &[u8]) {
    out.push(family);
    out.extend_from_slice(id.bytes());
    out.extend_from_slice(rest);
}

fn media(bytes: &[u8]) -> Option<(MediaId, &[u8])> {
    let (id, rest) = bytes.split_first_chunk::<26>()?;
    Some((std::str::from_utf8(id).ok()?.parse().ok()?, rest))
}

/// From which notice to which endpoint.
fn route(bytes: &[u8]) -> Option<(EndpointId, NoticeId, &[u8])> {
    let (endpoint, rest) = bytes.split_first_chunk::<16>()?;
    let (notice, rest) = rest.split_first_chunk::<16>()?;
    let endpoint = EndpointId::from_raw(u128::from_be_bytes(*endpoint));
    Some((endpoint, NoticeId::from_raw(u128::from_be_bytes(*notice)), rest))
}

fn decode_delivery(bytes: &[u8]) -> Option<Key> {
    let (endpoint, notice, rest) = route(bytes)?;
    Some(match rest.split_first()? {
        (&PART_HEAD, []) => Key::Delivery(endpoint, notice),
        (&PART_ATTEMPT, n) => {
            Key::DeliveryAttempt(endpoint, notice, u32::from_be_bytes(n.try_into().ok()?))
        }
        _ => return None,
    })
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
        (PART_FETCHED, rest) => Key::Fetched(id, digest(rest)?),
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
            Self::KeyUse(id) => write!(f, "last use of API key {id}"),
            Self::Media(id) => write!(f, "upload {id}"),
            Self::MediaByTime(at, id) => write!(f, "place of upload {id} at {at}"),
            Self::MediaUse(id, batch) => write!(f, "use of upload {id} by {batch}"),
            Self::Endpoint(id) => write!(f, "webhook endpoint {id}"),
            Self::EndpointHealth(id) => write!(f, "health of webhook endpoint {id}"),
            Self::OauthState(digest) => write!(f, "connect under way {digest}"),
            Self::Batch(id) => write!(f, "head of {id}"),
            Self::Target(id, ix) => write!(f, "target {} of {id}", ix.0),
            Self::Content(id, place) => write!(f, "content {} of {id}", place.0),
            Self::Memo(id, ix, at) => {
                write!(f, "memo of step {}.{}, target {} of {id}", at.step, at.round, ix.0)
            }
            Self::Entry(id, n) => write!(f, "journal entry {n} of {id}"),
            Self::Fetched(id, digest) => write!(f, "media address {digest} of {id}"),
            Self::Delivery(endpoint, notice) => write!(f, "delivery of {notice} to {endpoint}"),
            Self::DeliveryAttempt(endpoint, notice, n) => {
                write!(f, "attempt {n} at the delivery of {notice} to {endpoint}")
            }
            Self::NoticeCursor => f.write_str("the place up to which notices are delivered"),
            Self::Removing(id) => write!(f, "removal of account {id}"),
            Self::EndpointSince(id) => write!(f, "the events before webhook endpoint {id}"),
            Self::ClockLeap(at, span) => {
                write!(f, "leap of the clock at {at}, for which keys live {} ms longer", span.0)
            }
            Self::Timer(at, id) => write!(f, "timer of {id} at {at}"),
            Self::Post(id) => write!(f, "index of {id}"),
            Self::Claim(_, id) | Self::OldClaim(id) => write!(f, "idempotency record {id}"),
            Self::ClaimExpiry(at, digest) => write!(f, "expiry at {at} of claim {digest}"),
            Self::Settled(at, id) => write!(f, "settled mark of {id} at {at}"),
            Self::Upkeep(digest) => write!(f, "upkeep record {digest}"),
            Self::Notice(id) => write!(f, "notice {id}"),
            Self::DeliveryDue(endpoint, at, notice) => {
                write!(f, "turn at {at} of the delivery of {notice} to {endpoint}")
            }
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
mod tests;
