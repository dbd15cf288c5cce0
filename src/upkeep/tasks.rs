//! The tasks, one page at a time.

use std::sync::Arc;

use crate::backup::BackupError;
use crate::engine::{Expect, Handle, Records, WriteError, leaps_noted};
use crate::media::MediaError;
use crate::model::{BatchId, Digest, Millis, Timestamp};
use crate::store::{ClaimRecord, Key, Order, Record, Store, StoreError, Write, load_batch};

/// How long a key whose batch still lives is kept before it is looked at again.
const LOOK_AGAIN: Millis = Millis::from_secs(24 * 3_600);
/// Deletes in one commit: with their keys they stay far below its limit.
pub(super) const DELETES_MAX: usize = 400;

/// Why a task broke off. What it did so far is done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of media cannot be read or changed.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The task broke off by a mistake of ours.
    #[error("run the task: {0}")]
    Broken(String),
    /// The engine cannot take the writes.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The accounts cannot be read.
    #[error("{0}")]
    Accounts(String),
}

/// Forgets up to `page` idempotency keys whose time is over and whose batch has settled; returns
/// how many were looked at. By how much the clock was set forward, keys live longer.
///
/// # Errors
/// See `TaskError`.
pub async fn expire_claims(
    store: &Arc<dyn Store>,
    engine: &Handle,
    now: Timestamp,
    page: usize,
) -> Result<usize, TaskError> {
    // A clock that is set forward meanwhile is seen by the engine before it takes our writes.
    let (leaps, unleapt) = leaps(store.as_ref())?;
    let from = Key::Claim(Timestamp::from_millis(i64::MIN), Digest([0; 32]));
    let to = Key::Claim(now.minus(unleapt), Digest([255; 32]));
    let due = store.scan(&from, &to, Order::Ascending, page)?;
    for (key, record) in &due {
        let (Key::Claim(_, id), Record::Claim(claim)) = (key, record) else { continue };
        let lives = match claim.batch {
            Some(batch) => {
                load_batch(store.as_ref(), batch)?.is_some_and(|batch| !batch.is_settled())
            }
            None => false,
        };
        let mut writes = vec![Write::Delete(*key)];
        if lives {
            let expires_at = now.plus(LOOK_AGAIN);
            let later = Record::Claim(ClaimRecord { expires_at, ..claim.clone() });
            writes.push(Write::New(Key::Claim(expires_at, *id), later));
        }
        // What it holds may change while we look, and the key be claimed anew: then it is not ours
        // to forget.
        let mut expect = leaps.clone();
        expect.push(Expect::Is(*key, Some(record.clone())));
        match engine.record(Records { expect, writes, ..Records::default() }).await {
            Ok(_) | Err(WriteError::Raced) => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(due.len())
}

/// That the leaps of the clock are still those that are noted now, and how far they go together.
fn leaps(store: &dyn Store) -> Result<(Vec<Expect>, Millis), StoreError> {
    let mut expect = Vec::new();
    let (mut newer, mut sum) = (Key::FIRST_LEAP, Millis(0));
    for (at, span) in leaps_noted(store)? {
        expect.push(Expect::Is(Key::ClockLeap(at, span), Some(Record::Mark)));
        newer = Key::ClockLeap(at, Millis(span.0.saturating_add(1)));
        sum.0 = sum.0.saturating_add(span.0);
    }
    expect.push(Expect::Nothing(newer, Key::LAST_LEAP));
    Ok((expect, sum))
}

/// Forgets the journals of up to `page` batches that settled before `now - keep`; returns how many.
///
/// # Errors
/// See `TaskError`.
pub async fn trim_journals(
    store: &Arc<dyn Store>,
    engine: &Handle,
    now: Timestamp,
    keep: Millis,
    page: usize,
) -> Result<usize, TaskError> {
    let from = Key::Settled(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
    let to = Key::Settled(now.minus(keep), BatchId::from_raw(u128::MAX));
    let old = store.scan(&from, &to, Order::Ascending, page)?;
    for (mark, _) in &old {
        let Key::Settled(_, batch) = mark else { continue };
        // One that is tried again has its whole story still before it, and will settle again.
        let lives = load_batch(store.as_ref(), *batch)?.is_some_and(|batch| !batch.is_settled());
        if lives {
            engine.write(Vec::new(), vec![Write::Delete(*mark)]).await?;
            continue;
        }
        let (first, last) = (Key::Entry(*batch, 0), Key::Entry(*batch, u32::MAX));
        let entries = store.scan(&first, &last, Order::Ascending, usize::MAX)?;
        // Last entries first: what a crash leaves is the start of a journal, and the mark stays
        // until all is gone.
        for chunk in entries.rchunks(DELETES_MAX) {
            let deletes = chunk.iter().map(|(key, _)| Write::Delete(*key)).collect();
            engine.write(Vec::new(), deletes).await?;
        }
        engine.write(Vec::new(), vec![Write::Delete(*mark)]).await?;
    }
    Ok(old.len())
}
