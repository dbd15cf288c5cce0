//! Realistic load: sled must never reach for the files it does not sync.

use std::sync::Arc;

use super::support::*;
use crate::model::{Content, ContentIx, Cursor, Outcome};
use crate::store::{
    Key, Order, Record, Store, Write, batch_writes, load_batch, verify as verify_store,
};

#[test]
fn a_batch_with_long_texts_and_25_targets_is_one_commit() {
    let disk = OnDisk::new();
    let mut batch = queued(1, 25, at(5_000));
    for ix in 0..25u16 {
        let text = long(if ix == 0 { 200 << 10 } else { 4_000 }, ix.into());
        batch.contents.insert(ContentIx(ix), Arc::new(Content { text, ..Content::default() }));
        Arc::make_mut(&mut batch.targets[usize::from(ix)]).content = ContentIx(ix);
    }
    let (batch, writes) = accepted(&batch, 1);
    disk.commit(&writes);
    disk.store.flush().expect("sound");
    let disk = disk.reopen();
    assert!(load_batch(&disk.store, batch.id) == Ok(Some(batch)));
    assert!(disk.store.blobs_empty());
    let (_, largest) = disk.store.raw_sizes();
    assert!(largest <= 3_650, "a page with one row: {largest}");
    assert_eq!(verify_store(&disk.store).expect("sound").findings, []);
}

/// 10,000 updates of 500 batches: targets grow faults and receipts, memos change, journals grow.
#[test]
fn ten_thousand_updates_leave_no_blob() {
    let disk = OnDisk::new();
    let mut batches = Vec::new();
    for seed in 0..500 {
        let mut batch = queued(seed, 1 + usize::try_from(seed % 5).expect("small"), at(9_000));
        batch.claim = None;
        let text = long(100 + usize::try_from(seed * 13 % 9_000).expect("small"), seed);
        batch.contents.insert(PLACE, Arc::new(Content { text, ..Content::default() }));
        let (batch, writes) = accepted(&batch, 1);
        disk.commit(&writes);
        batches.push(batch);
    }
    for round in 0..10_000usize {
        let batch = &mut batches[round * 7 % 500];
        let mut next = batch.clone();
        let ix = round % next.targets.len();
        let target = Arc::make_mut(&mut next.targets[ix]);
        target.attempts += 1;
        target.updated_at = at(i64::try_from(round).expect("small"));
        let step = crate::model::StepRef { step: 1, round: 0 };
        let memo = long(round * 37 % 3_000, round as u64);
        target.memo.insert(step, memo.into());
        let mut writes = batch_writes(Some(batch), &next);
        let entry = Key::Entry(next.id, next.entries - 1);
        let same = disk.store.get(&entry).expect("sound").expect("an entry");
        writes.push(Write::Put(entry, same));
        disk.commit(&writes);
        *batch = next;
        if round % 64 == 0 {
            disk.store.flush().expect("sound");
        }
    }
    disk.store.flush().expect("sound");
    assert!(disk.store.blobs_empty());
    assert!(disk.store.disk_bytes() > 1 << 20);
    let (_, largest) = disk.store.raw_sizes();
    assert!(largest <= 3_650, "a page with one row: {largest}");
    let report = verify_store(&disk.store).expect("sound");
    assert_eq!((report.batches, report.unsettled, report.findings), (500, 500, vec![]));
    for batch in batches {
        assert!(load_batch(&disk.store, batch.id) == Ok(Some(batch)));
    }
}

#[test]
fn a_finished_batch_can_be_removed_whole() {
    let disk = OnDisk::new();
    let mut batch = queued(3, 4, at(0));
    for target in &mut batch.targets {
        Arc::make_mut(target).cursor = Cursor::Ended(Outcome::Published);
    }
    let text = long(120 << 10, 1);
    batch.contents.insert(PLACE, Arc::new(Content { text, ..Content::default() }));
    batch.claim = None;
    let (batch, writes) = accepted(&batch, 3);
    disk.commit(&writes);
    let deletes: Vec<Write> = writes.iter().map(|write| Write::Delete(*write.key())).collect();
    disk.commit(&deletes);
    disk.store.flush().expect("sound");
    assert_eq!(load_batch(&disk.store, batch.id), Ok(None));
    assert_eq!(disk.spilled(), [""; 0]);
    assert_eq!(disk.store.raw_sizes().0, 1, "nothing but the meta record");
    let rows = disk.store.scan_checked(&[], &[0xff], Order::Ascending, 9).expect("sound");
    assert!(matches!(rows[0].record, Ok((Key::Meta, Record::Meta(_)))));
}
