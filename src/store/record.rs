//! Every record there is, as the other rooms see it.

use crate::model::{
    Account, ApiKey, BatchId, Content, Digest, JournalEntry, KeyId, Profile, ReplyState, RequestId,
    Target, TargetIx, Timestamp,
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
    /// Under `Key::Claim`.
    Claim(ClaimRecord),
    /// Under `Key::ClaimExpiry` and `Key::Settled`: nothing but the key.
    Mark,
    /// Under `Key::Upkeep`.
    Upkeep(UpkeepRecord),
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
    /// Whether the batch has an attempt under way: then a new process life looks at it at once.
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
