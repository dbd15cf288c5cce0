//! Every record there is, as the other rooms see it; `v1` to `v3` are how it stands on disk: a
//! kind is written in the newest version that changed it, and read in all.

mod frame;
mod v1;
mod v2;
mod v3;
mod archive;
mod mirror;

#[cfg(test)]
pub(super) mod golden;

pub use frame::{decode, encode};
pub(super) use frame::{decode_at, encode_at};

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Key;
use crate::model::{
    Account, ApiKey, Batch, BatchId, Content, ContentIx, Delivery, DeliveryAttempt, Digest,
    Endpoint, EndpointHealth, JournalEntry, KeyId, MediaObject, Notice, NoticeId, Profile,
    ReplyState, RequestId, Target, TargetIx, Timestamp,
};

/// Every record there is; each belongs to the key family of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Under `Key::Meta`.
    Meta(MetaRecord),
    /// Under `Key::Definition`.
    Definition(DefinitionRecord),
    /// Under `Key::Profile`.
    Profile(Profile),
    /// Under `Key::Account`.
    Account(Account),
    /// Under `Key::Credential`.
    Credential(CredentialRecord),
    /// Under `Key::ApiKey`.
    ApiKey(ApiKey),
    /// Under `Key::ApiKeyById`: the key's hash.
    ApiKeyById(Digest),
    /// Under `Key::Park`.
    Park(ParkRecord),
    /// Under `Key::Batch`.
    Batch(BatchHead),
    /// Under `Key::Target`; its `memo` is empty here and stands under `Key::Memo`.
    Target(Box<Target>),
    /// Under `Key::Content`.
    Content(Content),
    /// Under `Key::Memo`: JSON text.
    Memo(String),
    /// Under `Key::Entry`.
    Entry(Box<JournalEntry>),
    /// Under `Key::Timer`.
    Timer(TimerRecord),
    /// Under `Key::Post`.
    Post(PostPlace),
    /// Under `Key::Claim` and `Key::OldClaim`.
    Claim(ClaimRecord),
    /// Under `Key::ClaimExpiry`, `Key::Settled`, `Key::MediaByTime`, `Key::MediaUse`,
    /// `Key::DeliveryDue`, `Key::ClockLeap` and `Key::Removing`: nothing but the key.
    Mark,
    /// Under `Key::Upkeep`.
    Upkeep(UpkeepRecord),
    /// Under `Key::KeyUse`.
    KeyUse(Timestamp),
    /// Under `Key::Media`.
    Media(MediaObject),
    /// Under `Key::Endpoint`.
    Endpoint(Endpoint),
    /// Under `Key::EndpointHealth`.
    EndpointHealth(EndpointHealth),
    /// Under `Key::OauthState`.
    OauthState(OauthStateRecord),
    /// Under `Key::Fetched`.
    Fetched(FetchedRecord),
    /// Under `Key::Delivery`.
    Delivery(Delivery),
    /// Under `Key::DeliveryAttempt`.
    DeliveryAttempt(DeliveryAttempt),
    /// Under `Key::NoticeCursor` and `Key::EndpointSince`.
    NoticeCursor(NoticeId),
    /// Under `Key::Notice`.
    Notice(Notice),
}

/// What the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaRecord {
    /// The format of the whole store.
    pub format: u32,
    /// The process life that may write.
    pub epoch: u64,
}

/// A workflow definition's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionRecord {
    /// Its name.
    pub name: String,
    /// Its TOML text.
    pub text: String,
}

/// A sealed credential: nonce and ciphertext with tag, useless without the secret key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// Counts up with every refresh.
    pub version: u64,
}

/// How long an account rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkRecord {
    /// Until when.
    pub until: Timestamp,
}

/// A batch without its contents and targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHead {
    /// Its id.
    pub id: BatchId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The request that created it.
    pub request_id: RequestId,
    /// The key that created it.
    pub key: KeyId,
    /// Whether a test key created it.
    pub test: bool,
    /// When it was to go out, if it was scheduled.
    pub scheduled_at: Option<Timestamp>,
    /// The claim it answers.
    pub claim: Option<Digest>,
    /// Whether the creating request has its answer.
    pub reply: ReplyState,
    /// How many targets it has.
    pub targets: u8,
    /// How many journal entries it has.
    pub entries: u32,
}

/// The value of a timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRecord {
    /// Whether the batch has an attempt under way or wants one: then a new process life looks at it
    /// at once, whatever the clock says.
    pub running: bool,
}

