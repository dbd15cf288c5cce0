//! What became of deliveries, asking for them again, and the notices themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::attempt::Tried;
use super::endpoints::{Webhooks, unreadable};
use super::fan_out::{WRITES_MAX, hears};
use crate::engine::{Expect, Records, WriteError};
use crate::model::{
    Code, Delivery, DeliveryAttempt, Endpoint, EndpointId, Fault, Notice, NoticeId, ProfileId,
};
use crate::store::{Key, Order, Record, Write};
use crate::wire::{self, EventsQuery, RedeliverRequest, Reply, TestRequest};

/// Notices looked at for one request to deliver a range again.
const RANGE_MAX: usize = 500;
/// Notices looked at for one page of events, so that a filter that lets little through still ends.
const LOOKED_AT_MAX: usize = 5_000;
/// Rows of one page of a scan.
const PAGE: usize = 500;
/// How often a delivery is asked for again when an attempt at it ends meanwhile.
const WRITES_TRIED: usize = 5;

impl Webhooks {
    /// Attempts at deliveries to an endpoint, newest notice first, a page at a time.
    ///
    /// # Errors
    /// `not_found`.
    pub fn deliveries(
        &self,
        id: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Vec<u8>, Fault> {
        let endpoint = self.get(id)?.0.id;
        let lowest = Key::Delivery(endpoint, NoticeId::from_raw(0));
        let highest = Key::DeliveryAttempt(endpoint, NoticeId::from_raw(u128::MAX), u32::MAX);
        let mut to = match cursor.and_then(place) {
            Some((notice, n)) => below(endpoint, notice, n),
            None => Some(highest),
        };
        let mut out: Vec<(NoticeId, DeliveryAttempt)> = Vec::new();
        let mut last = None;
        while let Some(top) = to {
            let page = self.options.store.scan(&lowest, &top, Order::Descending, PAGE);
            let page = page.map_err(|problem| unreadable(&problem))?;
            let whole = page.len() == PAGE;
            for (key, record) in page {
                match (key, record) {
                    (Key::DeliveryAttempt(_, notice, n), Record::DeliveryAttempt(attempt)) => {
                        if out.len() == limit {
                            return Ok(wire::deliveries_body(&out, last));
                        }
                        last = Some(mark(notice, n));
                        to = below(endpoint, notice, n);
                        out.push((notice, attempt));
                    }
                    (Key::Delivery(_, notice), _) => to = below(endpoint, notice, 0),
                    _ => {}
                }
            }
            if !whole {
                break;
            }
        }
        Ok(wire::deliveries_body(&out, None))
    }

    /// Tries an endpoint with a notice that nobody else hears and that is not kept.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn test(&self, id: &str, asked: TestRequest) -> Result<Reply, Fault> {
        let (endpoint, _) = self.get(id)?;
        let now = (self.options.now)();
        let entropy = (self.options.dice)();
        let id = crate::model::UlidFactory::above(0).next(now, entropy);
        let data = match asked.data {
            Some(data) => data.to_string(),
            None => wire::sample_data(asked.kind, now),
        };
        let notice =
            Notice { id: NoticeId::from_raw(id), kind: asked.kind, at: now, request: None, data };
        let Tried { attempt, event, .. } = self.send(&endpoint, &notice, 1).await;
        Ok(Reply { status: 200, body: wire::test_body(&attempt, &event) })
    }

    /// Has notices delivered to an endpoint again, from the first attempt on.
    ///
    /// # Errors
    /// `not_found` for an endpoint or a notice that is not there; a conflict when the endpoint is
    /// switched off.
    pub async fn redeliver(&self, id: &str, asked: RedeliverRequest) -> Result<Reply, Fault> {
        let (endpoint, _) = self.get(id)?;
        if !endpoint.active {
            return Err(Fault::new(Code::ValidationFailed, "the webhook endpoint is switched off")
                .rule("webhook_endpoint.inactive")
                .remedy("Switch it on with PATCH {\"active\": true}, then ask again.")
                .status(409));
        }
        let (notices, next) = self.asked_for(&endpoint, asked)?;
        for chunk in notices.chunks(WRITES_MAX / 3) {
            self.due_again(endpoint.id, chunk).await?;
        }
        self.asked.notify_one();
        Ok(Reply { status: 200, body: wire::redeliver_body(notices.len(), next) })
    }

    /// The notices that are asked for, and where to go on when there are more.
    fn asked_for(
        &self,
        endpoint: &Endpoint,
        asked: RedeliverRequest,
    ) -> Result<(Vec<NoticeId>, Option<NoticeId>), Fault> {
        let (after, until) = match asked {
            RedeliverRequest::One(id) => {
                return match self.read(&Key::Notice(id))? {
                    Some(_) => Ok((vec![id], None)),
                    None => Err(Fault::new(Code::NotFound, format!("there is no event {id}"))
                        .rule("event.unknown")
                        .remedy("GET /v1/events lists the events that are kept.")),
                };
            }
            RedeliverRequest::Range { after, until } => (after, until),
        };
        let from = after.map_or(0, |id| id.raw().saturating_add(1));
        let to = until.map_or(Key::LAST_NOTICE, Key::Notice);
        let first = Key::Notice(NoticeId::from_raw(from));
        let found = self.options.store.scan(&first, &to, Order::Ascending, RANGE_MAX);
        let found = found.map_err(|problem| unreadable(&problem))?;
        let whole = found.len() == RANGE_MAX;
        let mut wanted = Vec::new();
        let mut last = None;
        for (_, record) in found {
            let Record::Notice(notice) = record else { continue };
            last = Some(notice.id);
            if hears(endpoint, &notice) {
                wanted.push(notice.id);
            }
        }
        Ok((wanted, last.filter(|_| whole)))
    }

