//! Version 2 of the disk format: what changed since version 1, and what it did not have. FROZEN,
//! as version 1 is.

use std::sync::Arc;

use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use super::archive::{read, write};
use super::mirror::{
    Mirror, Thaw, Unfit, frozen_enum, frozen_struct, retired_enum, retired_struct,
};
use super::v1::{
    CancelReason, Content, Cursor, Exchange, Fault, Platform, Receipt, Reply, Ruling, Stamp,
    Verdict, Warning,
};
use super::{Key, Record};
use crate::model;
use crate::store;

/// The archive of `record`; `None` for a kind that is as it was, or that a newer version writes.
pub(super) fn archive(record: &Record) -> Option<AlignedVec> {
    Some(match record {
        Record::Batch(it) => write(&Head::freeze(it)),
        Record::Target(it) => write(&Target::freeze(it.as_ref())),
        Record::KeyUse(it) => write(&i64::freeze(it)),
        Record::Media(it) => write(&Media::freeze(it)),
        Record::Endpoint(it) => write(&Endpoint::freeze(it)),
        Record::EndpointHealth(it) => write(&EndpointHealth::freeze(it)),
        Record::OauthState(it) => write(&OauthState::freeze(it)),
        Record::Fetched(it) => write(&Fetched::freeze(it)),
        Record::Delivery(it) => write(&Delivery::freeze(it)),
        Record::DeliveryAttempt(it) => write(&DeliveryAttempt::freeze(it)),
        Record::NoticeCursor(it) => write(&<[u8; 16]>::freeze(it)),
        Record::Notice(it) => write(&Notice::freeze(it)),
        Record::Meta(_)
        | Record::Definition(_)
        | Record::Profile(_)
        | Record::Account(_)
        | Record::Credential(_)
        | Record::ApiKey(_)
        | Record::ApiKeyById(_)
        | Record::Park(_)
        | Record::Content(_)
        | Record::Memo(_)
        | Record::Timer(_)
        | Record::Post(_)
        | Record::Claim(_)
        | Record::Mark
        | Record::Entry(_)
        | Record::Upkeep(_) => return None,
    })
}

/// The record that `bytes`, aligned, hold for `key`.
pub(super) fn restore(key: &Key, bytes: &AlignedVec) -> Result<Record, Unfit> {
    Ok(match key {
        Key::Batch(_) => Record::Batch(read::<Head, _>(bytes)?),
        Key::Target(..) => Record::Target(Box::new(read::<Target, _>(bytes)?)),
        Key::Entry(..) => Record::Entry(Box::new(read::<Entry, _>(bytes)?)),
        Key::KeyUse(_) => Record::KeyUse(read::<i64, _>(bytes)?),
        Key::Media(_) => Record::Media(read::<Media, _>(bytes)?),
        Key::Endpoint(_) => Record::Endpoint(read::<Endpoint, _>(bytes)?),
        Key::EndpointHealth(_) => Record::EndpointHealth(read::<EndpointHealth, _>(bytes)?),
        Key::OauthState(_) => Record::OauthState(read::<OauthState, _>(bytes)?),
        Key::Fetched(..) => Record::Fetched(read::<Fetched, _>(bytes)?),
        Key::Delivery(..) => Record::Delivery(read::<Delivery, _>(bytes)?),
        Key::DeliveryAttempt(..) => Record::DeliveryAttempt(read::<DeliveryAttempt, _>(bytes)?),
        Key::NoticeCursor | Key::EndpointSince(_) => {
            Record::NoticeCursor(read::<[u8; 16], _>(bytes)?)
        }
        Key::Notice(_) => Record::Notice(read::<Notice, _>(bytes)?),
        _ => return Err(Unfit("version 2 has no such record".to_owned())),
    })
}

// A batch, its targets and its journal.

