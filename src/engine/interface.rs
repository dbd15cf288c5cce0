//! What goes into the engine and what comes out.

use std::sync::Arc;

use crate::model::{
    AccountId, Batch, CancelReason, Content, ContentIx, Digest, Exchange, KeyId, MediaId,
    NoticeKind, Platform, ProfileId, RequestId, Ruling, TargetIx, Timestamp, Verdict, Warning,
};
use crate::store::{Key, Record, Write};
use crate::wire::Reply;

/// A request that passed admission and is to become a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The request.
    pub request_id: RequestId,
    /// The key it came with.
    pub key: KeyId,
    /// Whether that is a test key.
    pub test: bool,
    /// Its idempotency claim, if it carried an `Idempotency-Key`.
    pub claim: Option<Claim>,
    /// When it is to go out; `None` publishes now.
    pub scheduled_at: Option<Timestamp>,
    /// The distinct contents.
    pub contents: Vec<Content>,
    /// The targets, in the order of `targets[]`.
    pub targets: Vec<NewTarget>,
}

/// One target of a submission, resolved and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    /// The account.
    pub account: AccountId,
    /// Its profile.
    pub profile: ProfileId,
    /// Its platform.
    pub platform: Platform,
    /// The workflow definition to pin.
    pub definition: Digest,
    /// The place of its content in `contents`.
    pub content: ContentIx,
    /// Remarks from admission.
    pub warnings: Vec<Warning>,
}

/// An idempotency key bound to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// SHA-256 over organization, method, route and key.
    pub id: Digest,
    /// SHA-256 of the raw body.
    pub fingerprint: Digest,
}

/// The answer to a submission or to a remembered reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Status and exact bytes.
    pub reply: Reply,
    /// Whether another request with the same key got this reply first.
    pub replayed: bool,
}

/// Why the engine did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The mailbox is full: answer 503 with `Retry-After`. Nothing was taken.
    #[error("submit: the engine's mailbox is full")]
    Full,
    /// The engine is stopping or stopped. Whether the request was taken is not known.
    #[error("submit: the engine is stopping")]
    Stopping,
    /// The key is bound to another body. Nothing was taken.
    #[error("claim: the idempotency key is bound to another body")]
    Mismatch,
    /// The first request with this key has not been answered within the wait.
    #[error("claim: the first request with this idempotency key is still running")]
    InProgress,
    /// What was submitted cannot be stored: names the limit. Nothing was taken.
    #[error("submit: {0}")]
    TooLarge(String),
    /// An upload that the request names was deleted meanwhile. Nothing was taken.
    #[error("submit: upload {0} is gone")]
    NoUpload(MediaId),
    /// What was submitted does not hold together: a mistake of ours. Nothing was taken.
    #[error("submit: {0}")]
    Refused(String),
}

/// A change to one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another time, another content, or both, for a queued post.
    Patch {
        /// The new time.
        due: Option<Timestamp>,
        /// The new content, with the place of the content it was made from: if that has changed
        /// meanwhile, nothing happens and `Raced` says so.
        content: Option<(ContentIx, Content)>,
    },
    /// Cancel a queued post.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
    /// Decide a held post.
    Rule {
        /// The decision.
        ruling: Ruling,
    },
    /// Try a post that is not live again; `None` as soon as may be.
    Retry {
        /// When.
        due: Option<Timestamp>,
        /// Whether it is accepted that the post may be live already.
        force: bool,
    },
}

/// Who asks for a change, and how the answer is kept.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// The request; `None` for an operator's.
    pub request: Option<RequestId>,
    /// Its idempotency claim: the reply is kept under it in the commit of the change.
    pub claim: Option<Claim>,
    /// Remarks on the request, for its reply.
    pub warnings: Vec<Warning>,
}

/// The batch after a change, and which of its targets changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The batch.
    pub batch: Arc<Batch>,
    /// The target.
    pub ix: TargetIx,
    /// What the client is told.
    pub reply: Reply,
    /// Whether an equal claim got this reply first, so that nothing changed.
    pub replayed: bool,
}

/// Why a change was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No such post.
    #[error("change: no such post")]
    Unknown,
    /// The post is not in a state that allows it (rule `post.status`).
    #[error("change: the post is {status}")]
    Status {
        /// Its status on the wire.
        status: &'static str,
    },
    /// Its time has come or it has none (rule `post.scheduledAt.window`).
    #[error("change: the post's time has come")]
    Window,
    /// The new time is not far enough ahead (rule `scheduledAt.future`).
    #[error("change: the new time is less than a second ahead")]
    TooSoon,
    /// Another edit came first: read again and repeat.
    #[error("change: another edit came first")]
    Raced,
    /// The post may be live already, and the caller did not accept that.
    #[error("change: the post may be live already")]
    Doubtful,
    /// The engine could not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Records of other rooms: all is written in one commit, or nothing is.
#[derive(Debug, Default)]
pub struct Records {
    /// What must hold for the write to happen.
    pub expect: Vec<Expect>,
    /// The writes.
    pub writes: Vec<Write>,
    /// What the world is told of them.
    pub notices: Vec<NewNotice>,
    /// The reply of the request that asked, kept under its claim.
    pub keep: Option<(Claim, Reply)>,
}

/// Something that must hold for records to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// This is what the key holds.
    Is(Key, Option<Record>),
    /// There is no record between these keys, both included.
    Nothing(Key, Key),
}

/// A notice that has no id yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The request that caused it.
    pub request: Option<RequestId>,
    /// What it says: a JSON object.
    pub data: String,
}

/// Why records were not written. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A record is not what the writer expected: read again and repeat.
    #[error("write: a record changed meanwhile")]
    Raced,
    /// The engine could not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One attempt to carry out, released after the flush that recorded its beginning.
#[derive(Debug, Clone)]
pub struct Call {
    /// The batch as it stands with the attempt begun.
    pub batch: Arc<Batch>,
    /// The target; its cursor is `Running`.
    pub ix: TargetIx,
    /// The platform URIs of other posts of ours on this account, for a read-back.
    pub owned: Vec<String>,
    /// Whether what is in doubt was sent by an earlier process life. The clock may have been set
    /// since then, and nobody saw it.
    pub inherited: bool,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the answer means.
    pub verdict: Verdict,
    /// What was exchanged, for the journal.
    pub exchange: Option<Exchange>,
}

/// How the engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// When the last turn ended.
    pub last_turn: Timestamp,
    /// The earliest stored timer, if any.
    pub next_timer: Option<Timestamp>,
    /// Attempts under way.
    pub running: usize,
    /// Targets that wait for a slot.
    pub ready: usize,
    /// Batches held in memory.
    pub hot: usize,
}
