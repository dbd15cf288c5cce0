//! The narrow way in: a bounded mailbox and the futures that wait for its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use super::interface::{
    Asking, Change, ChangeError, Changed, Claim, EngineError, Expect, Health, Records, Report,
    Submission, Submitted, WriteError,
};
use crate::model::{AccountId, BatchId, NoticeId, PostId, TargetIx};
use crate::store::{Key, Record, Write};
use crate::wire::Reply;

/// Inputs the mailbox holds. A turn drains it whole, so this bounds one turn's work and memory;
/// at 64 KiB an input at the very most it is a quarter of a gibibyte, in practice a few MiB.
const MAILBOX_INPUTS: usize = 4_096;

/// Who waits for the answer to an input.
pub type Ticket<T> = oneshot::Sender<T>;

/// Everything that can arrive in the engine's mailbox.
#[derive(Debug)]
pub enum Input {
    /// A new batch.
    Submit(Box<Submission>, Ticket<Result<Submitted, EngineError>>),
    /// A reply that is to be replayed to equal keys, for requests that make no batch.
    Remember(Claim, Reply, Ticket<Result<Submitted, EngineError>>),
    /// A look at a claim before any work is done: its reply, or `None` when it is free.
    Peek(Claim, Ticket<Result<Option<Submitted>, EngineError>>),
    /// A change to one post.
    Change(PostId, Change, Asking, Ticket<Result<Changed, ChangeError>>),
    /// What came of an attempt.
    Reported {
        /// The batch.
        batch: BatchId,
        /// The target.
        ix: TargetIx,
        /// The attempt's number.
        number: u32,
        /// The attempt's epoch.
        epoch: u64,
        /// The report.
        report: Report,
    },
    /// Records of other rooms, written with the turn's commit. The answer is a kept reply when an
    /// equal claim came first; then nothing was written.
    Write(Box<Records>, Ticket<Result<Option<Submitted>, WriteError>>),
    /// Cancel everything queued for an account and delete its records, in one commit.
    RemoveAccount(AccountId, Ticket<Result<bool, EngineError>>),
    /// How does the engine do.
    Health(Ticket<Health>),
    /// Finish what runs, take nothing new, stop.
    Drain(Ticket<()>),
}

/// The receiving end, for the shell.
#[derive(Debug)]
pub struct Mailbox {
    /// The inputs.
    pub inputs: mpsc::Receiver<Input>,
    /// Tells readers which turn is durable.
    pub durable: watch::Sender<u64>,
    /// Tells who delivers them that there are new notices: the newest.
    pub noticed: watch::Sender<NoticeId>,
    /// The turn whose writes readers may already see.
    pub visible: Arc<AtomicU64>,
}

/// The sending end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    durable: watch::Receiver<u64>,
    noticed: watch::Receiver<NoticeId>,
    visible: Arc<AtomicU64>,
}

/// A mailbox and the handle that fills it.
pub fn mailbox() -> (Handle, Mailbox) {
    let (send, inputs) = mpsc::channel(MAILBOX_INPUTS);
    let (durable_send, durable) = watch::channel(0);
    let (noticed_send, noticed) = watch::channel(NoticeId::from_raw(0));
    let visible = Arc::new(AtomicU64::new(0));
    let handle = Handle { inputs: send, durable, noticed, visible: Arc::clone(&visible) };
    (handle, Mailbox { inputs, durable: durable_send, noticed: noticed_send, visible })
}

impl Handle {
    /// Accepts a batch, or joins or replays the one that an equal claim made. Resolves when the
    /// batch is answered: settled, accepted for later, or still running after the wait.
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    /// See `EngineError`.
    pub async fn submit(&self, submission: Submission) -> Result<Submitted, EngineError> {
        self.ask(|ticket| Input::Submit(Box::new(submission), ticket)).await?
    }

    /// Whether the engine has stopped, so that nothing can be asked of it any more.
    pub fn is_stopped(&self) -> bool {
        self.inputs.is_closed()
    }

    /// Keeps a reply under a claim; gets the kept one when an equal claim came first.
    ///
    /// # Errors
    /// See `EngineError`.
    pub async fn remember(&self, claim: Claim, reply: Reply) -> Result<Submitted, EngineError> {
        self.ask(|ticket| Input::Remember(claim, reply, ticket)).await?
    }

