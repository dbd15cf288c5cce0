//! What may happen to a batch, and what a platform's answer means.

use std::sync::Arc;

use super::{
    Batch, BatchId, Content, ContentIx, Fault, Millis, Receipt, RequestId, TargetIx, Timestamp,
    Warning,
};

/// When, in which order and in which process life an event was decided, and its share of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Orders all events of one store, across restarts.
    pub seq: u64,
    /// The instant.
    pub at: Timestamp,
    /// Randomness for jitter.
    pub entropy: u64,
    /// The process life.
    pub epoch: u64,
}

/// Something that happened to a batch. Journaled as it is, so a replay gives the same states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was accepted, with this first state.
    Accepted(Box<Batch>),
    /// The timer of a target rang: due, retry, deadline or read-back.
    Woke {
        /// Which target.
        ix: TargetIx,
    },
    /// The timer of a queued target rang so late that the post may no longer go out.
    Missed {
        /// Which target.
        ix: TargetIx,
    },
    /// A target got a slot.
    Begun {
        /// Which target.
        ix: TargetIx,
    },
    /// An attempt reported.
    Answered {
        /// Which target.
        ix: TargetIx,
        /// The attempt's number.
        number: u32,
        /// The attempt's epoch.
        epoch: u64,
        /// What the answer means.
        verdict: Verdict,
        /// What was exchanged, for the journal; `None` when nothing was.
        exchange: Option<Exchange>,
    },
    /// The process restarted while an attempt was under way.
    Recovered {
        /// Which target.
        ix: TargetIx,
    },
    /// The creating request has waited long enough.
    ReplyDue,
    /// A queued post got another time.
    Rescheduled {
        /// Which target.
        ix: TargetIx,
        /// The new time.
        due: Timestamp,
        /// The request that asked; `None` for an operator's.
        request: Option<RequestId>,
    },
    /// A queued post got another content.
    Edited {
        /// Which target.
        ix: TargetIx,
        /// The new content's place.
        place: ContentIx,
        /// The new content.
        content: Arc<Content>,
    },
    /// A queued post was canceled.
    Canceled {
        /// Which target.
        ix: TargetIx,
        /// Why.
        reason: CancelReason,
    },
    /// An operator decided what became of a held post.
    Ruled {
        /// Which target.
        ix: TargetIx,
        /// The decision.
        ruling: Ruling,
    },
    /// A post that failed, was rejected or was canceled is to be tried again from the start.
    Retried {
        /// Which target.
        ix: TargetIx,
        /// When.
        due: Timestamp,
        /// The request that asked; `None` for an operator's.
        request: Option<RequestId>,
        /// Whether the caller accepts that the post may be live already.
        force: bool,
    },
    /// The store was restored from a backup, and the server it was made by may have gone on with
    /// the target since.
    Restored {
        /// Which target.
        ix: TargetIx,
        /// When the backup was made.
        since: Timestamp,
        /// Whether by now the post may not go out any more.
        overdue: bool,
    },
}

/// Why a post was canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// A client asked.
    Requested,
    /// Its account was removed.
    AccountRemoved,
}

/// An operator's decision on a held post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is live, perhaps at this address.
    Published {
        /// The platform's native id, if the operator found it.
        uri: Option<String>,
    },
    /// It is not live.
    Failed,
}

/// What an answer means for the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The step is done; for a read-back: found.
    Done(Output),
    /// Ask again later (polling, chunks); what was learned so far is kept.
    Again {
        /// The step's memo from now on.
        memo: Option<Arc<str>>,
        /// How long to wait.
        after: Millis,
    },
    /// It certainly took no effect and may succeed later.
    Retry {
        /// What went wrong.
        fault: Fault,
        /// How long the platform asked us to wait, if it did.
        after: Option<Millis>,
    },
    /// A rate limit: it took no effect, and the account rests until the limit resets.
    Parked {
        /// What the platform said.
        fault: Fault,
        /// How long to rest.
        after: Millis,
    },
    /// It certainly took no effect and never will.
    Refuse {
        /// What went wrong.
        fault: Fault,
    },
    /// The credential was refused; a fresh one may be accepted.
    Reauth {
        /// What the platform said.
        fault: Fault,
    },
    /// It was sent, and whether it took effect is not known.
    Unknown {
        /// What is known.
        fault: Fault,
    },
    /// Read-back only: the post is provably not there.
    Absent,
    /// Something staged before is gone (a blob): stage it again, then try this step again.
    Restage {
        /// The fault to report should it not help.
        fault: Fault,
    },
}

/// What a finished step gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Kept and handed to later steps, as JSON text.
    pub memo: Option<Arc<str>>,
    /// For a visible step: where the post is.
    pub receipt: Option<Receipt>,
    /// Remarks for the client.
    pub warnings: Vec<Warning>,
}

/// What was exchanged with a platform, cut to what a journal may hold. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// `POST https://host/path`, without query.
    pub request: String,
    /// The status, if an answer came.
    pub status: Option<u16>,
    /// The start of the answer's body, or in words why there was none.
    pub answer: String,
    /// How long it took.
    pub duration: Millis,
}

/// One line of a batch's journal. Entries of a batch are dense from 0; replaying them gives the
/// batch as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The batch.
    pub batch: BatchId,
    /// Its place in the batch's journal.
    pub n: u32,
    /// When and in which order it was decided.
    pub stamp: Stamp,
    /// What happened. In a journal `Accepted` carries the batch without its contents, which are
    /// stored once, beside it.
    pub event: Event,
}
