//! Walks everything and says all that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Parts;
use super::{ClaimRecord, ClaimState, Key, Order, Record, Scanned, Store, StoreError};
use crate::machine::stored_wake;
use crate::model::{BatchId, Digest, Timestamp};

/// Rows looked at between two breaths of the writer.
const PAGE_ROWS: usize = 512;
/// Above every key, private ones too.
const LAST: [u8; 1] = [0xff];

/// What a walk over the whole store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Batches among them.
    pub batches: u64,
    /// Of these, how many are not settled.
    pub unsettled: u64,
    /// Posts.
    pub posts: u64,
    /// Journal entries.
    pub entries: u64,
    /// What is wrong; empty in a sound store.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, in words.
    pub key: String,
    /// What, in words.
    pub problem: String,
}

/// Checks every record and what records say of each other. Run it on a store nobody writes to:
/// what a commit moves between two pages looks wrong.
///
/// # Errors
/// `Disk` when the store cannot be read on; whatever else is wrong is a finding.
pub fn verify(store: &dyn Store) -> Result<VerifyReport, StoreError> {
    let mut walk = Walk::new(store);
    let mut from = Vec::new();
    loop {
        match store.scan_checked(&from, &LAST, Order::Ascending, PAGE_ROWS) {
            Ok(page) => {
                let Some(last) = page.last() else { return walk.finish() };
                from = [last.bytes.as_slice(), &[0]].concat();
                for row in page {
                    walk.take(row)?;
                }
            }
            Err(StoreError::Corrupt { key, problem }) => {
                walk.found(key, format!("{problem}; nothing behind it could be read"));
                return walk.finish();
            }
            Err(error) => return Err(error),
        }
    }
}

struct Walk<'a> {
    store: &'a dyn Store,
    report: VerifyReport,
    /// The batch whose rows are passing by.
    current: Option<Current>,
    /// When the timer of each unsettled batch must be, and whether it has been met.
    wakes: BTreeMap<BatchId, (Timestamp, bool)>,
    /// Batches with a damaged row: when they wake cannot be known.
    damaged: BTreeSet<BatchId>,
}

