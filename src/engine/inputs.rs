//! What arrives in the mailbox.

use super::core::{Core, Teller, Waiting};
use super::handle::{Input, Ticket};
use super::interface::{Claim, EngineError, Expect, Records, Submission, Submitted, WriteError};
use super::reports::Reported;
use crate::machine::{self, Draft, DraftTarget};
use crate::model::{BatchId, MediaId, MediaSource, PostId, TargetIx};
use crate::store::{ClaimRecord, ClaimState, Key, Order, PostPlace, Record, StoreError, Write};
use crate::wire::Reply;

fn teller(ticket: Ticket<Result<Submitted, EngineError>>) -> Teller {
    Box::new(move |answer| {
        let _ = ticket.send(answer);
    })
}

/// What a claim comes to when it is looked up.
pub(super) enum Claimed {
    /// Nobody holds it; these writes clear an expired one away.
    Free(Vec<Write>),
    /// Its reply is decided.
    Replied(Reply),
    /// Its batch is still to be answered.
    Running(BatchId),
    /// It is bound to another body.
    Mismatch,
}

impl Core {
    /// Takes one input.
    pub(super) fn take(&mut self, input: Input) -> Result<(), StoreError> {
        match input {
            Input::Submit(submission, ticket) => self.submit(*submission, teller(ticket)),
            Input::Remember(claim, reply, ticket) => {
                self.remember_reply(claim, reply, teller(ticket))
            }
            Input::Peek(claim, ticket) => self.peek(claim, ticket),
            Input::Change(post, change, asking, ticket) => {
                let answer = self.change(post, change, asking)?;
                self.tell(move || {
                    let _ = ticket.send(answer);
                });
                Ok(())
            }
            Input::Reported { batch, ix, number, epoch, report } => {
                self.reported(batch, vec![Reported { ix, number, epoch, report }])
            }
            Input::Write(records, ticket) => {
                let answer = self.write(*records)?;
                self.tell(move || {
                    let _ = ticket.send(answer);
                });
                Ok(())
            }
            Input::RemoveAccount(account, ticket) => {
                let found = self.remove_account(account)?;
                self.tell(move || {
                    let _ = ticket.send(Ok(found));
                });
                Ok(())
            }
            Input::Health(ticket) => {
                let health = self.health();
                self.tell(move || {
                    let _ = ticket.send(health);
                });
                Ok(())
            }
            Input::Drain(ticket) => {
                self.draining = true;
                self.drains.push(ticket);
                Ok(())
            }
        }
    }

    fn submit(&mut self, submission: Submission, tell: Teller) -> Result<(), StoreError> {
        let mut extra = Vec::new();
        if let Some(claim) = submission.claim {
            match self.claimed(claim)? {
                Claimed::Free(writes) => extra = writes,
                taken => {
                    self.join(taken, tell);
                    return Ok(());
                }
            }
        }
        if self.draining {
            self.tell(move || tell(Err(EngineError::Stopping)));
            return Ok(());
        }
        if let Some(gone) = self.missing_upload(&submission)? {
            self.tell(move || tell(Err(EngineError::NoUpload(gone))));
            return Ok(());
        }
        self.accept(submission, extra, tell)
    }

