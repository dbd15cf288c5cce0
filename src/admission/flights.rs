//! Keyed changes under way, so that an equal key waits for the first one's reply.
//!
//! A batch is claimed in its own commit; a change is not, so its reply can be remembered only after
//! it was made. Without this, a repeat that comes in between would make the change again and be
//! refused by what the first one did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::Digest;

/// Who flies, by claim. Cheap to clone; the clones share it.
#[derive(Clone, Default)]
pub(super) struct Flights {
    flying: Arc<Mutex<BTreeMap<Digest, watch::Receiver<()>>>>,
}

/// The right to make a change under a claim. Those who wait look again when it is dropped.
pub(super) struct Pass {
    flights: Flights,
    claim: Digest,
    _landed: watch::Sender<()>,
}

impl Flights {
    /// The pass of a claim, once nobody else holds it.
    pub(super) async fn enter(&self, claim: Digest) -> Pass {
        loop {
            match self.try_enter(claim) {
                Ok(pass) => return pass,
                // An error says that the sender is gone: the other one has landed.
                Err(mut other) => drop(other.changed().await),
            }
        }
    }

    fn try_enter(&self, claim: Digest) -> Result<Pass, watch::Receiver<()>> {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = flying.get(&claim) {
            return Err(other.clone());
        }
        let (landed, waits) = watch::channel(());
        flying.insert(claim, waits);
        Ok(Pass { flights: self.clone(), claim, _landed: landed })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut flying = self.flights.flying.lock().unwrap_or_else(PoisonError::into_inner);
        flying.remove(&self.claim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_equal_claim_waits_and_another_does_not() {
        let flights = Flights::default();
        let first = flights.enter(Digest([1; 32])).await;
        drop(flights.enter(Digest([2; 32])).await);
        assert!(flights.try_enter(Digest([1; 32])).is_err());
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move { drop(flights.enter(Digest([1; 32])).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.expect("it got its turn");
        assert!(flights.flying.lock().expect("sound").is_empty());
    }
}
