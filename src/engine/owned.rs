//! What batches that settled lately have on their accounts, so that a read-back adopts none of it.
//!
//! It is read from the store once and kept in step from then on: after an outage hundreds of
//! read-backs come at the same moment, and each is about the same few minutes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountId, Batch, BatchId, TargetIx, Timestamp};

/// Batches that are remembered, the newest.
pub(super) const BATCHES_MAX: usize = 2_000;

type Place = (Timestamp, BatchId);

/// The addresses on each account.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// Whatever settled at this instant or later is here, as long as there is room.
    reach: Option<Timestamp>,
    places: BTreeSet<Place>,
    settled: BTreeMap<BatchId, (Timestamp, BTreeSet<AccountId>)>,
    accounts: BTreeMap<AccountId, BTreeMap<Place, Vec<(TargetIx, String)>>>,
}

impl Owned {
    /// Whether all that settled from this instant on is here.
    pub(super) fn reaches(&self, from: Timestamp) -> bool {
        self.reach.is_some_and(|reach| reach <= from)
    }

    /// From now on it is.
    pub(super) fn reach_to(&mut self, from: Timestamp) {
        self.reach = Some(from);
    }

    /// Whether the batch is here, as one that settled at this instant or later.
    pub(super) fn knows(&self, at: Timestamp, batch: BatchId) -> bool {
        self.settled.get(&batch).is_some_and(|(known, _)| *known >= at)
    }

    /// Keeps what a batch that has settled owns now; the oldest make room.
    pub(super) fn put(&mut self, at: Timestamp, batch: &Batch) {
        self.forget(batch.id);
        let place = (at, batch.id);
        self.places.insert(place);
        let mut known = BTreeSet::new();
        for (ix, target) in batch.places() {
            let live = target.receipt.iter().chain(&target.comment);
            let addresses: Vec<_> =
                live.filter_map(|receipt| Some((ix, receipt.uri.clone()?))).collect();
            if !addresses.is_empty() {
                let account = self.accounts.entry(target.account).or_default();
                account.entry(place).or_default().extend(addresses);
                known.insert(target.account);
            }
        }
        self.settled.insert(batch.id, (at, known));
        while self.places.len() > BATCHES_MAX
            && let Some((_, oldest)) = self.places.first().copied()
        {
            self.forget(oldest);
        }
    }

    /// Keeps a batch in step that moved. `settled` says whether it settled with that, at `now`.
    pub(super) fn follow(&mut self, batch: &Batch, settled: bool, now: Timestamp) {
        let known = || self.settled.get(&batch.id).map(|(at, _)| *at);
        let at = if settled { Some(now) } else { known() };
        if let Some(at) = at.filter(|at| self.reaches(*at)) {
            self.put(at, batch);
        }
    }

    fn forget(&mut self, batch: BatchId) {
        let Some((at, accounts)) = self.settled.remove(&batch) else { return };
        let place = (at, batch);
        self.places.remove(&place);
        for account in accounts {
            if let Some(addresses) = self.accounts.get_mut(&account) {
                addresses.remove(&place);
                if addresses.is_empty() {
                    self.accounts.remove(&account);
                }
            }
        }
    }

    /// What is on an account of batches that settled from this instant on, but for one target.
    pub(super) fn on(
        &self,
        account: AccountId,
        from: Timestamp,
        (batch, ix): (BatchId, TargetIx),
    ) -> impl Iterator<Item = &str> {
        let first = (from, BatchId::from_raw(0));
        let addresses = self.accounts.get(&account);
        let recent = addresses.into_iter().flat_map(move |all| all.range(first..));
        recent.flat_map(move |((_, id), all)| {
            let others = all.iter().filter(move |(place, _)| *id != batch || *place != ix);
            others.map(|(_, address)| address.as_str())
        })
    }
}
