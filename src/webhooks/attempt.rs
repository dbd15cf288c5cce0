//! One attempt at a delivery, and what it means.

use super::endpoints::Webhooks;
use super::fan_out::Trouble;
use super::secret;
use crate::engine::WriteError;
use crate::model::{
    Delivery, DeliveryAttempt, DeliveryId, DeliveryState, Endpoint, EndpointHealth, EndpointId,
    Notice, NoticeId, Timestamp, WEBHOOK_ANSWER_CHARS_MAX,
};
use crate::store::{Key, Record, Write};
use crate::upstream::Hook;
use crate::wire;

/// How often a result is written again when a record changed meanwhile.
const WRITES_TRIED: usize = 5;

/// An attempt with the bytes that it sent.
#[derive(Debug, Clone)]
pub struct Tried {
    /// What came of it.
    pub attempt: DeliveryAttempt,
    /// The event as it was sent.
    pub event: Vec<u8>,
    /// Why it failed, for a person.
    pub why: Option<String>,
}

impl Webhooks {
    /// Sends a notice to an endpoint, once.
    pub(super) async fn send(&self, endpoint: &Endpoint, notice: &Notice, number: u32) -> Tried {
        let began_at = (self.options.now)();
        let id = DeliveryId::v7(began_at, (self.options.dice)());
        let event = wire::event_body(notice);
        let mut attempt = DeliveryAttempt {
            id,
            number,
            kind: notice.kind,
            began_at,
            duration: crate::model::Millis(0),
            status: None,
            error: None,
            answer: None,
            ok: false,
        };
        let secrets = match self.secrets(endpoint) {
            Ok(secrets) => secrets,
            Err(fault) => {
                attempt.error = Some("SecretUnreadable".to_owned());
                return Tried { attempt, event, why: Some(fault.message) };
            }
        };
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-letmepost-event", notice.kind.as_str().to_owned()),
            ("x-letmepost-event-id", notice.id.to_string()),
            ("x-letmepost-delivery-id", id.to_string()),
        ];
        if let Some(request) = &notice.request {
            headers.push(("x-letmepost-request-id", request.as_str().to_owned()));
        }
        headers.extend(secret::sign(&secrets, notice.id, began_at, &event));
        let hook = Hook { url: endpoint.url.clone(), headers, body: event.clone() };
        let heard = self.options.upstream.deliver(&hook, self.options.definition.timeout).await;
        attempt.duration = (self.options.now)().since(began_at);
        let why = match heard {
            Ok(answer) => {
                attempt.status = Some(answer.status);
                attempt.answer = Some(excerpt(&answer.body));
                attempt.ok = (200..300).contains(&answer.status);
                (!attempt.ok).then(|| format!("the endpoint answered {}", answer.status))
            }
            Err(fault) => {
                attempt.error = Some(fault.name().to_owned());
                Some(fault.to_string())
            }
        };
        Tried { attempt, event, why }
    }

    /// Attempts a delivery that is due, and records what came of it.
    pub(super) async fn attempt(
        &self,
        endpoint: Endpoint,
        notice: NoticeId,
        due_at: Timestamp,
    ) -> Result<(), Trouble> {
        let (key, turn) =
            (Key::Delivery(endpoint.id, notice), Key::DeliveryDue(endpoint.id, due_at, notice));
        let store = &self.options.store;
        let told = store.get(&Key::Notice(notice))?;
        let delivery = store.get(&key)?;
        let (Some(Record::Notice(told)), Some(Record::Delivery(delivery))) = (told, delivery)
        else {
            // What it was about has been forgotten, so there is nothing to deliver.
            let deletes = vec![Write::Delete(turn), Write::Delete(key)];
            return Ok(self.options.engine.write(Vec::new(), deletes).await?);
        };
        if !endpoint.active {
            let why = "the endpoint is switched off".to_owned();
            let at = (self.options.now)();
            let failed = Delivery { state: DeliveryState::Failed { at, why }, ..delivery.clone() };
            let writes = vec![Write::Delete(turn), Write::Put(key, Record::Delivery(failed))];
            let expect = vec![(key, Some(Record::Delivery(delivery)))];
            return raced_is_fine(self.options.engine.write(expect, writes).await);
        }
        let tried = self.send(&endpoint, &told, delivery.attempts + 1).await;
        self.record(&endpoint, notice, &tried).await
    }

    async fn record(
        &self,
        endpoint: &Endpoint,
        notice: NoticeId,
        tried: &Tried,
    ) -> Result<(), Trouble> {
        let key = Key::Delivery(endpoint.id, notice);
        let gone = self.options.definition.disable_on.as_slice();
        let gone = tried.attempt.status.is_some_and(|status| gone.contains(&status));
        for _ in 0..WRITES_TRIED {
            // Removed meanwhile: nobody asks any more.
            let Some(Record::Delivery(old)) = self.options.store.get(&key)? else { return Ok(()) };
            let mut expect = vec![(key, Some(Record::Delivery(old.clone())))];
            let mut writes = self.result(endpoint.id, notice, &old, tried);
            if gone {
                let hook = Key::Endpoint(endpoint.id);
                let stored = self.options.store.get(&hook)?;
                let Some(Record::Endpoint(now)) = &stored else { return Ok(()) };
                let off =
                    Endpoint { active: false, updated_at: (self.options.now)(), ..now.clone() };
                writes.push(Write::Put(hook, Record::Endpoint(off)));
                expect.push((hook, stored));
            }
            match self.options.engine.write(expect, writes).await {
                Err(WriteError::Raced) => {}
                other => return Ok(other?),
            }
        }
        Err(Trouble::Record("a delivery kept changing while its result was written".to_owned()))
    }

    /// The writes of a result. A delivery that was asked for again during the attempt keeps its
    /// new turn; the attempt is logged all the same.
    fn result(
        &self,
        endpoint: EndpointId,
        notice: NoticeId,
        old: &Delivery,
        tried: &Tried,
    ) -> Vec<Write> {
        let attempt = &tried.attempt;
        let now = (self.options.now)();
        let mut next = Delivery { logged: old.logged + 1, ..old.clone() };
        let mut writes = Vec::new();
        let mine = old.attempts + 1 == attempt.number && old.due().is_some();
        if mine {
            next.attempts = attempt.number;
            next.state = self.next_state(tried, now);
            if let Some(at) = old.due() {
                writes.push(Write::Delete(Key::DeliveryDue(endpoint, at, notice)));
            }
            if let Some(at) = next.due() {
                writes.push(Write::Put(Key::DeliveryDue(endpoint, at, notice), Record::Mark));
            }
        }
        let log = Key::DeliveryAttempt(endpoint, notice, next.logged);
        writes.push(Write::Put(log, Record::DeliveryAttempt(attempt.clone())));
        writes.push(Write::Put(Key::Delivery(endpoint, notice), Record::Delivery(next)));
        let known = match self.options.store.get(&Key::EndpointHealth(endpoint)) {
            Ok(Some(Record::EndpointHealth(health))) => health,
            _ => EndpointHealth::default(),
        };
        let health = EndpointHealth {
            delivered_at: if attempt.ok { Some(now) } else { known.delivered_at },
            failure: tried.why.clone(),
        };
        writes.push(Write::Put(Key::EndpointHealth(endpoint), Record::EndpointHealth(health)));
        writes
    }

    fn next_state(&self, tried: &Tried, now: Timestamp) -> DeliveryState {
        let attempt = &tried.attempt;
        if attempt.ok {
            return DeliveryState::Delivered { at: now };
        }
        let why = tried.why.clone().unwrap_or_default();
        if attempt.status.is_some_and(|status| (400..500).contains(&status)) {
            return DeliveryState::Failed { at: now, why };
        }
        match self.options.definition.wait_after(attempt.number) {
            Some(wait) => DeliveryState::Due { at: now.plus(wait) },
            None => {
                let why = format!("given up after {} attempts; {why}", attempt.number);
                DeliveryState::Failed { at: now, why }
            }
        }
    }
}

fn raced_is_fine(written: Result<(), WriteError>) -> Result<(), Trouble> {
    match written {
        Ok(()) | Err(WriteError::Raced) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

/// The start of an answer, as the log keeps it.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.char_indices().nth(WEBHOOK_ANSWER_CHARS_MAX) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…[truncated]", &text[..end]),
    }
}