    /// The reply of a claim: waits for a running one; `None` when the claim is free.
    ///
    /// # Errors
    /// See `EngineError`.
    pub async fn peek(&self, claim: Claim) -> Result<Option<Submitted>, EngineError> {
        self.ask(|ticket| Input::Peek(claim, ticket)).await?
    }

    /// Changes one post.
    ///
    /// # Errors
    /// See `ChangeError`.
    pub async fn change(
        &self,
        post: PostId,
        change: Change,
        asking: Asking,
    ) -> Result<Changed, ChangeError> {
        self.ask(|ticket| Input::Change(post, change, asking, ticket)).await?
    }

    /// Writes records of another room, durably, if all that is expected holds.
    ///
    /// # Errors
    /// See `WriteError`.
    pub async fn write(
        &self,
        expect: Vec<(Key, Option<Record>)>,
        writes: Vec<Write>,
    ) -> Result<(), WriteError> {
        let expect = expect.into_iter().map(|(key, record)| Expect::Is(key, record)).collect();
        self.record(Records { expect, writes, ..Records::default() }).await.map(|_| ())
    }

    /// As `write`, with all that can go into one commit. A kept reply comes back when an equal
    /// claim came first; then nothing was written.
    ///
    /// # Errors
    /// See `WriteError`; a claim that is bound to another body is `EngineError::Mismatch`.
    pub async fn record(&self, records: Records) -> Result<Option<Submitted>, WriteError> {
        self.ask(|ticket| Input::Write(Box::new(records), ticket)).await?
    }

    /// Removes an account: what is queued for it is canceled in the same commit; what is being
    /// published finishes. False when there is no such account.
    ///
    /// # Errors
    /// See `EngineError`.
    pub async fn remove_account(&self, account: AccountId) -> Result<bool, EngineError> {
        self.ask(|ticket| Input::RemoveAccount(account, ticket)).await?
    }

    /// How the engine does.
    ///
    /// # Errors
    /// `Full` or `Stopping`.
    pub async fn health(&self) -> Result<Health, EngineError> {
        self.ask(Input::Health).await
    }

    /// Finishes attempts under way, refuses new work and stops; resolves when all is durable.
    ///
    /// # Errors
    /// `Stopping` when it has stopped already.
    pub async fn drain(&self) -> Result<(), EngineError> {
        let (ticket, answer) = oneshot::channel();
        self.inputs.send(Input::Drain(ticket)).await.map_err(|_| EngineError::Stopping)?;
        answer.await.map_err(|_| EngineError::Stopping)
    }

    /// Hands in what came of an attempt. Waits for room: a report is never dropped.
    pub async fn report(
        &self,
        batch: BatchId,
        ix: TargetIx,
        number: u32,
        epoch: u64,
        report: Report,
    ) {
        // A stopped engine needs no report: the next life recovers the attempt from the journal.
        let _ = self.inputs.send(Input::Reported { batch, ix, number, epoch, report }).await;
    }

    /// Waits until everything that a read may have seen is durable. Call it between reading the
    /// store and telling anybody.
    ///
    /// # Errors
    /// `Stopping` when the engine stopped before it was.
    pub async fn settled_reads(&self) -> Result<(), EngineError> {
        let seen = self.visible.load(Ordering::Acquire);
        let mut durable = self.durable.clone();
        durable.wait_for(|turn| *turn >= seen).await.map_err(|_| EngineError::Stopping)?;
        Ok(())
    }

    /// Changes with every durable turn: for following a journal.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    /// Changes when there are new notices: the newest one.
    pub fn noticed(&self) -> watch::Receiver<NoticeId> {
        self.noticed.clone()
    }

    async fn ask<T>(&self, input: impl FnOnce(Ticket<T>) -> Input) -> Result<T, EngineError> {
        let (ticket, answer) = oneshot::channel();
        self.inputs.try_send(input(ticket)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => EngineError::Full,
            mpsc::error::TrySendError::Closed(_) => EngineError::Stopping,
        })?;
        answer.await.map_err(|_| EngineError::Stopping)
    }
}