    /// An upload that a request names and that is not there any more.
    fn missing_upload(&self, submission: &Submission) -> Result<Option<MediaId>, StoreError> {
        // An immediate target that names none fails by itself, before anybody's eyes.
        if submission.scheduled_at.is_none() {
            return Ok(None);
        }
        for item in submission.contents.iter().flat_map(|content| &content.media) {
            if let MediaSource::Upload(id) = item.source
                && self.store.get(&Key::Media(id))?.is_none()
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Makes the batch: one commit with the claim, the journal, the timer and the indexes.
    fn accept(
        &mut self,
        submission: Submission,
        mut extra: Vec<Write>,
        tell: Teller,
    ) -> Result<(), StoreError> {
        let claim = submission.claim;
        let draft = self.draft(submission);
        let id = draft.id;
        for (ix, target) in (0u8..).map(TargetIx).zip(&draft.targets) {
            let place = PostPlace { batch: id, ix };
            extra.push(Write::New(Key::Post(target.post), Record::Post(place)));
        }
        if let Some(claim) = claim {
            extra.push(self.claim_write(claim, Some(id), ClaimState::Running));
        }
        // The reply may be decided by the accepting commit itself: whoever waits must be known.
        self.waiters.insert(id, vec![Waiting { tell, replayed: false }]);
        let problem = match machine::draft(draft, &self.catalog) {
            Err(refusal) => EngineError::Refused(refusal.to_string()),
            Ok(batch) => match self.found(batch, extra)? {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
        };
        for waiting in self.waiters.remove(&id).unwrap_or_default() {
            let problem = problem.clone();
            self.tell(move || (waiting.tell)(Err(problem)));
        }
        Ok(())
    }

    fn draft(&mut self, submission: Submission) -> Draft {
        let at = self.moment.at;
        let entropy = u128::from(self.draw()) << 64 | u128::from(self.draw());
        let id = BatchId::from_raw(self.ulids.next(at, entropy));
        let targets = submission
            .targets
            .into_iter()
            .map(|target| DraftTarget {
                post: PostId::from_raw(self.ulids.next(at, 0)),
                account: target.account,
                profile: target.profile,
                platform: target.platform,
                definition: target.definition,
                content: target.content,
                warnings: target.warnings,
            })
            .collect();
        Draft {
            id,
            at,
            request_id: submission.request_id,
            key: submission.key,
            test: submission.test,
            claim: submission.claim.map(|claim| claim.id),
            scheduled_at: submission.scheduled_at,
            reply_by: at.plus(self.options.sync_wait),
            contents: submission.contents,
            targets,
        }
    }

    fn claim_write(&self, claim: Claim, batch: Option<BatchId>, state: ClaimState) -> Write {
        let created_at = self.moment.at;
        let expires_at = created_at.plus(self.options.claim_window);
        let fingerprint = claim.fingerprint;
        let record = ClaimRecord { fingerprint, created_at, expires_at, batch, state };
        // Whoever writes it has seen that no record of this id is kept.
        Write::New(Key::Claim(expires_at, claim.id), Record::Claim(record))
    }

    pub(super) fn claimed(&self, claim: Claim) -> Result<Claimed, StoreError> {
        let Some((key, record)) = self.store.claim(&claim.id)? else {
            return Ok(Claimed::Free(Vec::new()));
        };
        if record.expires_at <= self.claims_now() && !self.lives(record.batch)? {
            return Ok(Claimed::Free(vec![Write::Delete(key)]));
        }
        if record.fingerprint != claim.fingerprint {
            return Ok(Claimed::Mismatch);
        }
        Ok(match (record.state, record.batch) {
            (ClaimState::Replied { status, body }, _) => Claimed::Replied(Reply { status, body }),
            (ClaimState::Running, Some(batch)) => Claimed::Running(batch),
            (ClaimState::Running, None) => Claimed::Free(vec![Write::Delete(key)]),
        })
    }

    fn lives(&self, batch: Option<BatchId>) -> Result<bool, StoreError> {
        let Some(id) = batch else { return Ok(false) };
        Ok(self.load(id)?.is_some_and(|batch| !batch.is_settled()))
    }

    /// Answers from a claim that is taken: now, or when its batch is answered.
    fn join(&mut self, taken: Claimed, tell: Teller) {
        match taken {
            Claimed::Replied(reply) => {
                let answer = Submitted { reply, replayed: true };
                self.tell(move || tell(Ok(answer)));
            }
            Claimed::Running(batch) => {
                let waiting = Waiting { tell, replayed: true };
                self.waiters.entry(batch).or_default().push(waiting);
            }
            Claimed::Mismatch | Claimed::Free(_) => {
                self.tell(move || tell(Err(EngineError::Mismatch)));
            }
        }
    }

    fn peek(
        &mut self,
        claim: Claim,
        ticket: Ticket<Result<Option<Submitted>, EngineError>>,
    ) -> Result<(), StoreError> {
        match self.claimed(claim)? {
            Claimed::Free(_) => self.tell(move || {
                let _ = ticket.send(Ok(None));
            }),
            taken => self.join(
                taken,
                Box::new(move |answer| {
                    let _ = ticket.send(answer.map(Some));
                }),
            ),
        }
        Ok(())
    }

    fn remember_reply(
        &mut self,
        claim: Claim,
        reply: Reply,
        tell: Teller,
    ) -> Result<(), StoreError> {
        match self.claimed(claim)? {
            Claimed::Free(mut writes) => {
                writes.push(self.reply_write(claim, &reply));
                self.commit(&writes)?;
                self.tell(move || tell(Ok(Submitted { reply, replayed: false })));
            }
            taken => self.join(taken, tell),
        }
        Ok(())
    }

    fn write(
        &mut self,
        records: Records,
    ) -> Result<Result<Option<Submitted>, WriteError>, StoreError> {
        let Records { expect, mut writes, notices, keep } = records;
        if let Some((claim, reply)) = keep {
            match self.claimed(claim)? {
                Claimed::Free(cleared) => {
                    writes.extend(cleared);
                    writes.push(self.reply_write(claim, &reply));
                }
                Claimed::Replied(reply) => {
                    return Ok(Ok(Some(Submitted { reply, replayed: true })));
                }
                Claimed::Running(_) => return Ok(Err(EngineError::InProgress.into())),
                Claimed::Mismatch => return Ok(Err(EngineError::Mismatch.into())),
            }
        }
        for expected in &expect {
            let holds = match expected {
                Expect::Is(key, record) => self.store.get(key)? == *record,
                Expect::Nothing(from, to) => {
                    self.store.scan(from, to, Order::Ascending, 1)?.is_empty()
                }
            };
            if !holds {
                return Ok(Err(WriteError::Raced));
            }
        }
        for notice in notices {
            writes.push(self.notice(notice));
        }
        match self.commit(&writes) {
            Err(StoreError::TooLarge { bytes, max }) => {
                let problem = format!("{bytes} bytes in one commit, at most {max}");
                Ok(Err(WriteError::Engine(EngineError::TooLarge(problem))))
            }
            other => other.map(|()| Ok(None)),
        }
    }

    /// The write that keeps a reply under a free claim.
    pub(super) fn reply_write(&self, claim: Claim, reply: &Reply) -> Write {
        let state = ClaimState::Replied { status: reply.status, body: reply.body.clone() };
        self.claim_write(claim, None, state)
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.store.commit(self.epoch, writes)?;
        self.dirty = true;
        Ok(())
    }
}
