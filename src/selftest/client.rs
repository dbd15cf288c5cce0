//! The clients: each sends orders under keys of its own, twice at once at times, hangs up at
//! times, and sends again until it is answered or has had enough.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::chance::Chance;
use super::check::Sent;
use super::plan::{self, Order};
use crate::model::{Millis, Now, Secret, Timestamp};
use crate::platforms::{Answer, Body, Reach, Request};
use crate::upstream::Upstream;

/// Between two tries, and while no server listens.
const PAUSE: Millis = Millis(20);
/// Between two orders of a client: an operator's disk is not to be filled in a minute.
const REST: (u64, u64) = (10, 150);
/// Orders in a hundred that are sent twice at once.
const TWINS: u64 = 25;
/// How long a client waits for an answer, in milliseconds: most for an outcome, some for a moment,
/// and some as long as the server says at the most.
const PATIENCE: &[(u64, (u64, u64))] =
    &[(60, (2_000, 6_000)), (20, (5, 80)), (20, (20_000, 70_000))];
/// How often an order is sent before its client has had enough.
const TRIES: (u64, u64) = (1, 12);
/// Answers that should not have come, at the most, that are kept for the report.
const STRANGE_MAX: usize = 20;

/// What all clients share.
pub(super) struct Shared {
    pub upstream: Arc<dyn Upstream>,
    pub key: Secret,
    /// Where the server is; empty while there is none.
    pub base: watch::Receiver<String>,
    pub stop: AtomicBool,
    /// Orders that were answered.
    pub answered: AtomicU64,
    /// By how many milliseconds the server's clock is ahead of ours.
    pub ahead: AtomicI64,
    pub now: Now,
    pub strange: Mutex<Vec<String>>,
}

/// An answer over HTTP.
pub(super) struct Heard {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Heard {
    /// A member of the JSON, by its path; `Null` where there is none.
    pub(super) fn at(&self, pointer: &str) -> serde_json::Value {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value.pointer(pointer).cloned().unwrap_or_default()
    }
}

impl Shared {
    /// One request; nothing where no whole answer came.
    pub(super) async fn ask(
        &self,
        (method, path): (&'static str, &str),
        key: Option<&str>,
        body: &[u8],
        patience: Millis,
    ) -> Option<Heard> {
        let base = self.base.borrow().clone();
        if base.is_empty() {
            return None;
        }
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
        let request = Request {
            method,
            url: format!("{base}{path}"),
            headers,
            bearer: true,
            body: Body::Bytes(body.to_vec()),
            reach: Reach::Own,
            fault: None,
        };
        match self.upstream.send(&request, Some(&self.key), None, patience).await {
            Answer::Heard { status, body, .. } => Some(Heard { status, body }),
            _ => None,
        }
    }

    /// The instant by the server's clock.
    fn server_now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_millis((self.now)().as_millis().saturating_add(ahead))
    }

    pub(super) fn strange(&self, what: String) {
        let mut all = self.strange.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < STRANGE_MAX {
            all.push(what);
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// One client, from the first order to the last.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut chance: Chance,
    name: String,
    accounts: Vec<String>,
) -> Vec<Sent> {
    let mut all = Vec::new();
    while !shared.is_over() {
        let key = format!("{name}-{}", all.len());
        let order = plan::order(&mut chance, key, &accounts, shared.server_now());
        let mut sent = Sent { order, accepted: Vec::new(), refused: false, replay: None };
        persist(&shared, &mut chance, &mut sent).await;
        if !sent.accepted.is_empty() {
            shared.answered.fetch_add(1, Ordering::Relaxed);
        }
        all.push(sent);
        pause(Millis(chance.range(REST.0, REST.1))).await;
    }
    all
}

/// Sends an order until it is answered, the client has had enough, or all is over.
async fn persist(shared: &Shared, chance: &mut Chance, sent: &mut Sent) {
    let mut tries = chance.range(TRIES.0, TRIES.1);
    while tries > 0 && !shared.is_over() && sent.accepted.is_empty() && !sent.refused {
        let (low, high) = chance.pick(PATIENCE);
        let patience = Millis(chance.range(low, high));
        if shared.base.borrow().is_empty() {
            pause(PAUSE).await;
            continue;
        }
        let order = &sent.order;
        let answers = if chance.percent(TWINS) {
            let twin = Millis(chance.range(low, high));
            let (one, other) =
                tokio::join!(post(shared, order, patience), post(shared, order, twin));
            vec![one, other]
        } else {
            vec![post(shared, order, patience).await]
        };
        for heard in answers.into_iter().flatten() {
            take(shared, sent, heard);
        }
        tries -= 1;
        pause(PAUSE).await;
    }
}

/// Sends an order once.
pub(super) async fn post(shared: &Shared, order: &Order, patience: Millis) -> Option<Heard> {
    shared.ask(("POST", "/v1/posts"), Some(&order.key), &order.body, patience).await
}

fn take(shared: &Shared, sent: &mut Sent, heard: Heard) {
    match heard.status {
        200 | 202 => sent.accepted.push(heard.body),
        400 if sent.order.scheduled && heard.at("/error/rule") == "scheduledAt.future" => {
            sent.refused = true;
        }
        // It is stopping, or full for a moment.
        503 => {}
        status => {
            let said = String::from_utf8_lossy(&heard.body).into_owned();
            shared.strange(format!("{}: answered {status}: {said}", sent.order.key));
        }
    }
}

pub(super) async fn pause(span: Millis) {
    tokio::time::sleep(Duration::from_millis(span.0)).await;
}
