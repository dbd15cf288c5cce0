//! Forgetting what the world was told long ago.

use std::sync::Arc;

use super::tasks::{DELETES_MAX, TaskError};
use crate::engine::Handle;
use crate::model::{EndpointId, Millis, NoticeId, Timestamp, UlidFactory};
use crate::store::{Key, Order, Record, Store, StoreError, Write};

/// Endpoints looked at in one scan.
const PAGE: usize = 1_000;

/// Forgets up to `page` notices from before `now - keep`, with their deliveries, and what removed
/// endpoints left; returns how many notices.
///
/// # Errors
/// See `TaskError`.
pub async fn trim_notices(
    store: &Arc<dyn Store>,
    engine: &Handle,
    now: Timestamp,
    keep: Millis,
    page: usize,
) -> Result<usize, TaskError> {
    let endpoints = clear_orphans(store, engine).await?;
    let first = Key::Notice(NoticeId::from_raw(0));
    let last = UlidFactory::floor(now.minus(keep)).saturating_sub(1);
    let last = Key::Notice(NoticeId::from_raw(last));
    let old = store.scan(&first, &last, Order::Ascending, page)?;
    for (key, _) in &old {
        let Key::Notice(notice) = key else { continue };
        let mut writes = Vec::new();
        for endpoint in &endpoints {
            writes.extend(delivery_deletes(store.as_ref(), *endpoint, *notice)?);
        }
        writes.push(Write::Delete(*key));
        delete(engine, writes).await?;
    }
    Ok(old.len())
}

/// The deletes of everything about one delivery; the delivery itself goes last.
fn delivery_deletes(
    store: &dyn Store,
    endpoint: EndpointId,
    notice: NoticeId,
) -> Result<Vec<Write>, StoreError> {
    let head = Key::Delivery(endpoint, notice);
    let last = Key::DeliveryAttempt(endpoint, notice, u32::MAX);
    let rows = store.scan(&head, &last, Order::Descending, usize::MAX)?;
    let mut writes = Vec::with_capacity(rows.len() + 1);
    for (key, record) in rows {
        if let Record::Delivery(delivery) = &record
            && let Some(at) = delivery.due()
        {
            writes.push(Write::Delete(Key::DeliveryDue(endpoint, at, notice)));
        }
        writes.push(Write::Delete(key));
    }
    Ok(writes)
}

/// Removes what is left of endpoints that are no more; gives the endpoints there are.
async fn clear_orphans(
    store: &Arc<dyn Store>,
    engine: &Handle,
) -> Result<Vec<EndpointId>, TaskError> {
    let (from, to) = (EndpointId::from_raw(0), EndpointId::from_raw(u128::MAX));
    let found = store.scan(&Key::Endpoint(from), &Key::Endpoint(to), Order::Ascending, PAGE)?;
    let known: Vec<EndpointId> = found
        .iter()
        .filter_map(|(key, _)| if let Key::Endpoint(id) = key { Some(*id) } else { None })
        .collect();
    let top = Key::DeliveryAttempt(to, NoticeId::from_raw(u128::MAX), u32::MAX);
    let mut from = Key::Delivery(from, NoticeId::from_raw(0));
    while let Some((key, _)) = store.scan(&from, &top, Order::Ascending, 1)?.first() {
        let Key::Delivery(endpoint, notice) = *key else { break };
        let gone = !known.contains(&endpoint);
        if gone {
            delete(engine, delivery_deletes(store.as_ref(), endpoint, notice)?).await?;
            continue;
        }
        let Some(next) = endpoint.raw().checked_add(1) else { break };
        from = Key::Delivery(EndpointId::from_raw(next), NoticeId::from_raw(0));
    }
    Ok(known)
}

async fn delete(engine: &Handle, writes: Vec<Write>) -> Result<(), TaskError> {
    let mut writes = writes;
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(DELETES_MAX));
        engine.write(Vec::new(), writes).await?;
        writes = rest;
    }
    Ok(())
}