    async fn due_again(&self, endpoint: EndpointId, notices: &[NoticeId]) -> Result<(), Fault> {
        let now = (self.options.now)();
        for _ in 0..WRITES_TRIED {
            let mut records = Records::default();
            for notice in notices {
                let key = Key::Delivery(endpoint, *notice);
                let stored = self.read(&key)?;
                let mut next = Delivery::fresh(now);
                if let Some(Record::Delivery(old)) = &stored {
                    next.logged = old.logged;
                    if let Some(at) = old.due() {
                        records.writes.push(Write::Delete(Key::DeliveryDue(endpoint, at, *notice)));
                    }
                }
                records.expect.push(Expect::Is(key, stored));
                records.writes.push(Write::Put(key, Record::Delivery(next)));
                let turn = Key::DeliveryDue(endpoint, now, *notice);
                records.writes.push(Write::Put(turn, Record::Mark));
            }
            match self.options.engine.record(records).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Raced) => {}
                Err(WriteError::Engine(problem)) => {
                    return Err(Fault::new(Code::InternalError, problem.to_string())
                        .rule("server.busy")
                        .remedy("Ask again in a second.")
                        .status(503)
                        .retry_after(1));
                }
            }
        }
        Err(Fault::new(Code::InternalError, "attempts at these deliveries kept ending meanwhile")
            .rule("server.busy")
            .remedy("Ask again in a second.")
            .status(503)
            .retry_after(1))
    }

    /// Notices, oldest first, for a consumer that has seen those up to `after`. A key that is
    /// limited to a profile sees what is said of that profile.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn events(
        &self,
        query: &EventsQuery,
        profile: Option<ProfileId>,
    ) -> Result<Vec<u8>, Fault> {
        let mut from = query.after.map_or(0, |id| id.raw().saturating_add(1));
        let mut out: Vec<Notice> = Vec::new();
        let mut looked_at = 0;
        loop {
            let first = Key::Notice(NoticeId::from_raw(from));
            let page = self.options.store.scan(&first, &Key::LAST_NOTICE, Order::Ascending, PAGE);
            let page = page.map_err(|problem| unreadable(&problem))?;
            let whole = page.len() == PAGE;
            looked_at += page.len();
            for (_, record) in page {
                let Record::Notice(notice) = record else { continue };
                if out.len() == query.limit {
                    return Ok(wire::events_body(&out, out.last().map(|last| last.id)));
                }
                from = notice.id.raw().saturating_add(1);
                let heard = query.kinds.is_empty() || query.kinds.contains(&notice.kind);
                if heard && profile.is_none_or(|own| wire::notice_profile(&notice) == Some(own)) {
                    out.push(notice);
                }
            }
            if !whole {
                return Ok(wire::events_body(&out, None));
            }
            if looked_at >= LOOKED_AT_MAX {
                let seen = NoticeId::from_raw(from.saturating_sub(1));
                return Ok(wire::events_body(&out, Some(seen)));
            }
        }
    }
}

/// The highest key below an attempt; with 0, below its whole delivery.
fn below(endpoint: EndpointId, notice: NoticeId, n: u32) -> Option<Key> {
    if n > 0 {
        return Some(Key::DeliveryAttempt(endpoint, notice, n - 1));
    }
    let before = NoticeId::from_raw(notice.raw().checked_sub(1)?);
    Some(Key::DeliveryAttempt(endpoint, before, u32::MAX))
}

fn mark(notice: NoticeId, n: u32) -> String {
    let bytes = [&notice.raw().to_be_bytes()[..], &n.to_be_bytes()[..]].concat();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn place(cursor: &str) -> Option<(NoticeId, u32)> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (notice, rest) = bytes.split_first_chunk::<16>()?;
    let n = u32::from_be_bytes(rest.try_into().ok()?);
    Some((NoticeId::from_raw(u128::from_be_bytes(*notice)), n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoticeKind;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_garbage_to_none() {
        let at = (NoticeId::from_raw(7 << 90), 12);
        assert_eq!(place(&mark(at.0, at.1)), Some(at));
        for garbage in ["", "x", "AAAA", "!!!!"] {
            assert_eq!(place(garbage), None);
        }
        let endpoint = EndpointId::from_raw(1);
        assert_eq!(below(endpoint, NoticeId::from_raw(0), 0), None);
        let lower = Key::DeliveryAttempt(endpoint, NoticeId::from_raw(4), u32::MAX);
        assert_eq!(below(endpoint, NoticeId::from_raw(5), 0), Some(lower));
    }

    #[test]
    fn every_kind_has_a_sample_that_is_an_object() {
        for kind in NoticeKind::ALL {
            let text = wire::sample_data(kind, crate::model::Timestamp::from_millis(0));
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert!(value.is_object(), "{}", kind.as_str());
        }
    }
}
