//! A batch as rows: one for its head, one for each target, content and memo.
//!
//! Every row is small and most are written once: an event rewrites the head and the one target
//! it moved.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{BatchHead, Key, Record, Store, StoreError, Write};
use crate::model::{Batch, BatchId, Content, ContentIx, JournalEntry, StepRef, Target, TargetIx};

/// The batch with this id, whole; `None` when there is none.
///
/// # Errors
/// `Corrupt` when a row is damaged or missing; `Disk`.
pub fn load_batch(store: &dyn Store, id: BatchId) -> Result<Option<Batch>, StoreError> {
    let last = Key::Memo(id, TargetIx(u8::MAX), StepRef { step: u16::MAX, round: u16::MAX });
    let mut parts = Ok(Parts::default());
    store.scan_each(&[(Key::Batch(id), last)], usize::MAX, &mut |_, row| take(&mut parts, row));
    parts?.assemble(id)
}

/// Takes one row of a batch, or what is wrong with one.
fn take(parts: &mut Result<Parts, StoreError>, row: Result<(Key, Record), StoreError>) {
    match row {
        Err(error) => *parts = Err(error),
        Ok((key, record)) => {
            if let Ok(parts) = parts {
                parts.take(&key, record);
            }
        }
    }
}

/// A batch, if there is one, with its journal.
pub type Told = (Option<Batch>, Vec<JournalEntry>);

impl dyn Store + '_ {
    /// The batches with these ids as they are shown: without what their steps remember. It takes
    /// least when one comes below the other. Each may fail as in `load_batch`.
    pub fn shown_batches(&self, ids: &[BatchId]) -> Vec<Result<Option<Batch>, StoreError>> {
        let stretch = |id: &BatchId| (Key::Batch(*id), Key::Content(*id, ContentIx(u16::MAX)));
        let stretches: Vec<(Key, Key)> = ids.iter().map(stretch).collect();
        let mut all: Vec<_> = ids.iter().map(|_| Ok(Parts::default())).collect();
        self.scan_each(&stretches, usize::MAX, &mut |place, row| take(&mut all[place], row));
        all.into_iter().zip(ids).map(|(parts, id)| parts?.assemble(*id)).collect()
    }

    /// The batch with this id and its journal, in one pass; `None` when that is more than
    /// `rows_max` rows.
    ///
    /// # Errors
    /// As `load_batch`.
    pub fn told_batch(&self, id: BatchId, rows_max: usize) -> Result<Option<Told>, StoreError> {
        let limit = rows_max.saturating_add(1);
        let last = Key::Entry(id, u32::MAX);
        let mut parts = Ok(Parts::default());
        let mut entries = Vec::new();
        let mut rows = 0;
        self.scan_each(&[(Key::Batch(id), last)], limit, &mut |_, row| {
            rows += 1;
            match row {
                Ok((_, Record::Entry(entry))) => entries.push(*entry),
                part => take(&mut parts, part),
            }
        });
        let parts = parts?;
        if rows > rows_max {
            return Ok(None);
        }
        Ok(Some((parts.assemble(id)?, entries)))
    }
}

/// The changes that turn the stored `old` into `new`: nothing for what stayed the same.
pub fn batch_writes(old: Option<&Batch>, new: &Batch) -> Vec<Write> {
    let mut writes = Vec::with_capacity(8);
    match old {
        None => new_rows(new, &mut writes),
        Some(old) => changed_rows(old, new, &mut writes),
    }
    writes
}

fn new_rows(batch: &Batch, writes: &mut Vec<Write>) {
    let id = batch.id;
    writes.push(Write::New(Key::Batch(id), Record::Batch(BatchHead::of(batch))));
    for (ix, target) in batch.places() {
        let bare = Record::Target(Box::new(without_memo(target)));
        writes.push(Write::New(Key::Target(id, ix), bare));
        memo_writes(id, ix, None, target, writes);
    }
    for (ix, content) in &batch.contents {
        let record = Record::Content(content.as_ref().clone());
        writes.push(Write::New(Key::Content(id, *ix), record));
    }
}

