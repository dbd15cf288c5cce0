//! From a notice to its deliveries.

use std::sync::atomic::Ordering;

use super::endpoints::Webhooks;
use crate::engine::{EngineError, WriteError};
use crate::model::{Delivery, Endpoint, EndpointId, Notice, NoticeId, Timestamp};
use crate::store::{Key, Order, Record, StoreError, Write, aside};

/// Notices looked at in one go.
const PAGE: usize = 200;
/// How often notices that nobody hears are let be before the cursor passes over them.
const UNHEARD_MAX: u32 = 256;
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
enum Next {
    /// There are none.
    Nothing,
    /// Deliveries.
    Some(Box<FanOut>),
}

/// What the next notices come to, for those who hear.
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
        let plan = match planned.map_err(|e| Trouble::Record(e.to_string()))?? {
            Next::Nothing => return Ok(false),
            Next::Some(plan) => plan,
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

    /// Whether there is no endpoint. It is looked for here and now: where nobody hears, a look at
    /// each notice from another thread would cost more than all else about it.
    pub(super) fn nobody_hears(&self) -> Result<bool, Trouble> {
        let (from, to) = (EndpointId::from_raw(0), EndpointId::from_raw(u128::MAX));
        let (from, to) = (Key::Endpoint(from), Key::Endpoint(to));
        Ok(self.options.store.scan(&from, &to, Order::Ascending, 1)?.is_empty())
    }

    /// Lets notices be that nobody hears: what is made later hears only what comes later still, so
    /// the cursor may stay where it is for a while. A commit a notice, to say that nobody hears
    /// it, would cost as much as the post.
    pub(super) async fn let_be(&self) -> Result<(), Trouble> {
        let unheard = self.unheard.fetch_add(1, Ordering::Relaxed) + 1;
        if unheard >= UNHEARD_MAX { self.pass_over().await } else { Ok(()) }
    }

    /// Moves the cursor over notices that nobody hears, if there are any.
    pub(super) async fn pass_over(&self) -> Result<(), Trouble> {
        if self.unheard.swap(0, Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let before = self.options.store.get(&Key::NoticeCursor)?;
        // The newest first: an endpoint that is made in between hears only what comes after it.
        let newest = self.newest().map_err(|fault| Trouble::Record(fault.message))?;
        let nobody = self.all().map_err(|fault| Trouble::Record(fault.message))?.is_empty();
        let ahead = match &before {
            Some(Record::NoticeCursor(cursor)) => newest > *cursor,
            _ => newest > NoticeId::from_raw(0),
        };
        if nobody && ahead {
            let write = Write::Put(Key::NoticeCursor, Record::NoticeCursor(newest));
            self.options.engine.write(vec![(Key::NoticeCursor, before)], vec![write]).await?;
        }
        Ok(())
    }

    /// The last notice that an endpoint does not hear, because it was there first. Ids tell before
    /// and after even where the clock was set back; times do not.
    fn since(&self, endpoint: EndpointId) -> Result<NoticeId, Trouble> {
        match self.options.store.get(&Key::EndpointSince(endpoint))? {
            Some(Record::NoticeCursor(since)) => Ok(since),
            _ => Ok(NoticeId::from_raw(0)),
        }
    }

    fn plan_fan_out(&self) -> Result<Next, Trouble> {
        let store = &self.options.store;
        let endpoints = self.all().map_err(|fault| Trouble::Record(fault.message))?;
        if endpoints.is_empty() {
            return Ok(Next::Nothing);
        }
        let before = store.get(&Key::NoticeCursor)?;
        let from = match &before {
            Some(Record::NoticeCursor(id)) => id.raw().saturating_add(1),
            _ => 0,
        };
        let first = Key::Notice(NoticeId::from_raw(from));
        let page = store.scan(&first, &Key::LAST_NOTICE, Order::Ascending, PAGE)?;
        let more = page.len() == PAGE;
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
        Ok(match after {
            Some(after) => Next::Some(Box::new(FanOut { before, after, writes, more })),
            None => Next::Nothing,
        })
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::accounts::Seal;
    use crate::engine;
    use crate::model::NoticeKind;
    use crate::store::{Memory, Store};
    use crate::upstream::{HttpUpstream, UpstreamOptions};
    use crate::webhooks::WebhooksOptions;
    use crate::wire::EndpointRequest;
    use crate::workflow;

    const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn webhooks(store: &Memory) -> Webhooks {
        let options = UpstreamOptions {
            allow_private: false,
            media_allow_private: false,
            webhooks_allow_private: false,
            allow_crash: false,
        };
        let drawn = AtomicU64::new(1);
        let seal = Seal::open(Some(&"ab".repeat(32)), Path::new("unused"), Arc::new(|| 1));
        Webhooks::new(WebhooksOptions {
            store: Arc::new(store.clone()),
            engine: engine::mailbox().0,
            upstream: Arc::new(HttpUpstream::new(options, Arc::new(|| NOON)).expect("a client")),
            seal: Arc::new(seal.expect("a sound key")),
            definition: workflow::load(&Default::default()).expect("built in").deliver,
            now: Arc::new(|| NOON),
            dice: Arc::new(move || {
                let n = u128::from(drawn.fetch_add(1, Ordering::Relaxed));
                n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            }),
        })
    }

    fn notice(id: u128, at: Timestamp) -> Write {
        let id = NoticeId::from_raw(id);
        let kind = NoticeKind::PostPublished;
        let notice = Notice { id, kind, at, request: None, data: "{}".to_owned() };
        Write::Put(Key::Notice(id), Record::Notice(notice))
    }

    #[test]
    fn an_endpoint_hears_what_comes_after_it_even_where_the_clock_was_set_back() {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        store.commit(epoch, &[notice(7, NOON)]).expect("memory");
        let webhooks = webhooks(&store);
        let url = "https://hears.test/".to_owned();
        let asked = EndpointRequest { url, kinds: Vec::new(), description: None };
        let (records, reply) = webhooks.create(asked).expect("room");
        assert!(String::from_utf8_lossy(&reply.body).contains("whsec_"));
        store.commit(epoch, &records.writes).expect("memory");
        // The clock is set back by an hour; ids still tell before and after.
        let earlier = Timestamp::from_millis(NOON.as_millis() - 3_600_000);
        store.commit(epoch, &[notice(8, earlier)]).expect("memory");
        let Next::Some(plan) = webhooks.plan_fan_out().expect("it is read") else {
            panic!("there is news, and somebody to hear it")
        };
        let due: Vec<u128> = plan
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::Put(Key::Delivery(_, notice), _) => Some(notice.raw()),
                _ => None,
            })
            .collect();
        assert_eq!((due, plan.after.raw()), (vec![8], 8));
    }
}
