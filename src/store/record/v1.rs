//! Version 1 of every record on disk. Frozen: a change is a new version, an upcast and new
//! golden bytes. Instants are milliseconds after 1970, spans milliseconds, ids their raw bits.

use rkyv::{Archive, Deserialize, Serialize};

/// A UUID or ULID, high half first: two words keep the alignment at eight.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(super) struct Raw(pub u64, pub u64);

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) enum Record {
    Meta { format: u32, epoch: u64 },
    Definition { name: String, text: String },
    Profile(Profile),
    Account(Account),
    Credential { sealed: Vec<u8>, version: u64 },
    ApiKey(ApiKey),
    ApiKeyById([u8; 32]),
    Park { until: i64 },
    Batch(BatchHead),
    Target(Target),
    Content(Content),
    Memo(String),
    Entry(Entry),
    Timer { running: bool },
    Post { batch: Raw, ix: u8 },
    Claim(Claim),
    Mark,
    Upkeep { name: String, ran_at: i64, report: String },
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Profile {
    pub id: Raw,
    pub name: String,
    pub slug: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Account {
    pub id: Raw,
    pub profile: Raw,
    pub platform: String,
    pub platform_account_id: String,
    pub display_name: Option<String>,
    pub settings: String,
    pub token_expires_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct ApiKey {
    pub id: Raw,
    pub hash: [u8; 32],
    pub name: String,
    pub test: bool,
    pub last4: String,
    pub scopes: Vec<String>,
    pub profile: Option<Raw>,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct BatchHead {
    pub id: Raw,
    pub created_at: i64,
    pub request_id: String,
    pub key: Raw,
    pub scheduled_at: Option<i64>,
    pub claim: Option<[u8; 32]>,
    /// `None` when the reply is given.
    pub reply_by: Option<i64>,
    pub targets: u8,
    pub entries: u32,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub post: Raw,
    pub account: Raw,
    pub profile: Raw,
    pub platform: String,
    pub definition: [u8; 32],
    pub content: u16,
    pub cursor: Cursor,
    pub due: Option<i64>,
    pub started_at: Option<i64>,
    pub lateness: Option<u64>,
    pub attempts: u32,
    pub step_attempts: u32,
    pub step_spent: u32,
    pub step_reauths: u32,
    pub absences: u32,
    pub doubt_since: Option<i64>,
    pub receipt: Option<Receipt>,
    pub comment: Option<Receipt>,
    pub warnings: Vec<Warning>,
    pub last_fault: Option<Fault>,
    pub published_at: Option<i64>,
    pub updated_at: i64,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(super) struct StepRef {
    pub step: u16,
    pub round: u16,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) enum Cursor {
    Queued { due: i64 },
    Ready { step: StepRef, probe: bool, since: i64 },
    Running(Attempt),
    Waiting { step: StepRef, until: i64, why: WaitReason },
    Doubtful { step: StepRef, until: i64 },
    Held { step: StepRef, fault: Fault },
    Published,
    Rejected(Fault),
    Failed(Fault),
    Canceled,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(super) enum WaitReason {
    Retry,
    Poll,
    Parked,
    Repeat,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(super) struct Attempt {
    pub step: StepRef,
    pub probe: bool,
    pub number: u32,
    pub epoch: u64,
    pub began_at: i64,
    pub deadline: i64,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Receipt {
    pub uri: Option<String>,
    pub cid: Option<String>,
    pub url: Option<String>,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Warning {
    pub code: String,
    pub message: String,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Fault {
    /// The code's name on the wire.
    pub code: String,
    pub message: String,
    pub rule: Option<String>,
    pub platform: Option<String>,
    pub platform_response: Option<String>,
    pub remediation: Option<String>,
    pub outcome: Option<SendOutcome>,
    pub retryable: bool,
    pub status: Option<u16>,
    pub retry_after_s: Option<u32>,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq)]
pub(super) enum SendOutcome {
    NotSent,
    Rejected,
    Unknown,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Content {
    pub text: String,
    pub media: Vec<Media>,
    pub first_comment: Option<String>,
    pub options: Option<String>,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Media {
    pub video: bool,
    pub alt_text: Option<String>,
    pub source: MediaSource,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) enum MediaSource {
    Upload(String),
    Url(String),
    Inline([u8; 32]),
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Claim {
    pub fingerprint: [u8; 32],
    pub created_at: i64,
    pub expires_at: i64,
    pub batch: Option<Raw>,
    /// `None` while the batch is still to be answered.
    pub reply: Option<(u16, Vec<u8>)>,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub batch: Raw,
    pub n: u32,
    pub seq: u64,
    pub at: i64,
    pub entropy: u64,
    pub epoch: u64,
    pub event: Event,
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// The contents stand beside the batch; the memos of a new target are empty.
    Accepted {
        head: BatchHead,
        targets: Vec<Target>,
    },
    Woke {
        ix: u8,
    },
    Missed {
        ix: u8,
    },
    Begun {
        ix: u8,
    },
    Answered {
        ix: u8,
        number: u32,
        epoch: u64,
        verdict: Verdict,
        exchange: Option<Exchange>,
    },
    Recovered {
        ix: u8,
    },
    ReplyDue,
    Rescheduled {
        ix: u8,
        due: i64,
    },
    Edited {
        ix: u8,
        place: u16,
        content: Content,
    },
    Canceled {
        ix: u8,
        account_removed: bool,
    },
    RuledPublished {
        ix: u8,
        uri: Option<String>,
    },
    RuledFailed {
        ix: u8,
    },
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Done { memo: Option<String>, receipt: Option<Receipt>, warnings: Vec<Warning> },
    Again { memo: Option<String>, after: u64 },
    Retry { fault: Fault, after: Option<u64> },
    Parked { fault: Fault, after: u64 },
    Refuse { fault: Fault },
    Reauth { fault: Fault },
    Unknown { fault: Fault },
    Absent,
    Restage { fault: Fault },
}

#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(super) struct Exchange {
    pub request: String,
    pub status: Option<u16>,
    pub answer: String,
    pub duration: u64,
}
