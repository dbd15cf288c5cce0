//! Walks everything that is stored and names whatever does not hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{ClaimState, Key, Order, Record, Store, StoreError, load_batch};
use crate::model::{Batch, BatchId, PostId, ReplyState, TargetIx, Timestamp};

/// Records of one page.
const PAGE: usize = 1_000;

/// What a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Batches among them.
    pub batches: u64,
    /// Journal entries among them.
    pub entries: u64,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The record, in words.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Default)]
struct Walk {
    report: VerifyReport,
    batches: BTreeSet<BatchId>,
    entries: BTreeMap<BatchId, (u32, u32)>,
    timers: BTreeMap<BatchId, Vec<Timestamp>>,
    posts: BTreeMap<PostId, (BatchId, TargetIx)>,
    claims: Vec<(Key, BatchId)>,
}

/// Reads every record. Damage is reported, not stopped at.
///
/// # Errors
/// `Disk` when the store cannot be read at all.
pub fn verify(store: &dyn Store) -> Result<VerifyReport, StoreError> {
    let mut walk = Walk::default();
    let mut from = vec![0];
    let to = super::value::PARTS_BEGIN;
    loop {
        let page = store.scan_checked(&from, &to, Order::Ascending, PAGE)?;
        let more = page.len() == PAGE;
        if let Some(last) = page.last() {
            from.clone_from(&last.bytes);
            from.push(0);
        }
        for scanned in page {
            walk.report.records += 1;
            match scanned.record {
                Ok((key, record)) => walk.note(key, &record),
                Err(StoreError::Corrupt { key, problem }) => walk.find(key, problem),
                Err(other) => return Err(other),
            }
        }
        if !more {
            break;
        }
    }
    walk.check_batches(store)?;
    walk.check_indexes();
    Ok(walk.report)
}

impl Walk {
    fn find(&mut self, key: impl ToString, problem: impl Into<String>) {
        self.report.findings.push(Finding { key: key.to_string(), problem: problem.into() });
    }

    fn note(&mut self, key: Key, record: &Record) {
        match (key, record) {
            (Key::Batch(id), _) => {
                self.report.batches += 1;
                self.batches.insert(id);
            }
            (Key::Entry(id, n), Record::Entry(entry)) => {
                self.report.entries += 1;
                if entry.n != n || entry.batch != id {
                    self.find(key, "it says it belongs elsewhere");
                }
                let (first, next) = self.entries.get(&id).copied().unwrap_or((n, n));
                if n != next {
                    self.find(key, format!("entry {next} before it is missing"));
                }
                self.entries.insert(id, (first, n + 1));
            }
            (Key::Timer(at, id), _) => self.timers.entry(id).or_default().push(at),
            (Key::Post(post), Record::Post(place)) => {
                self.posts.insert(post, (place.batch, place.ix));
            }
            (Key::Claim(_), Record::Claim(claim)) => {
                if let (ClaimState::Running, Some(batch)) = (&claim.state, claim.batch) {
                    self.claims.push((key, batch));
                }
            }
            _ => {}
        }
    }

    fn check_batches(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        for id in self.batches.clone() {
            match load_batch(store, id) {
                Ok(Some(batch)) => self.check_batch(&batch),
                Ok(None) => self.find(id, "it has no head"),
                // Damage to one of its records was named when that record was read.
                Err(StoreError::Corrupt { key, problem }) => {
                    if !self.report.findings.iter().any(|known| known.key == key) {
                        self.find(key, problem);
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn check_batch(&mut self, batch: &Batch) {
        let id = batch.id;
        match self.entries.get(&id) {
            Some((_, next)) if *next == batch.entries => {}
            // A trimmed journal is gone whole.
            None if batch.is_settled() => {}
            found => {
                let next = found.map_or(0, |(_, next)| *next);
                self.find(id, format!("its journal ends before {next}, not {}", batch.entries));
            }
        }
        let wake = earliest_wake(batch);
        let timers = self.timers.remove(&id).unwrap_or_default();
        if timers.len() > 1 || timers.first().copied() != wake {
            let wake = wake.map_or_else(|| "none".to_owned(), |at| at.to_string());
            let found: Vec<String> = timers.iter().map(Timestamp::to_string).collect();
            self.find(id, format!("it should have the timer {wake} and has {found:?}"));
        }
        for (ix, target) in batch.places() {
            if self.posts.remove(&target.post) != Some((id, ix)) {
                self.find(target.post, "the index does not lead to it");
            }
        }
    }

    fn check_indexes(&mut self) {
        for (post, (batch, _)) in std::mem::take(&mut self.posts) {
            if !self.batches.contains(&batch) {
                self.find(post, format!("its index names {batch}, which is not there"));
            }
        }
        for (batch, _) in std::mem::take(&mut self.timers) {
            if !self.batches.contains(&batch) {
                self.find(batch, "a timer names it and it is not there");
            }
        }
        for (key, batch) in std::mem::take(&mut self.claims) {
            if !self.batches.contains(&batch) {
                self.find(key, format!("it waits for {batch}, which is not there"));
            }
        }
    }
}

fn earliest_wake(batch: &Batch) -> Option<Timestamp> {
    let reply = match batch.reply {
        ReplyState::Pending { by } => Some(by),
        ReplyState::Given => None,
    };
    batch.targets.iter().filter_map(|target| target.cursor.wake()).chain(reply).min()
}
