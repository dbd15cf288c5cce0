//! Version 1 of the disk format. FROZEN: the order of fields and of variants is the layout.
//!
//! Each kind of record is one rkyv archive of the type below that bears its name; which kind it
//! is, the key says. Nothing outside `record` sees these types. To change one, mark it as retired
//! here and write it anew in the next version, with golden bytes.

use std::sync::Arc;

use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::archive::{read, write};
use super::mirror::{
    Mirror, Thaw, Unfit, frozen_enum, frozen_struct, retired_enum, retired_struct,
};
use super::{Key, Record};
use crate::model;
use crate::store;

/// The archive of `record`; `None` for a kind that a newer version writes.
pub(super) fn archive(record: &Record) -> Option<AlignedVec> {
    Some(match record {
        Record::Meta(it) => write(&Meta::freeze(it)),
        Record::Definition(it) => write(&Definition::freeze(it)),
        Record::Profile(it) => write(&Profile::freeze(it)),
        Record::Account(it) => write(&Account::freeze(it)),
        Record::Credential(it) => write(&Credential::freeze(it)),
        Record::ApiKey(it) => write(&ApiKey::freeze(it)),
        Record::ApiKeyById(it) => write(&<[u8; 32]>::freeze(it)),
        Record::Park(it) => write(&Park::freeze(it)),
        Record::Content(it) => write(&Content::freeze(it)),
        Record::Memo(it) => write(it),
        Record::Timer(it) => write(&Timer::freeze(it)),
        Record::Post(it) => write(&Place::freeze(it)),
        Record::Claim(it) => write(&Claim::freeze(it)),
        Record::Mark => AlignedVec::new(),
        Record::Upkeep(it) => write(&Upkeep::freeze(it)),
        Record::Batch(_)
        | Record::Target(_)
        | Record::Entry(_)
        | Record::KeyUse(_)
        | Record::Media(_)
        | Record::Endpoint(_)
        | Record::EndpointHealth(_)
        | Record::OauthState(_)
        | Record::Fetched(_)
        | Record::Delivery(_)
        | Record::DeliveryAttempt(_)
        | Record::NoticeCursor(_)
        | Record::Notice(_) => return None,
    })
}

/// The record that `bytes`, aligned, hold for `key`.
pub(super) fn restore(key: &Key, bytes: &AlignedVec) -> Result<Record, Unfit> {
    Ok(match key {
        Key::Meta => Record::Meta(read::<Meta, _>(bytes)?),
        Key::Definition(_) => Record::Definition(read::<Definition, _>(bytes)?),
        Key::Profile(_) => Record::Profile(read::<Profile, _>(bytes)?),
        Key::Account(_) => Record::Account(read::<Account, _>(bytes)?),
        Key::Credential(_) => Record::Credential(read::<Credential, _>(bytes)?),
        Key::ApiKey(_) => Record::ApiKey(read::<ApiKey, _>(bytes)?),
        Key::ApiKeyById(_) => Record::ApiKeyById(read::<[u8; 32], _>(bytes)?),
        Key::Park(_) => Record::Park(read::<Park, _>(bytes)?),
        Key::Batch(_) => Record::Batch(read::<Head, _>(bytes)?),
        Key::Target(..) => Record::Target(Box::new(read::<Target, _>(bytes)?)),
        Key::Content(..) => Record::Content(read::<Content, _>(bytes)?),
        Key::Memo(..) => Record::Memo(read::<String, _>(bytes)?),
        Key::Entry(..) => Record::Entry(Box::new(read::<Entry, _>(bytes)?)),
        Key::Timer(..) => Record::Timer(read::<Timer, _>(bytes)?),
        Key::Post(_) => Record::Post(read::<Place, _>(bytes)?),
        Key::Claim(..) | Key::OldClaim(_) => Record::Claim(read::<Claim, _>(bytes)?),
        Key::ClaimExpiry(..)
        | Key::Settled(..)
        | Key::MediaByTime(..)
        | Key::MediaUse(..)
        | Key::DeliveryDue(..)
        | Key::ClockLeap(..)
        | Key::Removing(_) => {
            if !bytes.is_empty() {
                return Err(Unfit("a mark holds bytes".to_owned()));
            }
            Record::Mark
        }
        Key::Upkeep(_) => Record::Upkeep(read::<Upkeep, _>(bytes)?),
        Key::KeyUse(_)
        | Key::Media(_)
        | Key::Endpoint(_)
        | Key::EndpointHealth(_)
        | Key::OauthState(_)
        | Key::Fetched(..)
        | Key::Delivery(..)
        | Key::DeliveryAttempt(..)
        | Key::NoticeCursor
        | Key::EndpointSince(_)
        | Key::Notice(_) => return Err(Unfit("version 1 has no such record".to_owned())),
    })
}