fn changed_rows(old: &Batch, new: &Batch, writes: &mut Vec<Write>) {
    let id = new.id;
    let head = BatchHead::of(new);
    // Every event is counted in the head, so nearly always there is nothing to compare.
    if old.entries != new.entries || BatchHead::of(old) != head {
        writes.push(Write::Put(Key::Batch(id), Record::Batch(head)));
    }
    for (ix, target) in new.places() {
        let before = old.target(ix);
        if before.is_some_and(|before| Arc::ptr_eq(before, target) || before == target) {
            continue;
        }
        let bare = without_memo(target);
        let memo_alone =
            before.is_some_and(|before| before.memo != target.memo && without_memo(before) == bare);
        if !memo_alone {
            writes.push(Write::Put(Key::Target(id, ix), Record::Target(Box::new(bare))));
        }
        memo_writes(id, ix, before.map(AsRef::as_ref), target, writes);
    }
    for (ix, content) in &new.contents {
        let before = old.contents.get(ix);
        let same = before.is_some_and(|it| Arc::ptr_eq(it, content) || it == content);
        if !same {
            let record = Record::Content(content.as_ref().clone());
            writes.push(Write::Put(Key::Content(id, *ix), record));
        }
    }
    for ix in old.contents.keys() {
        if !new.contents.contains_key(ix) {
            writes.push(Write::Delete(Key::Content(id, *ix)));
        }
    }
}

fn memo_writes(
    id: BatchId,
    ix: TargetIx,
    old: Option<&Target>,
    new: &Target,
    writes: &mut Vec<Write>,
) {
    for (step, memo) in &new.memo {
        let (key, record) = (Key::Memo(id, ix, *step), || Record::Memo(memo.to_string()));
        match old.and_then(|old| old.memo.get(step)) {
            None => writes.push(Write::New(key, record())),
            Some(before) if before == memo => {}
            Some(_) => writes.push(Write::Put(key, record())),
        }
    }
    for step in old.iter().flat_map(|old| old.memo.keys()) {
        if !new.memo.contains_key(step) {
            writes.push(Write::Delete(Key::Memo(id, ix, *step)));
        }
    }
}

fn without_memo(target: &Target) -> Target {
    Target { memo: BTreeMap::new(), ..target.clone() }
}

/// The rows of one batch, on their way to becoming one.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) head: Option<BatchHead>,
    /// In the order of their places.
    targets: Vec<(TargetIx, Box<Target>)>,
    contents: BTreeMap<ContentIx, Arc<Content>>,
    memos: BTreeMap<(TargetIx, StepRef), String>,
}

impl Parts {
    /// Takes one row of the batch; a row of another kind is passed over.
    pub(super) fn take(&mut self, key: &Key, record: Record) {
        match (key, record) {
            (Key::Batch(_), Record::Batch(head)) => self.head = Some(head),
            (Key::Target(_, ix), Record::Target(target)) => {
                // Nearly always it is the last one.
                let place = self.place(*ix).unwrap_or_else(|place| place);
                self.targets.insert(place, (*ix, target));
            }
            (Key::Content(_, ix), Record::Content(content)) => {
                self.contents.insert(*ix, Arc::new(content));
            }
            (Key::Memo(_, ix, step), Record::Memo(memo)) => {
                self.memos.insert((*ix, *step), memo);
            }
            _ => {}
        }
    }

