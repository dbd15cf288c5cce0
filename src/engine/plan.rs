//! What is decided about a batch, on its way to a commit.

use std::sync::Arc;

use crate::machine::Effects;
use crate::model::{AccountId, Batch, Cursor, TargetIx};
use crate::store::Write;

/// What events make of a batch, before it happens.
pub(super) struct Plan {
    /// The batch as it stands.
    pub(super) old: Option<Arc<Batch>>,
    /// The batch as it will stand.
    pub(super) batch: Arc<Batch>,
    /// Its journal's new entries.
    pub(super) entries: Vec<Write>,
    /// What else each event does.
    pub(super) effects: Vec<Effects>,
}

impl Plan {
    /// The targets that had a slot of process life `epoch`, and want one to go on.
    pub(super) fn goes_on(&self, epoch: u64) -> Vec<(AccountId, TargetIx)> {
        let Some(old) = &self.old else { return Vec::new() };
        let rests = |account| {
            let mut parked = self.effects.iter().filter_map(|effect| effect.park);
            parked.any(|(resting, _)| resting == account)
        };
        let going = self.batch.places().filter(|(ix, target)| {
            let had = match old.target(*ix).map(|before| &before.cursor) {
                Some(Cursor::Running(attempt)) => attempt.epoch == epoch,
                _ => false,
            };
            had && matches!(target.cursor, Cursor::Ready { .. }) && !rests(target.account)
        });
        going.map(|(ix, target)| (target.account, ix)).collect()
    }

    /// Both in one: `later` was made of what this one makes.
    pub(super) fn then(mut self, later: Self) -> Self {
        self.entries.extend(later.entries);
        self.effects.extend(later.effects);
        Self { batch: later.batch, ..self }
    }

    /// About how many writes it comes to: a new batch has a row for each target, content and
    /// notice; an event writes itself, its target and a notice. The head, the timer, the claim and
    /// the mark of a settled batch come once.
    pub(super) fn writes_about(&self) -> usize {
        let rows = match self.old {
            None => 2 * self.batch.targets.len() + self.batch.contents.len(),
            Some(_) => 3 * self.entries.len(),
        };
        rows + 6
    }
}
