//! From a notice to its deliveries.

use super::endpoints::Webhooks;
use crate::engine::{EngineError, WriteError};
use crate::model::{Delivery, Endpoint, EndpointId, Notice, NoticeId, Timestamp};
use crate::store::{Key, Order, Record, StoreError, Write, aside};

/// Notices looked at in one go.
const PAGE: usize = 200;
/// Writes of one commit: with their keys they stay far below its limit.
pub(super) const WRITES_MAX: usize = 200;

/// Why deliveries cannot go on for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine cannot take the writes.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A record does not hold.
    #[error("{0}")]
    Record(String),
}

impl Trouble {
    /// Whether the engine has stopped, so that there is no going on at all.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::Write(WriteError::Engine(EngineError::Stopping)))
    }
}

/// What the next notices come to.
struct FanOut {
    /// Where the cursor stands.
    before: Option<Record>,
    /// Where it goes.
    after: NoticeId,
    /// The deliveries that are not there yet.
    writes: Vec<Write>,
    more: bool,
}

impl Webhooks {
    /// Makes the deliveries of the notices behind the cursor; true when there may be more. What a
    /// crash interrupts is made whole the next time: a delivery that is there is left alone.
    pub(super) async fn fan_out(&self) -> Result<bool, Trouble> {
        let this = self.clone();
        let planned = aside(move || this.plan_fan_out()).await;
        let Some(plan) = planned.map_err(|e| Trouble::Record(e.to_string()))?? else {
            return Ok(false);
        };
        let mut writes = plan.writes;
        while writes.len() > WRITES_MAX {
            let rest = writes.split_off(WRITES_MAX);
            self.options.engine.write(Vec::new(), writes).await?;
            writes = rest;
        }
        writes.push(Write::Put(Key::NoticeCursor, Record::NoticeCursor(plan.after)));
        self.options.engine.write(vec![(Key::NoticeCursor, plan.before)], writes).await?;
        Ok(plan.more)
    }

    /// The last notice that an endpoint does not hear, because it was there first. Ids tell before
    /// and after even where the clock was set back; times do not.
    fn since(&self, endpoint: EndpointId) -> Result<NoticeId, Trouble> {
        match self.options.store.get(&Key::EndpointSince(endpoint))? {
            Some(Record::NoticeCursor(since)) => Ok(since),
            _ => Ok(NoticeId::from_raw(0)),
        }
    }

    fn plan_fan_out(&self) -> Result<Option<FanOut>, Trouble> {
        let store = &self.options.store;
        let before = store.get(&Key::NoticeCursor)?;
        let from = match &before {
            Some(Record::NoticeCursor(id)) => id.raw().saturating_add(1),
            _ => 0,
        };
        let first = Key::Notice(NoticeId::from_raw(from));
        let page = store.scan(&first, &Key::LAST_NOTICE, Order::Ascending, PAGE)?;
        let more = page.len() == PAGE;
        let endpoints = self.all().map_err(|fault| Trouble::Record(fault.message))?;
        let endpoints = endpoints.into_iter().map(|one| Ok((self.since(one.id)?, one)));
        let endpoints = endpoints.collect::<Result<Vec<(NoticeId, Endpoint)>, Trouble>>()?;
        let mut writes = Vec::new();
        let mut after = None;
        for (_, record) in page {
            let Record::Notice(notice) = record else { continue };
            after = Some(notice.id);
            for (since, endpoint) in &endpoints {
                let wanted = *since < notice.id && wants(endpoint, &notice);
                if wanted && store.get(&Key::Delivery(endpoint.id, notice.id))?.is_none() {
                    writes.extend(due(endpoint.id, notice.id, (self.options.now)()));
                }
            }
        }
        Ok(after.map(|after| FanOut { before, after, writes, more }))
    }
}

/// Whether an endpoint hears a notice: it is on and did not filter it out.
fn wants(endpoint: &Endpoint, notice: &Notice) -> bool {
    endpoint.active && hears(endpoint, notice)
}

/// Whether the endpoint's filter lets a notice through.
pub(super) fn hears(endpoint: &Endpoint, notice: &Notice) -> bool {
    endpoint.kinds.is_empty() || endpoint.kinds.contains(&notice.kind)
}

fn due(endpoint: EndpointId, notice: NoticeId, at: Timestamp) -> [Write; 2] {
    let delivery = Record::Delivery(Delivery::fresh(at));
    [
        Write::Put(Key::Delivery(endpoint, notice), delivery),
        Write::Put(Key::DeliveryDue(endpoint, at, notice), Record::Mark),
    ]
}