// What the store keeps of itself and of who may publish where.

frozen_struct! { Meta of store::MetaRecord { format: u32, epoch: u64 } }
frozen_struct! { Definition of store::DefinitionRecord { name: String, text: String } }
frozen_struct! { Profile of model::Profile {
    id: [u8; 16],
    name: String,
    slug: String,
    created_at: i64,
    updated_at: i64,
} }
frozen_struct! { Account of model::Account {
    id: [u8; 16],
    profile: [u8; 16],
    platform: Platform,
    platform_account_id: String,
    display_name: Option<String>,
    settings: String,
    token_expires_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
} }
frozen_struct! { Credential of store::CredentialRecord { sealed: Vec<u8>, version: u64 } }
frozen_struct! { ApiKey of model::ApiKey {
    id: [u8; 16],
    hash: [u8; 32],
    name: String,
    prefix: KeyPrefix,
    last4: String,
    scopes: Vec<String>,
    profile: Option<[u8; 16]>,
    created_at: i64,
    revoked_at: Option<i64>,
} }
frozen_enum! { KeyPrefix of model::KeyPrefix { Live, Test } }
frozen_struct! { Park of store::ParkRecord { until: i64 } }
frozen_enum! { Platform of model::Platform {
    Bluesky, Facebook, Instagram, Linkedin, Pinterest, Threads, Tiktok, Twitter, Sandbox,
} }

// A batch and its targets.

retired_struct! { Head of store::BatchHead {
    id: [u8; 16],
    created_at: i64,
    request_id: String,
    key: [u8; 16],
    scheduled_at: Option<i64>,
    claim: Option<[u8; 32]>,
    reply: Reply,
    targets: u8,
    entries: u32,
} without test }
frozen_enum! { Reply of model::ReplyState { Pending { by: i64 }, Given } }
retired_struct! { Target of model::Target {
    post: [u8; 16],
    account: [u8; 16],
    profile: [u8; 16],
    platform: Platform,
    definition: [u8; 32],
    content: u16,
    cursor: Cursor,
    due: Option<i64>,
    started_at: Option<i64>,
    lateness: Option<u64>,
    attempts: u32,
    step_attempts: u32,
    step_spent: u32,
    step_reauths: u32,
    absences: u32,
    doubt_since: Option<i64>,
    receipt: Option<Box<Receipt>>,
    comment: Option<Box<Receipt>>,
    warnings: Vec<Warning>,
    last_fault: Option<Box<Fault>>,
    published_at: Option<i64>,
    updated_at: i64,
} without memo, timed_by }
frozen_struct! { StepRef of model::StepRef { step: u16, round: u16 } }
frozen_enum! { Cursor of model::Cursor {
    Queued { due: i64 },
    Ready { step: StepRef, errand: Errand, since: i64 },
    Running(attempt: Box<Attempt>),
    Waiting { step: StepRef, until: i64, why: WaitReason },
    Doubtful { step: StepRef, until: i64 },
    Held { step: StepRef, fault: Box<Fault> },
    Ended(outcome: Outcome),
} }
frozen_enum! { Errand of model::Errand { Send, Probe } }
frozen_enum! { WaitReason of model::WaitReason { Retry, Poll, Parked, Repeat } }
frozen_struct! { Attempt of model::Attempt {
    step: StepRef,
    errand: Errand,
    number: u32,
    epoch: u64,
    began_at: i64,
    deadline: i64,
} }
frozen_enum! { Outcome of model::Outcome {
    Published,
    Rejected(fault: Box<Fault>),
    Failed(fault: Box<Fault>),
    Canceled,
} }
frozen_struct! { Receipt of model::Receipt {
    uri: Option<String>,
    cid: Option<String>,
    url: Option<String>,
} }
frozen_struct! { Warning of model::Warning { code: String, message: String } }
frozen_struct! { Fault of model::Fault {
    code: Code,
    message: String,
    rule: Option<String>,
    platform: Option<Platform>,
    platform_response: Option<String>,
    remediation: Option<String>,
    outcome: Option<SendOutcome>,
    retryable: bool,
    status: Option<u16>,
    retry_after_s: Option<u32>,
} }
frozen_enum! { Code of model::Code {
    ValidationFailed, PreflightFailed, PlatformAuthFailed, PlatformRejected, PlatformUnavailable,
    InternalError, Unauthenticated, Unauthorized, NotFound, IdempotencyConflict, RateLimited,
    PlatformNotEnabled,
} }
frozen_enum! { SendOutcome of model::SendOutcome { NotSent, Rejected, Unknown } }

