//! The words of the field, as plain data.
//!
//! Every other room speaks in these types: identifiers, instants, platforms, accounts, the batch
//! and its targets, what may happen to them (events), what a platform's answer means (verdicts)
//! and what went wrong (faults).
//!
//! Deliberately absent: behaviour. Nothing here decides, parses a request, reads a clock, draws a
//! random number or touches a disk.

mod id;
mod time;
mod spell;
mod platform;
mod content;
mod account;
mod board;
mod secret;
mod fault;
mod batch;
mod event;
mod notice;
mod limits;

pub use account::{Account, ApiKey, KeyPrefix, Profile, Scope};
pub use batch::{
    Attempt, Batch, ContentIx, Cursor, Errand, Outcome, Receipt, ReplyState, StepRef, Target,
    TargetIx, WaitReason, Warning,
};
pub use board::{Board, BoardPrivacy, NewBoard};
pub use content::{Content, FirstComment, MediaItem, MediaKind, MediaObject, MediaSource};
pub use event::{CancelReason, Event, Exchange, JournalEntry, Output, Ruling, Stamp, Verdict};
pub use fault::{Code, Fault, SendOutcome};
pub use id::{
    AccountId, BatchId, DeliveryId, Digest, EndpointId, IdError, KeyId, MediaId, NoticeId, PostId,
    ProfileId, RequestId, UlidFactory, UlidId, UuidId,
};
pub use limits::*;
pub use notice::{
    Delivery, DeliveryAttempt, DeliveryState, Endpoint, EndpointHealth, Notice, NoticeKind,
    RetiringSecret,
};
pub use platform::Platform;
pub use secret::Secret;
pub use spell::Spell;
pub use time::{Dice, Millis, Now, TimeError, Timestamp};