    /// All that keeps these rows from being the batch `id`.
    pub(super) fn problems(&self, id: BatchId) -> Vec<(Key, String)> {
        let mut problems = Vec::new();
        let mut missing = |key, owner: &str| problems.push((key, format!("{owner} is missing")));
        if self.is_empty() {
            return Vec::new();
        }
        for ix in (0..self.count()).map(TargetIx).filter(|ix| !self.has_target(*ix)) {
            missing(Key::Target(id, ix), "it");
        }
        for (ix, target) in &self.targets {
            if !self.contents.contains_key(&target.content) {
                missing(Key::Target(id, *ix), &format!("its content {}", target.content.0));
            }
        }
        for (ix, step) in self.memos.keys().filter(|(ix, _)| !self.has_target(*ix)) {
            missing(Key::Memo(id, *ix, *step), "its target");
        }
        match &self.head {
            None => missing(Key::Batch(id), "it, but not the rest of its batch,"),
            Some(head) if head.id != id => {
                problems.push((Key::Batch(id), format!("it is the head of {}", head.id)));
            }
            Some(head) if self.count() != head.targets => {
                let (said, there) = (head.targets, self.count());
                let problem = format!("it says {said} targets, but there are {there}");
                problems.push((Key::Batch(id), problem));
            }
            Some(_) => {}
        }
        problems
    }

    /// How many targets the head names or, if more, the rows do.
    fn count(&self) -> u8 {
        let named = self.head.as_ref().map_or(0, |head| head.targets);
        let last = self.targets.last().map_or(0, |(ix, _)| ix.0.saturating_add(1));
        named.max(last)
    }

    fn has_target(&self, ix: TargetIx) -> bool {
        self.place(ix).is_ok()
    }

    fn place(&self, ix: TargetIx) -> Result<usize, usize> {
        self.targets.binary_search_by_key(&ix, |(ix, _)| *ix)
    }

    fn is_empty(&self) -> bool {
        self.head.is_none()
            && self.targets.is_empty()
            && self.contents.is_empty()
            && self.memos.is_empty()
    }