/// The rows of one batch as far as they have been read.
struct Current {
    id: BatchId,
    parts: Parts,
    damaged: bool,
    /// The number that the next journal entry must have.
    next_entry: Option<u32>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            report: VerifyReport::default(),
            current: None,
            wakes: BTreeMap::new(),
            damaged: BTreeSet::new(),
        }
    }

    fn found(&mut self, key: impl ToString, problem: impl Into<String>) {
        self.report.findings.push(Finding { key: key.to_string(), problem: problem.into() });
    }

    fn take(&mut self, row: Scanned) -> Result<(), StoreError> {
        let key = Key::decode(&row.bytes);
        let batch = key.and_then(batch_of);
        if self.current.as_ref().is_some_and(|current| batch != Some(current.id)) {
            self.leave_batch()?;
        }
        if let Some(id) = batch {
            self.current.get_or_insert_with(|| Current::new(id));
        }
        self.report.records += 1;
        let words = row.words();
        match row.record {
            Ok((key, record)) => self.check(key, record),
            Err(StoreError::Corrupt { key: named, problem }) => {
                self.note_damage(key);
                self.found(named, problem);
                Ok(())
            }
            Err(error @ StoreError::TooNew { .. }) => {
                self.note_damage(key);
                self.found(words, error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn note_damage(&mut self, key: Option<Key>) {
        let Some(current) = &mut self.current else { return };
        match key {
            Some(Key::Entry(_, n)) => current.next_entry = Some(n.saturating_add(1)),
            _ => current.damaged = true,
        }
    }

    fn check(&mut self, key: Key, record: Record) -> Result<(), StoreError> {
        if !names_itself(&key, &record) {
            self.found(key, "it holds the id of another record");
        }
        match (key, record) {
            (Key::Entry(_, n), Record::Entry(_)) => self.check_entry(key, n),
            (Key::Timer(at, batch), Record::Timer(_)) => self.check_timer(key, at, batch)?,
            (Key::Post(post), Record::Post(place)) => {
                self.report.posts += 1;
                let target = Key::Target(place.batch, place.ix);
                let there = self.peek(&target)?;
                let points_back = matches!(
                    &there,
                    Peek::Sound(Record::Target(target)) if target.post == post
                );
                if !points_back && !matches!(there, Peek::Damaged) {
                    self.found(key, format!("it points to {target}, which is not this post"));
                }
            }
            (Key::Claim(at, id), Record::Claim(claim)) => {
                self.check_claim(key, (at, id), &claim)?
            }
            (Key::Delivery(..) | Key::DeliveryDue(..) | Key::MediaByTime(..), record) => {
                self.check_turns(key, &record)?;
            }
            (key, record) => {
                if let Some(current) = &mut self.current {
                    current.parts.take(&key, record);
                }
            }
        }
        Ok(())
    }

    /// A key is claimed once, and what is running has a batch.
    fn check_claim(
        &mut self,
        key: Key,
        (at, id): (Timestamp, Digest),
        claim: &ClaimRecord,
    ) -> Result<(), StoreError> {
        let others = match self.store.claim_places(&id) {
            // What hides the places is a finding of its own.
            Err(StoreError::Corrupt { .. }) => Vec::new(),
            places => places?,
        };
        for other in others.into_iter().filter(|other| *other != at) {
            if !self.is_missing(&Key::Claim(other, id))? {
                self.found(key, format!("its id is claimed again until {other}"));
            }
        }
        if claim.state == ClaimState::Running {
            match claim.batch {
                None => self.found(key, "it is running and names no batch"),
                Some(batch) if matches!(self.peek(&Key::Batch(batch))?, Peek::Nothing) => {
                    self.found(key, format!("it is running for {batch}, which is missing"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// A delivery that is due has its turn, a turn its delivery, and a place its upload.
    fn check_turns(&mut self, key: Key, record: &Record) -> Result<(), StoreError> {
        let problem = match (key, record) {
            (Key::Delivery(endpoint, notice), Record::Delivery(delivery)) => match delivery.due() {
                Some(at) if self.is_missing(&Key::DeliveryDue(endpoint, at, notice))? => {
                    Some(format!("it is due at {at} and has no turn"))
                }
                _ => None,
            },
            (Key::DeliveryDue(endpoint, at, notice), _) => {
                match self.peek(&Key::Delivery(endpoint, notice))? {
                    Peek::Sound(Record::Delivery(delivery)) if delivery.due() == Some(at) => None,
                    Peek::Damaged => None,
                    _ => Some("its delivery is not due then".to_owned()),
                }
            }
            (Key::MediaByTime(_, id), _) if self.is_missing(&Key::Media(id))? => {
                Some("there is no such upload".to_owned())
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.found(key, problem);
        }
        Ok(())
    }

    fn is_missing(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(matches!(self.peek(key)?, Peek::Nothing))
    }

    fn check_entry(&mut self, key: Key, n: u32) {
        self.report.entries += 1;
        let Some(current) = &mut self.current else { return };
        let expected = current.next_entry.replace(n.saturating_add(1));
        // A journal may have lost its start to trimming, never its middle.
        if expected.is_some_and(|expected| expected != n) {
            let expected = expected.unwrap_or_default();
            self.found(key, format!("the entries from {expected} on before it are missing"));
        }
    }

    fn check_timer(&mut self, key: Key, at: Timestamp, batch: BatchId) -> Result<(), StoreError> {
        match self.wakes.get_mut(&batch) {
            Some((wake, met)) if *wake == at => *met = true,
            Some((wake, _)) => {
                let problem = format!("its batch needs a timer at {wake}, not this one");
                self.found(key, problem);
            }
            None if self.damaged.contains(&batch) => {}
            None => match self.peek(&Key::Batch(batch))? {
                Peek::Sound(_) => self.found(key, "a timer of a settled batch"),
                Peek::Nothing => self.found(key, "a timer of a batch that is missing"),
                Peek::Damaged => {}
            },
        }
        Ok(())
    }

    /// Judges the batch whose rows have passed by.
    fn leave_batch(&mut self) -> Result<(), StoreError> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let id = current.id;
        if current.damaged {
            self.damaged.insert(id);
            return Ok(());
        }
        let problems = current.parts.problems(id);
        if !problems.is_empty() {
            self.damaged.insert(id);
            problems.into_iter().for_each(|(key, problem)| self.found(key, problem));
            return Ok(());
        }
        let Some(batch) = current.parts.assemble(id)? else {
            self.found(Key::Batch(id), "it is missing, but journal entries of it are there");
            return Ok(());
        };
        self.report.batches += 1;
        // Only the journal of a settled batch may have been trimmed whole.
        let trimmed = current.next_entry.is_none() && batch.is_settled();
        let next = current.next_entry.unwrap_or(0);
        if next != batch.entries && !trimmed {
            let problem = format!("it says {} entries, but they end before {next}", batch.entries);
            self.found(Key::Batch(id), problem);
        }
        for (ix, target) in batch.places() {
            let place = self.peek(&Key::Post(target.post))?;
            let sound = match &place {
                Peek::Sound(Record::Post(place)) => place.batch == id && place.ix == ix,
                Peek::Damaged => true,
                Peek::Sound(_) | Peek::Nothing => false,
            };
            if !sound {
                let problem = format!("its post {} does not point back to it", target.post);
                self.found(Key::Target(id, ix), problem);
            }
        }
        if let Some(wake) = stored_wake(&batch) {
            self.report.unsettled += 1;
            self.wakes.insert(id, (wake, false));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<VerifyReport, StoreError> {
        self.leave_batch()?;
        for (id, (wake, met)) in std::mem::take(&mut self.wakes) {
            if !met {
                self.found(Key::Batch(id), format!("it is not settled and has no timer at {wake}"));
            }
        }
        // What has been found leaves no hope that the rest adds up.
        if self.report.findings.is_empty() {
            match self.store.check_whole() {
                Ok(()) => {}
                Err(StoreError::Corrupt { key, problem }) => self.found(key, problem),
                Err(error) => return Err(error),
            }
        }
        Ok(self.report)
    }

    /// Another record than the one at hand; a damaged one is reported where the walk meets it.
    fn peek(&self, key: &Key) -> Result<Peek, StoreError> {
        match self.store.get(key) {
            Ok(Some(record)) => Ok(Peek::Sound(record)),
            Ok(None) => Ok(Peek::Nothing),
            Err(StoreError::Corrupt { .. } | StoreError::TooNew { .. }) => Ok(Peek::Damaged),
            Err(error) => Err(error),
        }
    }
}

enum Peek {
    Sound(Record),
    Damaged,
    Nothing,
}

impl Current {
    fn new(id: BatchId) -> Self {
        Self { id, parts: Parts::default(), damaged: false, next_entry: None }
    }
}

/// The batch whose rows a key is among.
const fn batch_of(key: Key) -> Option<BatchId> {
    match key {
        Key::Batch(id)
        | Key::Target(id, _)
        | Key::Content(id, _)
        | Key::Memo(id, ..)
        | Key::Entry(id, _)
        | Key::Fetched(id, _) => Some(id),
        _ => None,
    }
}

/// Whether a record that holds its own id holds the one its key says.
fn names_itself(key: &Key, record: &Record) -> bool {
    match (key, record) {
        (Key::Profile(id), Record::Profile(it)) => it.id == *id,
        (Key::Account(id), Record::Account(it)) => it.id == *id,
        (Key::ApiKey(hash), Record::ApiKey(it)) => it.hash == *hash,
        (Key::Media(id), Record::Media(it)) => it.id == *id,
        (Key::Endpoint(id), Record::Endpoint(it)) => it.id == *id,
        (Key::Notice(id), Record::Notice(it)) => it.id == *id,
        (Key::Entry(batch, n), Record::Entry(it)) => it.batch == *batch && it.n == *n,
        _ => true,
    }
}
