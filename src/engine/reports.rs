//! What comes of attempts.
//!
//! Attempts of one batch end together as often as they begin together. What a turn hears of them
//! goes into one commit, so that the batch's head is written once for all.

use std::sync::Arc;

use super::core::Core;
use super::handle::Input;
use super::interface::Report;
use super::plan::Plan;
use super::timers::EVENTS_MAX;
use crate::machine::Refusal;
use crate::model::{Batch, BatchId, Code, Cursor, Errand, Event, Fault, TargetIx, Verdict};
use crate::store::StoreError;

/// What reports of one commit may keep in its journal together: far below its limit, beyond which
/// records go to files of their own.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// What came of an attempt at one target.
pub(super) struct Reported {
    pub ix: TargetIx,
    pub number: u32,
    pub epoch: u64,
    pub report: Report,
}

impl Core {
    /// Takes the inputs of a turn, in their order; reports that come one after the other by batch.
    pub(super) fn take_all(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<(), StoreError> {
        let mut heard: Vec<(BatchId, Vec<Reported>)> = Vec::new();
        for input in inputs {
            match input {
                Input::Reported { batch, ix, number, epoch, report } => {
                    let reported = Reported { ix, number, epoch, report };
                    match heard.iter_mut().rev().find(|(known, _)| *known == batch) {
                        Some((_, reports)) => reports.push(reported),
                        None => heard.push((batch, vec![reported])),
                    }
                }
                other => {
                    self.hear(&mut heard)?;
                    self.take(other)?;
                }
            }
        }
        self.hear(&mut heard)
    }

    fn hear(&mut self, heard: &mut Vec<(BatchId, Vec<Reported>)>) -> Result<(), StoreError> {
        for (batch, reports) in heard.drain(..) {
            self.reported(batch, reports)?;
        }
        Ok(())
    }

    /// Takes what came of attempts of one batch.
    pub(super) fn reported(
        &mut self,
        id: BatchId,
        reports: Vec<Reported>,
    ) -> Result<(), StoreError> {
        if reports.len() == 1 {
            return reports.into_iter().try_for_each(|reported| self.reported_alone(id, reported));
        }
        let mut together: Vec<Event> = Vec::new();
        let mut bytes = 0;
        for reported in reports {
            let kept = match self.load(id)? {
                Some(batch) => kept_bytes(&batch, &reported),
                None => None,
            };
            let Some(kept) = kept else {
                self.answered(id, std::mem::take(&mut together))?;
                self.reported_alone(id, reported)?;
                continue;
            };
            bytes += kept;
            if together.len() == EVENTS_MAX || bytes > KEPT_BYTES_MAX {
                self.answered(id, std::mem::take(&mut together))?;
                bytes = kept;
            }
            together.push(reported.into_event());
        }
        self.answered(id, together)
    }

    fn reported_alone(&mut self, id: BatchId, reported: Reported) -> Result<(), StoreError> {
        let Reported { ix, report, .. } = reported;
        let verdict = self.adopts_alone(id, ix, report.verdict)?;
        let report = Report { verdict, ..report };
        self.answered(id, vec![Reported { report, ..reported }.into_event()])
    }

    /// Applies answers in one commit; where one of them is refused, each in its own.
    fn answered(&mut self, id: BatchId, events: Vec<Event>) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let again = if events.len() > 1 { events.clone() } else { Vec::new() };
        let attempt = match events.as_slice() {
            [Event::Answered { number, .. }] => *number,
            _ => 0,
        };
        match self.plan(id, events)? {
            Ok(plan) => self.carry_on(id, plan)?,
            Err(_) if !again.is_empty() => {
                return again.into_iter().try_for_each(|event| self.answered(id, vec![event]));
            }
            Err(Refusal::Stale) => {
                tracing::info!(batch.id = %id, attempt, "a late report was dropped");
            }
            Err(refusal) => {
                tracing::error!(batch.id = %id, attempt, %refusal, "a report was refused");
            }
        }
        Ok(())
    }

    /// Makes what came of attempts happen. Who has a next step and keeps the slot, because nobody
    /// waits for it, begins that step in the same commit.
    fn carry_on(&mut self, id: BatchId, plan: Plan) -> Result<(), StoreError> {
        let mut begun = if self.draining { Vec::new() } else { plan.goes_on(self.epoch) };
        begun.retain(|(account, _)| self.lanes.may_keep(*account));
        let begins: Vec<Event> = begun.iter().map(|(_, ix)| Event::Begun { ix: *ix }).collect();
        let later = match begins.is_empty() {
            true => None,
            false => self.plan_on(Some(Arc::clone(&plan.batch)), id, begins).ok(),
        };
        let plan = match later {
            Some(later) => plan.then(later),
            None => {
                begun.clear();
                plan
            }
        };
        let batch = self.carry_through(plan, vec![], None)?;
        for (account, ix) in &begun {
            // The slot of the step before was given back when that one ended.
            if let Some(target) = batch.target(*ix) {
                self.open_lane(target);
                self.lanes.take(*account);
            }
        }
        self.note_begun(&batch, &begun);
        Ok(())
    }

    /// A read-back that found a post which another of ours came to own meanwhile has found nothing
    /// yet: it is read again, with that one left out. Two posts never share a landing.
    fn adopts_alone(
        &mut self,
        id: BatchId,
        ix: TargetIx,
        verdict: Verdict,
    ) -> Result<Verdict, StoreError> {
        let Verdict::Done(output) = &verdict else { return Ok(verdict) };
        let Some(uri) = output.receipt.as_ref().and_then(|receipt| receipt.uri.as_ref()) else {
            return Ok(verdict);
        };
        // Nothing is owned but for a read-back, so a sending costs no look.
        let owned = match self.load(id)? {
            Some(batch) => self.owned(&batch, ix)?,
            None => Vec::new(),
        };
        if !owned.contains(uri) {
            return Ok(verdict);
        }
        let fault = Fault::new(Code::PlatformUnavailable, "the post found is another of ours")
            .rule("target.publish.outcome_unknown")
            .remedy("Nothing need be done: the account is read again.")
            .retryable();
        Ok(Verdict::Retry { fault, after: None })
    }
}

impl Reported {
    fn into_event(self) -> Event {
        let Self { ix, number, epoch, report: Report { verdict, exchange } } = self;
        Event::Answered { ix, number, epoch, verdict, exchange }
    }
}

/// About how many bytes a report keeps that may be taken with others: a sending that went well.
/// `None` for all else: a read-back must know whatever was taken before it, since two posts never
/// share a landing, and a failure may keep much.
fn kept_bytes(batch: &Batch, reported: &Reported) -> Option<usize> {
    let Cursor::Running(attempt) = batch.target(reported.ix)?.cursor else { return None };
    let Verdict::Done(output) = &reported.report.verdict else { return None };
    if attempt.errand != Errand::Send {
        return None;
    }
    let answer = reported.report.exchange.as_ref().map_or(0, |exchange| exchange.answer.len());
    Some(answer + output.memo.as_ref().map_or(0, |memo| memo.len()))
}