    /// The batch, if there were rows.
    pub(super) fn assemble(mut self, id: BatchId) -> Result<Option<Batch>, StoreError> {
        if let Some((key, problem)) = self.problems(id).into_iter().next() {
            return Err(StoreError::Corrupt { key: key.to_string(), problem });
        }
        for ((ix, step), memo) in std::mem::take(&mut self.memos) {
            let place = self.place(ix).expect("a memo without target is a problem");
            self.targets[place].1.memo.insert(step, memo.into());
        }
        let Some(head) = self.head else { return Ok(None) };
        let targets = self.targets.into_iter().map(|(_, target)| Arc::from(target)).collect();
        Ok(Some(head.with(self.contents, targets)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Cursor, Event, Outcome, Stamp};
    use crate::store::Memory;
    use crate::store::samples::Maker;

    fn stored(batch: &Batch) -> (Memory, u64) {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        store.commit(epoch, &batch_writes(None, batch)).expect("memory");
        (store, epoch)
    }

    fn keys(writes: &[Write]) -> Vec<Key> {
        writes.iter().map(|write| *write.key()).collect()
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_as_it_was_written(seed in any::<u64>(), targets in 1usize..25) {
            let batch = Maker::new(seed).batch(targets);
            let (store, _) = stored(&batch);
            prop_assert_eq!(load_batch(&store, batch.id), Ok(Some(batch)));
        }

        #[test]
        fn an_update_turns_the_old_into_the_new(seed in any::<u64>(), targets in 1usize..6) {
            let mut maker = Maker::new(seed);
            let old = maker.batch(targets);
            let new = Batch { id: old.id, ..maker.batch(targets) };
            let (store, epoch) = stored(&old);
            store.commit(epoch, &batch_writes(Some(&old), &new)).expect("memory");
            prop_assert_eq!(load_batch(&store, new.id), Ok(Some(new)));
        }
    }

    #[test]
    fn a_read_takes_the_rows_it_needs() {
        let mut batch = Maker::new(5).batch(3);
        let step = StepRef { step: 1, round: 0 };
        Arc::make_mut(&mut batch.targets[1]).memo = [(step, "kept".into())].into();
        let (memory, epoch) = stored(&batch);
        let entry = JournalEntry {
            batch: batch.id,
            n: 0,
            stamp: Stamp { seq: 1, at: batch.created_at, entropy: 0, epoch },
            event: Event::ReplyDue,
        };
        let write = Write::New(Key::Entry(batch.id, 0), Record::Entry(Box::new(entry.clone())));
        memory.commit(epoch, &[write]).expect("memory");
        let store: &dyn Store = &memory;
        let targets = batch.targets.iter().map(|it| Arc::new(without_memo(it))).collect();
        let shown = Batch { targets, ..batch.clone() };
        let nobody = BatchId::from_raw(batch.id.raw() ^ 1);
        let found = store.shown_batches(&[batch.id, nobody]);
        assert_eq!(found, [Ok(Some(shown)), Ok(None)]);
        let rows = batch_writes(None, &batch).len() + 1;
        let told = (Some(batch.clone()), vec![entry]);
        assert_eq!(store.told_batch(batch.id, rows), Ok(Some(told)));
        assert_eq!(store.told_batch(batch.id, rows - 1), Ok(None));
        assert_eq!(store.told_batch(nobody, 0), Ok(Some((None, Vec::new()))));
    }

    #[test]
    fn nothing_changed_writes_nothing() {
        let batch = Maker::new(1).batch(5);
        assert_eq!(batch_writes(Some(&batch), &batch), []);
        let mut copy = batch.clone();
        copy.targets = batch.targets.iter().map(|it| Arc::new(it.as_ref().clone())).collect();
        assert_eq!(batch_writes(Some(&batch), &copy), []);
    }

    #[test]
    fn one_event_writes_the_head_and_the_target_it_moved() {
        let old = Maker::new(2).batch(25);
        let mut new = old.clone();
        new.entries += 1;
        Arc::make_mut(&mut new.targets[7]).cursor = Cursor::Ended(Outcome::Canceled);
        Arc::make_mut(&mut new.targets[7]).attempts += 1;
        let writes = batch_writes(Some(&old), &new);
        assert_eq!(keys(&writes), [Key::Batch(old.id), Key::Target(old.id, TargetIx(7))]);
    }

    #[test]
    fn a_memo_alone_is_written_alone_and_a_lost_one_is_removed() {
        let step = |n| StepRef { step: n, round: 0 };
        let mut old = Maker::new(3).batch(2);
        Arc::make_mut(&mut old.targets[1]).memo =
            [(step(1), "1".into()), (step(2), "2".into())].into();
        let mut new = old.clone();
        Arc::make_mut(&mut new.targets[1]).memo =
            [(step(1), "1".into()), (step(3), "3".into())].into();
        let at = |n| Key::Memo(old.id, TargetIx(1), step(n));
        let expected = [Write::New(at(3), Record::Memo("3".to_owned())), Write::Delete(at(2))];
        assert_eq!(batch_writes(Some(&old), &new), expected);
    }

    #[test]
    fn a_missing_row_is_named_and_an_unknown_batch_is_none() {
        let batch = Maker::new(4).batch(3);
        let (id, content) = (batch.id, batch.targets[1].content);
        let step = StepRef { step: 1, round: 1 };
        assert_eq!(load_batch(&Memory::new(), id), Ok(None));
        let memo = || Write::Put(Key::Memo(id, TargetIx(9), step), Record::Memo("{}".to_owned()));
        let cases = [
            (Write::Delete(Key::Batch(id)), Key::Batch(id)),
            (Write::Delete(Key::Target(id, TargetIx(1))), Key::Target(id, TargetIx(1))),
            (Write::Delete(Key::Target(id, TargetIx(2))), Key::Target(id, TargetIx(2))),
            (Write::Delete(Key::Content(id, content)), {
                let first = batch.targets.iter().position(|it| it.content == content);
                Key::Target(id, TargetIx(u8::try_from(first.expect("one")).expect("small")))
            }),
            (memo(), Key::Memo(id, TargetIx(9), step)),
        ];
        for (damage, named) in cases {
            let (store, epoch) = stored(&Batch {
                targets: batch.targets.iter().map(|it| Arc::new(without_memo(it))).collect(),
                ..batch.clone()
            });
            store.commit(epoch, std::slice::from_ref(&damage)).expect("memory");
            let got = load_batch(&store, id);
            assert!(
                matches!(&got, Err(StoreError::Corrupt { key, .. }) if *key == named.to_string()),
                "{damage:?}: {got:?}"
            );
        }
    }
}
