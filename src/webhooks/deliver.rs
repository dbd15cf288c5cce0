//! The loop that keeps deliveries going.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::endpoints::Webhooks;
use super::fan_out::Trouble;
use crate::model::{Endpoint, EndpointId, Millis, NoticeId, Timestamp};
use crate::store::{Key, Order, aside};

/// No sleep is longer, so that a stepped clock is noticed.
const LONGEST_SLEEP: Millis = Millis::from_secs(5);
/// The pause after the store or the engine could not be used.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// Delivers notices.
#[derive(Debug)]
pub struct Deliverer {
    webhooks: Webhooks,
    under_way: BTreeMap<EndpointId, BTreeSet<NoticeId>>,
    tasks: JoinSet<(EndpointId, NoticeId, Result<(), Trouble>)>,
}

/// What a look at the store found.
#[derive(Default)]
struct Look {
    /// Deliveries to begin.
    due: Vec<(Endpoint, NoticeId, Timestamp)>,
    /// When the next one is due.
    next: Option<Timestamp>,
}

impl Deliverer {
    /// A deliverer over webhooks. There must be no other on the same store.
    pub fn new(webhooks: Webhooks) -> Self {
        Self { webhooks, under_way: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Delivers until told to stop; then finishes what is under way.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut noticed = self.webhooks.options.engine.noticed();
        while !*stop.borrow_and_update() {
            noticed.mark_unchanged();
            let sleep = match self.go_on().await {
                Ok(sleep) => sleep,
                Err(trouble) if trouble.is_end() => break,
                Err(trouble) => {
                    tracing::warn!(%trouble, "deliveries pause");
                    TROUBLE_PAUSE
                }
            };
            // In this order always, so that a run can be repeated.
            tokio::select! { biased;
                _ = stop.changed() => {}
                Some(done) = self.tasks.join_next() => self.ended(done),
                _ = noticed.changed() => {}
                () = self.webhooks.asked.notified() => {}
                () = tokio::time::sleep(sleep) => match self.webhooks.pass_over().await {
                    Err(trouble) if trouble.is_end() => break,
                    Err(trouble) => tracing::warn!(%trouble, "the cursor of notices stays"),
                    Ok(()) => {}
                },
            }
        }
        while let Some(done) = self.tasks.join_next().await {
            self.ended(done);
        }
    }

    /// Fans out what is new and begins what is due; how long there is nothing to do.
    async fn go_on(&mut self) -> Result<Duration, Trouble> {
        if self.webhooks.nobody_hears()? {
            self.webhooks.let_be().await?;
            return Ok(LONGEST_SLEEP.as_duration());
        }
        while self.webhooks.fan_out().await? {}
        while let Some(done) = self.tasks.try_join_next() {
            self.ended(done);
        }
        let now = (self.webhooks.options.now)();
        let (webhooks, busy) = (self.webhooks.clone(), self.under_way.clone());
        let looked = aside(move || webhooks.look(&busy, now)).await;
        let look = looked.map_err(|problem| Trouble::Record(problem.to_string()))??;
        for (endpoint, notice, at) in look.due {
            self.under_way.entry(endpoint.id).or_default().insert(notice);
            let webhooks = self.webhooks.clone();
            self.tasks.spawn(async move {
                let id = endpoint.id;
                (id, notice, webhooks.attempt(endpoint, notice, at).await)
            });
        }
        let wait = look.next.map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP));
        Ok(wait.as_duration())
    }

    fn ended(
        &mut self,
        done: Result<(EndpointId, NoticeId, Result<(), Trouble>), tokio::task::JoinError>,
    ) {
        match done {
            Ok((endpoint, notice, result)) => {
                self.clear(endpoint, notice);
                if let Err(trouble) = result {
                    tracing::warn!(
                        %trouble, endpoint.id = %endpoint, event.id = %notice,
                        "the result of a delivery could not be kept; it is made again"
                    );
                }
            }
            // A panic hides which one it was: let all that is due be looked at again.
            Err(problem) => {
                tracing::error!(%problem, "an attempt at a delivery broke off");
                self.under_way.clear();
            }
        }
    }

    fn clear(&mut self, endpoint: EndpointId, notice: NoticeId) {
        if let Some(notices) = self.under_way.get_mut(&endpoint) {
            notices.remove(&notice);
            if notices.is_empty() {
                self.under_way.remove(&endpoint);
            }
        }
    }
}

impl Webhooks {
    /// What is due now, within the slots, and when more will be.
    fn look(
        &self,
        busy: &BTreeMap<EndpointId, BTreeSet<NoticeId>>,
        now: Timestamp,
    ) -> Result<Look, Trouble> {
        let mut look = Look::default();
        let definition = &self.options.definition;
        let mut room = definition.slots.saturating_sub(busy.values().map(BTreeSet::len).sum());
        let mut endpoints = self.all().map_err(|fault| Trouble::Record(fault.message))?;
        // The least busy go first, so that those who wait long for an answer take the rest.
        endpoints.sort_by_key(|endpoint| busy.get(&endpoint.id).map_or(0, BTreeSet::len));
        let none = BTreeSet::new();
        for endpoint in endpoints {
            let own = busy.get(&endpoint.id).unwrap_or(&none);
            let free = definition.endpoint_slots.saturating_sub(own.len());
            let turn = |at, notice| Key::DeliveryDue(endpoint.id, at, NoticeId::from_raw(notice));
            let first = turn(Timestamp::from_millis(i64::MIN), 0);
            let store = &self.options.store;
            let last = turn(Timestamp::from_millis(i64::MAX), u128::MAX);
            let limit = own.len() + free.min(room) + 1;
            let mut begun = 0;
            for (key, _) in store.scan(&first, &last, Order::Ascending, limit)? {
                let Key::DeliveryDue(_, at, notice) = key else { continue };
                if at > now {
                    look.next = look.next.into_iter().chain([at]).min();
                    break;
                }
                if !own.contains(&notice) && begun < free && room > 0 {
                    look.due.push((endpoint.clone(), notice, at));
                    begun += 1;
                    room -= 1;
                }
            }
        }
        Ok(look)
    }
}
