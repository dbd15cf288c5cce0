//! A batch as a handful of records: small ones that change, large ones that are written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{BatchHead, Key, Order, Record, Store, StoreError, Write};
use crate::model::{Batch, BatchId, ContentIx, StepRef, Target, TargetIx};

/// Records of one batch, entries aside: 25 targets with 35 memos and edits stay far below.
const RECORDS_MAX: usize = 100_000;

/// The whole batch, or `None` when there is none.
///
/// # Errors
/// `Corrupt` when a part is missing or does not hold; `Disk`.
pub fn load_batch(store: &dyn Store, id: BatchId) -> Result<Option<Batch>, StoreError> {
    let last = Key::Memo(id, TargetIx(u8::MAX), StepRef { step: u16::MAX, round: u16::MAX });
    let records = store.scan(&Key::Batch(id), &last, Order::Ascending, RECORDS_MAX)?;
    let mut head = None;
    let mut contents = BTreeMap::new();
    let mut targets: BTreeMap<TargetIx, Target> = BTreeMap::new();
    for (key, record) in records {
        match (key, record) {
            (Key::Batch(_), Record::Batch(found)) => head = Some(found),
            (Key::Target(_, ix), Record::Target(target)) => {
                targets.insert(ix, *target);
            }
            (Key::Content(_, place), Record::Content(content)) => {
                contents.insert(place, Arc::new(content));
            }
            (Key::Memo(_, ix, at), Record::Memo(text)) => {
                let target = targets
                    .get_mut(&ix)
                    .ok_or_else(|| broken(id, format!("a memo names target {}", ix.0)))?;
                target.memo.insert(at, Arc::from(text));
            }
            (other, _) => return Err(broken(id, format!("{other} stands among its records"))),
        }
    }
    let Some(head) = head else {
        return match targets.is_empty() {
            true => Ok(None),
            false => Err(broken(id, "it has targets and no head".to_owned())),
        };
    };
    whole(id, &head, &contents, &targets)?;
    let targets = targets.into_values().map(Arc::new).collect();
    Ok(Some(head.with(contents, targets)))
}

fn whole(
    id: BatchId,
    head: &BatchHead,
    contents: &BTreeMap<ContentIx, Arc<crate::model::Content>>,
    targets: &BTreeMap<TargetIx, Target>,
) -> Result<(), StoreError> {
    let dense = (0..head.targets).all(|ix| targets.contains_key(&TargetIx(ix)));
    if !dense || targets.len() != usize::from(head.targets) {
        let found = targets.len();
        return Err(broken(id, format!("it has {found} of {} targets", head.targets)));
    }
    match targets.values().find(|target| !contents.contains_key(&target.content)) {
        Some(target) => {
            let place = target.content.0;
            Err(broken(id, format!("{} names content {place}, which is not there", target.post)))
        }
        None => Ok(()),
    }
}

fn broken(id: BatchId, problem: String) -> StoreError {
    StoreError::Corrupt { key: id.to_string(), problem }
}

/// The writes that turn what is stored of `old` into `new`. Journal entries, timers and indexes
/// are the engine's.
pub fn batch_writes(old: Option<&Batch>, new: &Batch) -> Vec<Write> {
    let mut writes = Vec::new();
    let head = BatchHead::of(new);
    if old.map(BatchHead::of).as_ref() != Some(&head) {
        writes.push(Write::Put(Key::Batch(new.id), Record::Batch(head)));
    }
    for (place, content) in &new.contents {
        if old.is_none_or(|old| !old.contents.contains_key(place)) {
            let record = Record::Content(crate::model::Content::clone(content));
            writes.push(Write::Put(Key::Content(new.id, *place), record));
        }
    }
    for (ix, target) in new.places() {
        let before = old.and_then(|old| old.target(ix));
        if !before.is_some_and(|before| Arc::ptr_eq(before, target)) {
            target_writes(new.id, ix, before.map(Arc::as_ref), target, &mut writes);
        }
    }
    writes
}

fn target_writes(
    id: BatchId,
    ix: TargetIx,
    before: Option<&Target>,
    target: &Target,
    writes: &mut Vec<Write>,
) {
    let bare = Target { memo: BTreeMap::new(), ..target.clone() };
    writes.push(Write::Put(Key::Target(id, ix), Record::Target(Box::new(bare))));
    let none = BTreeMap::new();
    let kept = before.map_or(&none, |before| &before.memo);
    for (at, memo) in &target.memo {
        if kept.get(at) != Some(memo) {
            let record = Record::Memo(memo.to_string());
            writes.push(Write::Put(Key::Memo(id, ix, *at), record));
        }
    }
    for at in kept.keys().filter(|at| !target.memo.contains_key(at)) {
        writes.push(Write::Delete(Key::Memo(id, ix, *at)));
    }
}
