//! `journal verify`: every record is read, and every whole journal is told again and must lead to
//! the batch as it stands.

use serde_json::{Value, json};

use crate::machine;
use crate::model::{BatchId, JournalEntry};
use crate::store::{Finding, Key, Order, Record, Store, StoreError, load_batch};
use crate::workflow::Catalog;

/// Posts of one page.
const PAGE: usize = 500;

/// Walks the store. Blocks; run it off the runtime.
///
/// # Errors
/// When the store cannot be read at all.
pub(super) fn verify(store: &dyn Store, catalog: &Catalog) -> Result<Value, StoreError> {
    let report = crate::store::verify(store)?;
    let mut findings = report.findings;
    let mut replayed = 0u64;
    let mut from = Key::FIRST_POST;
    let mut last_batch: Option<BatchId> = None;
    loop {
        let page =
            store.scan_checked(&from.encode(), &Key::LAST_POST.encode(), Order::Ascending, PAGE)?;
        let more = page.len() == PAGE;
        for scanned in page {
            let Ok((Key::Post(post), Record::Post(place))) = scanned.record else { continue };
            from = Key::Post(crate::model::PostId::from_raw(post.raw().saturating_add(1)));
            if last_batch.replace(place.batch) != Some(place.batch) {
                replayed += u64::from(replay(store, catalog, place.batch, &mut findings));
            }
        }
        if !more {
            break;
        }
    }
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| json!({ "record": finding.key, "problem": finding.problem }))
        .collect();
    Ok(json!({
        "records": report.records,
        "batches": report.batches,
        "entries": report.entries,
        "replayed": replayed,
        "findings": findings,
    }))
}

/// Whether there was a whole journal to tell. Damage to its records was reported before.
fn replay(store: &dyn Store, catalog: &Catalog, id: BatchId, findings: &mut Vec<Finding>) -> bool {
    let Ok(Some(batch)) = load_batch(store, id) else { return false };
    let (from, to) = (Key::Entry(id, 0), Key::Entry(id, u32::MAX));
    let Ok(found) = store.scan(&from, &to, Order::Ascending, usize::MAX) else { return false };
    let entries: Vec<JournalEntry> = found
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Entry(entry) => Some(*entry),
            _ => None,
        })
        .collect();
    if entries.first().is_none_or(|first| first.n != 0) {
        return false;
    }
    let problem = match machine::replay(&entries, &batch.contents, catalog) {
        Ok((told, _)) if told == batch => return true,
        Ok(_) => "its journal leads to another state than the one stored".to_owned(),
        Err(problem) => problem.to_string(),
    };
    findings.push(Finding { key: id.to_string(), problem });
    true
}
