//! Fetches under way, so that targets which share an address share one fetch of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use crate::model::{BatchId, Digest, Fault, Millis};

/// What a fetch gave: the bytes kept, or why not and when to try again.
pub(super) type Landed = Result<Digest, (Fault, Option<Millis>)>;

type Cells = BTreeMap<(BatchId, Digest), Weak<OnceCell<Landed>>>;

/// Who fetches what, by batch and address. Cheap to clone; the clones share it.
#[derive(Clone, Default)]
pub(super) struct Flights {
    flying: Arc<Mutex<Cells>>,
}

impl Flights {
    /// Fetches, or waits for the one who does. What it gives is forgotten when nobody waits any
    /// more, so that a failure is shared by those who waited and by no later attempt.
    pub(super) async fn join(
        &self,
        batch: BatchId,
        address: Digest,
        fetch: impl Future<Output = Landed>,
    ) -> Landed {
        let cell = self.cell(batch, address);
        cell.get_or_init(|| fetch).await.clone()
    }

    fn cell(&self, batch: BatchId, address: Digest) -> Arc<OnceCell<Landed>> {
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = flying.get(&(batch, address)).and_then(Weak::upgrade) {
            return cell;
        }
        // There are only as many live ones as attempts under way.
        flying.retain(|_, cell| cell.strong_count() > 0);
        let cell = Arc::default();
        flying.insert((batch, address), Arc::downgrade(&cell));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    const BATCH: BatchId = BatchId::from_raw(1);
    const ADDRESS: Digest = Digest([1; 32]);

    #[tokio::test]
    async fn those_who_come_meanwhile_share_and_those_who_come_later_do_not() {
        let (flights, count) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let join = |batch: BatchId, address: Digest| {
            let (flights, count, gate) = (flights.clone(), Arc::clone(&count), Arc::clone(&gate));
            tokio::spawn(async move {
                let fetch = async {
                    let nth = count.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("open").forget();
                    Ok(Digest([u8::try_from(nth).expect("few"); 32]))
                };
                flights.join(batch, address, fetch).await
            })
        };
        let three = [join(BATCH, ADDRESS), join(BATCH, ADDRESS), join(BATCH, ADDRESS)];
        let other_batch = join(BatchId::from_raw(2), ADDRESS);
        let other_address = join(BATCH, Digest([2; 32]));
        while count.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(3);
        let mut got = Vec::new();
        for one in three {
            got.push(one.await.expect("it ends").expect("it lands"));
        }
        assert!(got.iter().all(|one| *one == got[0]), "{got:?}");
        for other in [other_batch, other_address] {
            assert_ne!(other.await.expect("it ends").expect("it lands"), got[0]);
        }
        gate.add_permits(1);
        let later = join(BATCH, ADDRESS).await.expect("it ends").expect("it lands");
        assert_eq!((later, count.load(Ordering::SeqCst)), (Digest([3; 32]), 4));
        let left = flights.flying.lock().expect("sound").len();
        assert!(left <= 1, "{left} are remembered");
    }

    #[tokio::test]
    async fn one_who_gives_up_leaves_the_fetch_to_the_next() {
        let flights = Flights::default();
        let stuck = flights.join(BATCH, ADDRESS, std::future::pending());
        let mut stuck = Box::pin(stuck);
        assert!(
            std::future::poll_fn(|cx| {
                std::task::Poll::Ready(stuck.as_mut().poll(cx).is_pending())
            })
            .await
        );
        let next = flights.join(BATCH, ADDRESS, async { Ok(ADDRESS) });
        drop(stuck);
        assert_eq!(next.await, Ok(ADDRESS));
    }
}