/// Where a post is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPlace {
    /// Its batch.
    pub batch: BatchId,
    /// Its place there.
    pub ix: TargetIx,
}

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRecord {
    /// SHA-256 of the request's raw body.
    pub fingerprint: Digest,
    /// When it was claimed.
    pub created_at: Timestamp,
    /// When it may be forgotten, unless its batch still lives.
    pub expires_at: Timestamp,
    /// Its batch, if it made one.
    pub batch: Option<BatchId>,
    /// Its reply.
    pub state: ClaimState,
}

/// The reply of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimState {
    /// Not decided yet; the batch will.
    Running,
    /// Decided: replayed byte for byte.
    Replied {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
}

/// When an upkeep task last ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpkeepRecord {
    /// The task's name.
    pub name: String,
    /// When it last ended.
    pub ran_at: Timestamp,
    /// What it did, in words.
    pub report: String,
}

/// A connect under way at a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthStateRecord {
    /// What must be known when the platform sends the person back, sealed.
    pub sealed: Vec<u8>,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// What a media address gave: kept, so that every target and attempt sends the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedRecord {
    /// The SHA-256 of the bytes, under which they are kept.
    pub digest: Digest,
    /// The MIME type that the address declared, if it did.
    pub mime: Option<String>,
    /// The size in bytes.
    pub bytes: u64,
}

impl Record {
    /// Whether this kind of record belongs under this family of keys.
    pub const fn fits(&self, key: &Key) -> bool {
        matches!(
            (key, self),
            (Key::Meta, Self::Meta(_))
                | (Key::Definition(_), Self::Definition(_))
                | (Key::Profile(_), Self::Profile(_))
                | (Key::Account(_), Self::Account(_))
                | (Key::Credential(_), Self::Credential(_))
                | (Key::ApiKey(_), Self::ApiKey(_))
                | (Key::ApiKeyById(_), Self::ApiKeyById(_))
                | (Key::Park(_), Self::Park(_))
                | (Key::Batch(_), Self::Batch(_))
                | (Key::Target(..), Self::Target(_))
                | (Key::Content(..), Self::Content(_))
                | (Key::Memo(..), Self::Memo(_))
                | (Key::Entry(..), Self::Entry(_))
                | (Key::Timer(..), Self::Timer(_))
                | (Key::Post(_), Self::Post(_))
                | (Key::Claim(..) | Key::OldClaim(_), Self::Claim(_))
                | (
                    Key::ClaimExpiry(..)
                        | Key::Settled(..)
                        | Key::MediaByTime(..)
                        | Key::MediaUse(..)
                        | Key::DeliveryDue(..)
                        | Key::ClockLeap(..)
                        | Key::Removing(_),
                    Self::Mark
                )
                | (Key::Upkeep(_), Self::Upkeep(_))
                | (Key::KeyUse(_), Self::KeyUse(_))
                | (Key::Media(_), Self::Media(_))
                | (Key::Endpoint(_), Self::Endpoint(_))
                | (Key::EndpointHealth(_), Self::EndpointHealth(_))
                | (Key::OauthState(_), Self::OauthState(_))
                | (Key::Fetched(..), Self::Fetched(_))
                | (Key::Delivery(..), Self::Delivery(_))
                | (Key::DeliveryAttempt(..), Self::DeliveryAttempt(_))
                | (Key::NoticeCursor | Key::EndpointSince(_), Self::NoticeCursor(_))
                | (Key::Notice(_), Self::Notice(_))
        )
    }
}

impl BatchHead {
    /// The head of a batch.
    pub fn of(batch: &Batch) -> Self {
        Self {
            id: batch.id,
            created_at: batch.created_at,
            request_id: batch.request_id.clone(),
            key: batch.key,
            test: batch.test,
            scheduled_at: batch.scheduled_at,
            claim: batch.claim,
            reply: batch.reply,
            targets: u8::try_from(batch.targets.len()).unwrap_or(u8::MAX),
            entries: batch.entries,
        }
    }

    /// The batch of this head with its contents and targets.
    pub fn with(
        self,
        contents: BTreeMap<ContentIx, Arc<Content>>,
        targets: Vec<Arc<Target>>,
    ) -> Batch {
        Batch {
            id: self.id,
            created_at: self.created_at,
            request_id: self.request_id,
            key: self.key,
            test: self.test,
            scheduled_at: self.scheduled_at,
            claim: self.claim,
            reply: self.reply,
            contents,
            targets,
            entries: self.entries,
        }
    }
}
