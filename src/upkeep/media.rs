//! Removing media files that nobody needs.
//!
//! Files are shared by everything that holds the same bytes, so none is removed with the record
//! that named it. Old files are gathered first, then struck off as they are found in use; what is
//! left is removed unless it was kept anew meanwhile, which makes a file young.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tasks::TaskError;
use crate::media::Media;
use crate::model::{BatchId, ContentIx, Digest, MediaId, MediaSource, Millis, Timestamp};
use crate::store::{Key, Order, Record, Store, StoreError};

/// Removes every file that is older than `keep` and that no upload, no unsettled batch and no batch
/// that settled within `keep` needs, and what has been left half written for as long; returns how
/// many. Blocks.
///
/// # Errors
/// See `TaskError`.
pub fn prune_media(
    store: &Arc<dyn Store>,
    media: &Media,
    now: Timestamp,
    keep: Millis,
    page: usize,
) -> Result<usize, TaskError> {
    let before = now.minus(keep);
    let mut removed = media.remove_stale(before)?;
    let mut idle = media.older(before)?;
    if idle.is_empty() {
        return Ok(removed);
    }
    let reader = Reader { store: store.as_ref(), page };
    reader.strike_uploads(&mut idle)?;
    // Looked at twice, so that a batch which settles meanwhile, or is retried, is seen by one look.
    reader.strike_unsettled(&mut idle)?;
    reader.strike_settled(before, &mut idle)?;
    reader.strike_unsettled(&mut idle)?;
    for digest in &idle {
        if media.remove(digest, before)? {
            removed += 1;
        }
    }
    Ok(removed)
}

struct Reader<'a> {
    store: &'a dyn Store,
    page: usize,
}

impl Reader<'_> {
    fn strike_uploads(&self, idle: &mut BTreeSet<Digest>) -> Result<(), StoreError> {
        self.each(Key::Media(MediaId::LOWEST), &Key::Media(MediaId::HIGHEST), |_, record| {
            if let Record::Media(object) = record {
                idle.remove(&object.digest);
            }
            Ok(())
        })
    }

    fn strike_unsettled(&self, idle: &mut BTreeSet<Digest>) -> Result<(), StoreError> {
        let first = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
        self.each(first, &Key::LAST_TIMER, |key, _| match key {
            Key::Timer(_, batch) => self.strike_batch(batch, idle),
            _ => Ok(()),
        })
    }

    fn strike_settled(
        &self,
        since: Timestamp,
        idle: &mut BTreeSet<Digest>,
    ) -> Result<(), StoreError> {
        let first = Key::Settled(since, BatchId::from_raw(0));
        self.each(first, &Key::LAST_SETTLED, |key, _| match key {
            Key::Settled(_, batch) => self.strike_batch(batch, idle),
            _ => Ok(()),
        })
    }

    fn strike_batch(&self, id: BatchId, idle: &mut BTreeSet<Digest>) -> Result<(), StoreError> {
        let (first, last) = (Key::Content(id, ContentIx(0)), Key::Content(id, ContentIx(u16::MAX)));
        self.each(first, &last, |_, record| {
            if let Record::Content(content) = record {
                for item in &content.media {
                    if let MediaSource::Inline(digest) = &item.source {
                        idle.remove(digest);
                    }
                }
            }
            Ok(())
        })?;
        let (first, last) =
            (Key::Fetched(id, Digest([0; 32])), Key::Fetched(id, Digest([255; 32])));
        self.each(first, &last, |_, record| {
            if let Record::Fetched(fetched) = record {
                idle.remove(&fetched.digest);
            }
            Ok(())
        })
    }

    /// Hands on every record between two keys, both included, a page at a time.
    fn each(
        &self,
        mut from: Key,
        to: &Key,
        mut take: impl FnMut(Key, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut seen = None;
        loop {
            // A page begins with the last key of the one before, so one of a single key never ends.
            let found = self.store.scan(&from, to, Order::Ascending, self.page.max(2))?;
            let whole = found.len() == self.page.max(2);
            for (key, record) in found {
                if seen != Some(key) {
                    take(key, record)?;
                }
                seen = Some(key);
            }
            match seen {
                Some(last) if whole => from = last,
                _ => return Ok(()),
            }
        }
    }
}
