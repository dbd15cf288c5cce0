//! A rich row of every kind that version 3 writes.

use super::*;

/// A journal entry of every kind: those that were there before, and those that are new.
pub(in crate::store) fn newest_rows() -> Vec<(String, Key, Record)> {
    let mut rows: Vec<_> =
        newer_rows().into_iter().filter(|(_, key, _)| is_retired_anew(key)).collect();
    let restored = |overdue| Event::Restored { ix: TargetIx(1), since: at(7), overdue };
    for (n, event) in (200..).zip([restored(false), restored(true)]) {
        let stamp = Stamp { seq: 1, at: at(2), entropy: 3, epoch: 4 };
        let entry = JournalEntry { batch: BATCH, n, stamp, event };
        let record = Record::Entry(Box::new(entry));
        rows.push((format!("entry-{n}"), Key::Entry(BATCH, n), record));
    }
    rows
}
