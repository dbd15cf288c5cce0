//! A journal, told again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Effects, Refusal, transition};
use crate::model::{Batch, Content, ContentIx, Event, JournalEntry};
use crate::workflow::Catalog;

/// Why a journal does not tell a story.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no entry.
    #[error("replay: the journal is empty")]
    Empty,
    /// An entry does not fit where the batch stood.
    #[error("replay entry {n}: {refusal}")]
    Refused {
        /// The entry.
        n: u32,
        /// Why.
        refusal: Refusal,
    },
}

/// The batch that a whole journal leads to, with the effects of every entry. `contents` are the
/// batch's stored contents: the first entry is kept without its own, and every one that no later
/// edit brought was there from the start.
///
/// # Errors
/// See `ReplayError`.
pub fn replay(
    entries: &[JournalEntry],
    contents: &BTreeMap<ContentIx, Arc<Content>>,
    catalog: &Catalog,
) -> Result<(Batch, Vec<Effects>), ReplayError> {
    let edited: BTreeSet<ContentIx> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Edited { place, .. } => Some(*place),
            _ => None,
        })
        .collect();
    let mut batch: Option<Batch> = None;
    let mut effects = Vec::with_capacity(entries.len());
    for entry in entries {
        let whole;
        let event = match &entry.event {
            Event::Accepted(first) => {
                let mut first = first.clone();
                first.contents = contents
                    .iter()
                    .filter(|(place, _)| !edited.contains(place))
                    .map(|(place, content)| (*place, Arc::clone(content)))
                    .collect();
                whole = Event::Accepted(first);
                &whole
            }
            other => other,
        };
        let moved = transition(batch.as_ref(), &entry.stamp, event, catalog);
        let (next, effect) =
            moved.map_err(|refusal| ReplayError::Refused { n: entry.n, refusal })?;
        batch = Some(next);
        effects.push(effect);
    }
    batch.map(|batch| (batch, effects)).ok_or(ReplayError::Empty)
}
