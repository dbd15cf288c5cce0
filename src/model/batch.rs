//! The batch and its targets: the persisted state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    AccountId, BatchId, Content, Digest, Fault, KeyId, Millis, Platform, PostId, ProfileId,
    RequestId, Timestamp,
};

/// The place of a target in its batch: the place it had in `targets[]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetIx(pub u8);

/// The place of a content in its batch. Targets that inherit the same content share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentIx(pub u16);

/// One accepted `POST /v1/posts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The request that created it.
    pub request_id: RequestId,
    /// The key that created it.
    pub key: KeyId,
    /// Whether a test key created it: then nothing of it ever reaches a platform.
    pub test: bool,
    /// When it was to go out, if it was scheduled.
    pub scheduled_at: Option<Timestamp>,
    /// The claim it answers, if the request carried an `Idempotency-Key`.
    pub claim: Option<Digest>,
    /// Whether the answer to the creating request has been decided.
    pub reply: ReplyState,
    /// The contents its targets refer to.
    pub contents: BTreeMap<ContentIx, Arc<Content>>,
    /// Its targets, in the order of `targets[]`.
    pub targets: Vec<Arc<Target>>,
    /// How many journal entries it has.
    pub entries: u32,
}

impl Batch {
    /// The target at `ix`, if there is one.
    pub fn target(&self, ix: TargetIx) -> Option<&Arc<Target>> {
        self.targets.get(usize::from(ix.0))
    }

    /// The content of a target. Every target's content is in its batch.
    pub fn content_of(&self, target: &Target) -> &Arc<Content> {
        self.contents.get(&target.content).expect("a target's content is stored with its batch")
    }

    /// The targets with their places.
    pub fn places(&self) -> impl Iterator<Item = (TargetIx, &Arc<Target>)> {
        (0u8..).map(TargetIx).zip(self.targets.iter())
    }

    /// Whether no target will move again by itself.
    pub fn is_settled(&self) -> bool {
        self.targets.iter().all(|target| target.cursor.is_settled())
    }
}

/// Whether the creating request has its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyState {
    /// Not yet; at the latest at this instant the batch is answered as it then stands.
    Pending {
        /// The latest instant.
        by: Timestamp,
    },
    /// Decided, once and for all.
    Given,
}

/// One target of a batch: one post on one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its post id.
    pub post: PostId,
    /// The account it goes to.
    pub account: AccountId,
    /// That account's profile, kept here so that reads survive the account.
    pub profile: ProfileId,
    /// That account's platform, kept for the same reason.
    pub platform: Platform,
    /// The workflow definition it pinned when it was accepted.
    pub definition: Digest,
    /// Its content.
    pub content: ContentIx,
    /// Where it stands.
    pub cursor: Cursor,
    /// When it is or was due; `None` for an immediate publish.
    pub due: Option<Timestamp>,
    /// The request that last set its time; `None` while that is the creating one.
    pub timed_by: Option<RequestId>,
    /// When its first step began: frozen into what is sent, so that a repeat is byte-identical.
    pub started_at: Option<Timestamp>,
    /// How long after `due` it woke.
    pub lateness: Option<Millis>,
    /// Attempts begun so far, over all steps. Numbers attempts; with the epoch it fences answers.
    pub attempts: u32,
    /// Attempts begun on the step it stands at.
    pub step_attempts: u32,
    /// Failed attempts on the step it stands at that count against the step's budget.
    pub step_spent: u32,
    /// How often the step it stands at asked for a fresh credential.
    pub step_reauths: u32,
    /// How often in a row a read-back found nothing since the last doubtful attempt.
    pub absences: u32,
    /// When the oldest attempt with an unknown outcome of this step was sent.
    pub doubt_since: Option<Timestamp>,
    /// What finished steps gave (or what a polling step keeps), as JSON text.
    pub memo: BTreeMap<StepRef, Arc<str>>,
    /// What the visible post step gave.
    pub receipt: Option<Receipt>,
    /// What the first comment step gave.
    pub comment: Option<Receipt>,
    /// Remarks for the client.
    pub warnings: Vec<Warning>,
    /// The last fault, while it is being retried.
    pub last_fault: Option<Fault>,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A step of a definition and which of its rounds (`each = "media"` has one a media item).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    /// The step's place in the definition.
    pub step: u16,
    /// The round, from 0.
    pub round: u16,
}

/// Where a target stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Waits for its scheduled time.
    Queued {
        /// That time.
        due: Timestamp,
    },
    /// Wants a slot to carry out an errand.
    Ready {
        /// The step.
        step: StepRef,
        /// Send it, or read it back.
        errand: Errand,
        /// Since when.
        since: Timestamp,
    },
    /// An attempt is under way.
    Running(Attempt),
    /// Waits before it goes on with a step.
    Waiting {
        /// The step.
        step: StepRef,
        /// Until when.
        until: Timestamp,
        /// What for.
        why: WaitReason,
    },
    /// A visible call may or may not have taken effect; it is read back after a grace.
    Doubtful {
        /// The step.
        step: StepRef,
        /// When it is read back.
        until: Timestamp,
    },
    /// The outcome is unknown and cannot be found out by us: an operator decides.
    Held {
        /// The step.
        step: StepRef,
        /// What the wire says meanwhile.
        fault: Fault,
    },
    /// Over.
    Ended(Outcome),
}

impl Cursor {
    /// Whether the target will not move again by itself.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Ended(_))
    }

    /// The stored timer: when the target must be looked at again at the latest.
    pub const fn wake(&self) -> Option<Timestamp> {
        match self {
            Self::Queued { due } => Some(*due),
            Self::Ready { since, .. } => Some(*since),
            Self::Running(attempt) => Some(attempt.deadline),
            Self::Waiting { until, .. } | Self::Doubtful { until, .. } => Some(*until),
            Self::Held { .. } | Self::Ended(_) => None,
        }
    }
}

/// What an attempt is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// Carry the step out.
    Send,
    /// Read back whether an earlier attempt took effect.
    Probe,
}

/// What a waiting target waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitReason {
    /// A retry after a failure.
    Retry,
    /// The next look at work the platform does.
    Poll,
    /// The end of a rate limit of the account.
    Parked,
    /// The repeat of a call whose outcome is unknown and that the platform de-duplicates.
    Repeat,
}

/// One attempt at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The step.
    pub step: StepRef,
    /// Send or read back.
    pub errand: Errand,
    /// Counts up from 1 over the whole target.
    pub number: u32,
    /// Which life of the process began it. An answer from another life is stale.
    pub epoch: u64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it is given up.
    pub deadline: Timestamp,
}

/// How a target ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is live.
    Published,
    /// The platform, or the deep preflight, refused it.
    Rejected(Fault),
    /// It failed for another reason.
    Failed(Fault),
    /// It was canceled before it began.
    Canceled,
}

/// What a platform gave for a visible call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// The platform's native id (AT URI, tweet id, URN).
    pub uri: Option<String>,
    /// Bluesky's record CID, or what plays its part elsewhere.
    pub cid: Option<String>,
    /// The permalink for people.
    pub url: Option<String>,
}

/// A remark that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A stable name.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
}