// What a target says.

frozen_struct! { Content of model::Content {
    text: String,
    media: Vec<MediaItem>,
    first_comment: Option<FirstComment>,
    options: Option<String>,
} }
frozen_struct! { FirstComment of model::FirstComment { text: String } }
frozen_struct! { MediaItem of model::MediaItem {
    kind: MediaKind,
    alt_text: Option<String>,
    source: MediaSource,
} }
frozen_enum! { MediaKind of model::MediaKind { Image, Video } }
frozen_enum! { MediaSource of model::MediaSource {
    Upload(id: String),
    Url(url: String),
    Inline(digest: [u8; 32]),
} }

// What happened to a batch.

retired_struct! { Entry of model::JournalEntry {
    batch: [u8; 16],
    n: u32,
    stamp: Stamp,
    event: Event,
} }
frozen_struct! { Stamp of model::Stamp { seq: u64, at: i64, entropy: u64, epoch: u64 } }
retired_enum! { Event of model::Event {
    Accepted(batch: Box<Accepted>),
    Woke { ix: u8 },
    Begun { ix: u8 },
    Answered {
        ix: u8,
        number: u32,
        epoch: u64,
        verdict: Box<Verdict>,
        exchange: Option<Box<Exchange>>
    },
    Recovered { ix: u8 },
    ReplyDue,
    Rescheduled { ix: u8, due: i64 } [without request],
    Edited { ix: u8, place: u16, content: Box<Content> },
    Canceled { ix: u8, reason: CancelReason },
    Ruled { ix: u8, ruling: Ruling },
    Missed { ix: u8 },
} }
retired_struct! { Accepted of model::Batch {
    id: [u8; 16],
    created_at: i64,
    request_id: String,
    key: [u8; 16],
    scheduled_at: Option<i64>,
    claim: Option<[u8; 32]>,
    reply: Reply,
    targets: Vec<Target>,
    entries: u32,
} without contents, test }
frozen_enum! { CancelReason of model::CancelReason { Requested, AccountRemoved } }
frozen_enum! { Ruling of model::Ruling { Published { uri: Option<String> }, Failed } }
frozen_enum! { Verdict of model::Verdict {
    Done(output: Output),
    Again { memo: Option<String>, after: u64 },
    Retry { fault: Box<Fault>, after: Option<u64> },
    Parked { fault: Box<Fault>, after: u64 },
    Refuse { fault: Box<Fault> },
    Reauth { fault: Box<Fault> },
    Unknown { fault: Box<Fault> },
    Absent,
    Restage { fault: Box<Fault> },
} }
frozen_struct! { Output of model::Output {
    memo: Option<String>,
    receipt: Option<Box<Receipt>>,
    warnings: Vec<Warning>,
} }
frozen_struct! { Exchange of model::Exchange {
    request: String,
    status: Option<u16>,
    answer: String,
    duration: u64,
} }

// Indexes, claims and upkeep.

frozen_struct! { Timer of store::TimerRecord { running: bool } }
frozen_struct! { Place of store::PostPlace { batch: [u8; 16], ix: u8 } }
frozen_struct! { Claim of store::ClaimRecord {
    fingerprint: [u8; 32],
    created_at: i64,
    expires_at: i64,
    batch: Option<[u8; 16]>,
    state: ClaimState,
} }
frozen_enum! { ClaimState of store::ClaimState { Running, Replied { status: u16, body: Vec<u8> } } }
frozen_struct! { Upkeep of store::UpkeepRecord { name: String, ran_at: i64, report: String } }

// The model shares these; the disk does not.

impl Thaw<Arc<model::Target>> for Target {
    fn thaw(self) -> Result<Arc<model::Target>, Unfit> {
        Thaw::<model::Target>::thaw(self).map(Arc::new)
    }
}

impl Mirror<Arc<model::Content>> for Content {
    fn freeze(model: &Arc<model::Content>) -> Self {
        Self::freeze(model.as_ref())
    }
}

impl Thaw<Arc<model::Content>> for Content {
    fn thaw(self) -> Result<Arc<model::Content>, Unfit> {
        Thaw::<model::Content>::thaw(self).map(Arc::new)
    }
}

impl Thaw<Box<model::Batch>> for Accepted {
    fn thaw(self) -> Result<Box<model::Batch>, Unfit> {
        Thaw::<model::Batch>::thaw(self).map(Box::new)
    }
}
