//! The whole check of a store: every record is read, and every whole journal is told again and must
//! lead to the batch as it stands.

use super::{
    Finding, Key, Order, Record, Store, StoreError, VerifyReport, load_batch, verify::verify,
};
use crate::machine;
use crate::model::{BatchId, Digest, JournalEntry, PostId};
use crate::workflow::{self, Catalog};

/// Posts of one page.
const PAGE: usize = 500;

/// What a whole check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// What the walk over all records found, and after it what the journals told.
    pub report: VerifyReport,
    /// Journals that were told again.
    pub replayed: u64,
}

/// Checks a store that nobody writes to. Blocks; run it off the runtime.
///
/// # Errors
/// When the store cannot be read at all.
pub fn audit(store: &dyn Store, catalog: &Catalog) -> Result<Audit, StoreError> {
    let mut audit = Audit { report: verify(store)?, replayed: 0 };
    let mut from = Key::FIRST_POST;
    let mut last_batch: Option<BatchId> = None;
    loop {
        let page =
            store.scan_checked(&from.encode(), &Key::LAST_POST.encode(), Order::Ascending, PAGE)?;
        let more = page.len() == PAGE;
        for scanned in page {
            let Ok((Key::Post(post), Record::Post(place))) = scanned.record else { continue };
            from = Key::Post(PostId::from_raw(post.raw().saturating_add(1)));
            if last_batch.replace(place.batch) != Some(place.batch) {
                let told = tell_again(store, catalog, place.batch, &mut audit.report.findings);
                audit.replayed += u64::from(told);
            }
        }
        if !more {
            return Ok(audit);
        }
    }
}

/// The definitions that a store keeps: all that its posts may pin. One that this program cannot
/// read is missed by the journals that need it.
///
/// # Errors
/// When the store cannot be read.
pub fn kept_catalog(store: &dyn Store) -> Result<Catalog, StoreError> {
    let (from, to) = (Key::Definition(Digest([0; 32])), Key::Definition(Digest([255; 32])));
    let mut catalog = Catalog::default();
    for (_, record) in store.scan(&from, &to, Order::Ascending, usize::MAX)? {
        let Record::Definition(kept) = record else { continue };
        if let Ok(definition) = workflow::parse(&kept.name, &kept.text) {
            catalog.add_pinned(definition);
        }
    }
    Ok(catalog)
}

/// Whether there was a whole journal to tell. Damage to its records was reported before.
fn tell_again(
    store: &dyn Store,
    catalog: &Catalog,
    id: BatchId,
    findings: &mut Vec<Finding>,
) -> bool {
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