frozen_struct! { Head of store::BatchHead {
    id: [u8; 16],
    created_at: i64,
    request_id: String,
    key: [u8; 16],
    test: bool,
    scheduled_at: Option<i64>,
    claim: Option<[u8; 32]>,
    reply: Reply,
    targets: u8,
    entries: u32,
} }
frozen_struct! { Target of model::Target {
    post: [u8; 16],
    account: [u8; 16],
    profile: [u8; 16],
    platform: Platform,
    definition: [u8; 32],
    content: u16,
    cursor: Cursor,
    due: Option<i64>,
    timed_by: Option<String>,
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
} without memo }
retired_struct! { Entry of model::JournalEntry {
    batch: [u8; 16],
    n: u32,
    stamp: Stamp,
    event: Event,
} }
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
    Rescheduled { ix: u8, due: i64, request: Option<String> },
    Edited { ix: u8, place: u16, content: Box<Content> },
    Canceled { ix: u8, reason: CancelReason },
    Ruled { ix: u8, ruling: Ruling },
    Missed { ix: u8 },
    Retried { ix: u8, due: i64, request: Option<String>, force: bool },
} }
frozen_struct! { Accepted of model::Batch {
    id: [u8; 16],
    created_at: i64,
    request_id: String,
    key: [u8; 16],
    test: bool,
    scheduled_at: Option<i64>,
    claim: Option<[u8; 32]>,
    reply: Reply,
    targets: Vec<Target>,
    entries: u32,
} without contents }

// Uploads and what media addresses gave.

frozen_struct! { Media of model::MediaObject {
    id: String,
    profile: [u8; 16],
    digest: [u8; 32],
    mime: String,
    bytes: u64,
    created_at: i64,
} }
frozen_struct! { Fetched of store::FetchedRecord {
    digest: [u8; 32],
    mime: Option<String>,
    bytes: u64,
} }

// Connects under way.

frozen_struct! { OauthState of store::OauthStateRecord { sealed: Vec<u8>, expires_at: i64 } }

// Notices, endpoints and deliveries.

frozen_enum! { NoticeKind of model::NoticeKind {
    PostQueued, PostValidated, PostPublished, PostRejected, PostFailed, PostCanceled,
    PostRescheduled, PostUpdated, TokenExpiring, TokenRevoked, VersionDeprecated,
    SubscriptionActivated, SubscriptionCancelled, SubscriptionTierChanged, QuotaWarning,
    QuotaExceeded, BillingPaymentFailed, BillingDelinquent, BillingRecovered,
} }
frozen_struct! { Notice of model::Notice {
    id: [u8; 16],
    kind: NoticeKind,
    at: i64,
    request: Option<String>,
    data: String,
} }
frozen_struct! { Endpoint of model::Endpoint {
    id: [u8; 16],
    url: String,
    kinds: Vec<NoticeKind>,
    description: Option<String>,
    active: bool,
    secret: Vec<u8>,
    retiring: Option<RetiringSecret>,
    created_at: i64,
    updated_at: i64,
} }
frozen_struct! { RetiringSecret of model::RetiringSecret { secret: Vec<u8>, until: i64 } }
frozen_struct! { EndpointHealth of model::EndpointHealth {
    delivered_at: Option<i64>,
    failure: Option<String>,
} }
frozen_struct! { Delivery of model::Delivery {
    state: DeliveryState,
    attempts: u32,
    logged: u32,
} }
frozen_enum! { DeliveryState of model::DeliveryState {
    Due { at: i64 },
    Delivered { at: i64 },
    Failed { at: i64, why: String },
} }
frozen_struct! { DeliveryAttempt of model::DeliveryAttempt {
    id: [u8; 16],
    number: u32,
    kind: NoticeKind,
    began_at: i64,
    duration: u64,
    status: Option<u16>,
    error: Option<String>,
    answer: Option<String>,
    ok: bool,
} }

// The model shares these; the disk does not.

impl Mirror<Arc<model::Target>> for Target {
    fn freeze(model: &Arc<model::Target>) -> Self {
        Self::freeze(model.as_ref())
    }
}

impl Thaw<Arc<model::Target>> for Target {
    fn thaw(self) -> Result<Arc<model::Target>, Unfit> {
        Thaw::<model::Target>::thaw(self).map(Arc::new)
    }
}

impl Mirror<Box<model::Batch>> for Accepted {
    fn freeze(model: &Box<model::Batch>) -> Self {
        Self::freeze(model.as_ref())
    }
}

impl Thaw<Box<model::Batch>> for Accepted {
    fn thaw(self) -> Result<Box<model::Batch>, Unfit> {
        Thaw::<model::Batch>::thaw(self).map(Box::new)
    }
}
