//! Batches, for an operator.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::story::{errand_name, step_name, story};
use crate::model::{
    Batch, BatchId, Code, Cursor, Fault, JournalEntry, Outcome, PostId, Target, TargetIx,
};
use crate::store::{Key, Order, Record, Store, StoreError, load_batch};
use crate::workflow::Catalog;

/// Posts of one page.
const PAGE: usize = 500;
/// Posts looked at for one list, so that a search for what is rare still ends.
const LOOKED_AT_MAX: usize = 100_000;

/// The newest batches.
pub(super) fn list(
    store: &dyn Store,
    catalog: &Catalog,
    limit: usize,
    held: bool,
) -> Result<Value, StoreError> {
    let mut out = Vec::new();
    let mut seen: BTreeSet<BatchId> = BTreeSet::new();
    let mut to = Key::LAST_POST;
    let mut looked_at = 0;
    'pages: loop {
        let page = store.scan(&Key::FIRST_POST, &to, Order::Descending, PAGE)?;
        looked_at += page.len();
        let more = page.len() == PAGE && looked_at < LOOKED_AT_MAX;
        for (key, record) in page {
            let (Key::Post(post), Record::Post(place)) = (key, record) else { continue };
            to = Key::Post(PostId::from_raw(post.raw().saturating_sub(1)));
            if !seen.insert(place.batch) {
                continue;
            }
            let Some(batch) = load_batch(store, place.batch)? else { continue };
            let waits = batch.targets.iter().any(|t| matches!(t.cursor, Cursor::Held { .. }));
            if !held || waits {
                out.push(show(&batch, catalog));
            }
            if out.len() >= limit {
                break 'pages;
            }
        }
        if !more {
            break;
        }
    }
    Ok(json!({ "data": out }))
}

/// The batch of an id: its own, or that of one of its posts.
pub(super) fn find(store: &dyn Store, id: &str) -> Result<Result<Batch, Fault>, StoreError> {
    let batch = match (id.parse::<BatchId>(), id.parse::<PostId>()) {
        (Ok(batch), _) => Some(batch),
        (_, Ok(post)) => match store.get(&Key::Post(post))? {
            Some(Record::Post(place)) => Some(place.batch),
            _ => None,
        },
        _ => None,
    };
    let found = match batch {
        Some(batch) => load_batch(store, batch)?,
        None => None,
    };
    Ok(found.ok_or_else(|| {
        Fault::new(Code::NotFound, format!("there is no batch or post {id:?}"))
            .remedy("`fanfare batch list` shows the batches there are.")
    }))
}

/// A batch with its targets and where each stands.
pub(super) fn show(batch: &Batch, catalog: &Catalog) -> Value {
    let targets: Vec<Value> =
        batch.places().map(|(ix, target)| target_of(batch, ix, target, catalog)).collect();
    json!({
        "id": batch.id.to_string(),
        "createdAt": batch.created_at.to_string(),
        "scheduledAt": batch.scheduled_at.map(|at| at.to_string()),
        "requestId": batch.request_id.as_str(),
        "settled": batch.is_settled(),
        "entries": batch.entries,
        "targets": targets,
    })
}

/// A batch's journal from entry `from` on.
pub(super) fn journal(
    store: &dyn Store,
    catalog: &Catalog,
    batch: &Batch,
    from: u32,
) -> Result<Value, StoreError> {
    let last = Key::Entry(batch.id, u32::MAX);
    let found = store.scan(&Key::Entry(batch.id, from), &last, Order::Ascending, usize::MAX)?;
    let entries: Vec<Value> = found
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Entry(entry) => Some(told(&entry, batch, catalog)),
            _ => None,
        })
        .collect();
    Ok(json!({ "id": batch.id.to_string(), "settled": batch.is_settled(), "data": entries }))
}

fn told(entry: &JournalEntry, batch: &Batch, catalog: &Catalog) -> Value {
    story(entry, batch, catalog)
}

fn target_of(batch: &Batch, ix: TargetIx, target: &Target, catalog: &Catalog) -> Value {
    json!({
        "postId": target.post.to_string(),
        "platform": target.platform.as_str(),
        "accountId": target.account.to_string(),
        "stands": stands(batch, ix, target, catalog),
        "attempts": target.attempts,
        "due": target.due.map(|at| at.to_string()),
        "latenessMs": target.lateness.map(|span| span.0),
        "uri": target.receipt.as_ref().and_then(|receipt| receipt.uri.clone()),
        "lastProblem": target.last_fault.as_ref().map(|fault| fault.message.clone()),
        "warnings": target.warnings.iter().map(|w| w.message.clone()).collect::<Vec<_>>(),
    })
}

/// Where a target stands, in words.
fn stands(batch: &Batch, ix: TargetIx, target: &Target, catalog: &Catalog) -> String {
    let name = |at| step_name(batch, ix, at, catalog);
    match &target.cursor {
        Cursor::Queued { due } => format!("queued until {due}"),
        Cursor::Ready { step, errand, .. } => {
            format!("waits for a slot to {} {}", errand_name(*errand), name(*step))
        }
        Cursor::Running(attempt) => format!(
            "{} {}: attempt {} until {}",
            errand_name(attempt.errand),
            name(attempt.step),
            attempt.number,
            attempt.deadline
        ),
        Cursor::Waiting { step, until, why } => {
            format!("waits with {} until {until} ({why:?})", name(*step)).to_lowercase()
        }
        Cursor::Doubtful { step, until } => {
            format!("{} may have taken effect; is read back at {until}", name(*step))
        }
        Cursor::Held { step, .. } => {
            format!("held at {}: its outcome is unknown; rule on it", name(*step))
        }
        Cursor::Ended(Outcome::Published) => "published".to_owned(),
        Cursor::Ended(Outcome::Rejected(fault)) => format!("rejected: {}", fault.message),
        Cursor::Ended(Outcome::Failed(fault)) => format!("failed: {}", fault.message),
        Cursor::Ended(Outcome::Canceled) => "canceled".to_owned(),
    }
}
