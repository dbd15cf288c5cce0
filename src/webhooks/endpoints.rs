//! Webhook endpoints: made, changed, removed, and their secrets.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::sync::Notify;

use super::secret;
use crate::accounts::Seal;
use crate::engine::{Expect, Handle, Records};
use crate::model::{
    Code, Dice, Endpoint, EndpointHealth, EndpointId, Fault, Millis, NoticeId, Now, RetiringSecret,
    Secret, WEBHOOK_ENDPOINTS_MAX,
};
use crate::store::{Key, Order, Record, Store, Write};
use crate::upstream::Upstream;
use crate::wire::{self, EndpointPatch, EndpointRequest, Reply};
use crate::workflow::DeliverDefinition;

/// What the webhooks are built from.
#[derive(Clone)]
pub struct WebhooksOptions {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for writing.
    pub engine: Handle,
    /// The way outward.
    pub upstream: Arc<dyn Upstream>,
    /// Seals signing secrets.
    pub seal: Arc<Seal>,
    /// How deliveries are made.
    pub definition: DeliverDefinition,
    /// The clock.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
}

/// The webhook endpoints. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    pub(super) options: WebhooksOptions,
    /// Wakes the deliverer when a delivery was asked for.
    pub(super) asked: Arc<Notify>,
    /// How often there were notices that nobody hears since the cursor last passed over them.
    pub(super) unheard: Arc<AtomicU32>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

impl Webhooks {
    /// The webhooks over a store.
    pub fn new(options: WebhooksOptions) -> Self {
        Self { options, asked: Arc::default(), unheard: Arc::default() }
    }

    /// What makes an endpoint, and the reply that shows its secret this once.
    ///
    /// # Errors
    /// When there are too many, or its secret cannot be sealed.
    pub fn create(&self, asked: EndpointRequest) -> Result<(Records, Reply), Fault> {
        if self.all()?.len() >= WEBHOOK_ENDPOINTS_MAX {
            let message = format!("there are {WEBHOOK_ENDPOINTS_MAX} webhook endpoints already");
            return Err(Fault::new(Code::ValidationFailed, message)
                .rule("webhook_endpoints.max")
                .remedy("Delete one that is not needed.")
                .status(409));
        }
        let now = (self.options.now)();
        let id = EndpointId::v7(now, (self.options.dice)());
        let secret = secret::fresh(&self.options.dice);
        let endpoint = Endpoint {
            id,
            url: asked.url,
            kinds: asked.kinds,
            description: asked.description,
            active: true,
            secret: self.seal(id, &secret)?,
            retiring: None,
            created_at: now,
            updated_at: now,
        };
        let health = EndpointHealth::default();
        let reply = wire::endpoint_reply(201, &endpoint, &health, Some(&secret));
        let mut records = replace(None, endpoint);
        let since = Record::NoticeCursor(self.newest()?);
        records.writes.push(Write::Put(Key::EndpointSince(id), since));
        Ok((records, reply))
    }

    /// What changes an endpoint. Switched on again, it forgets why it failed.
    ///
    /// # Errors
    /// `not_found`.
    pub fn patch(&self, id: &str, patch: EndpointPatch) -> Result<(Records, Reply), Fault> {
        let (old, mut health) = self.get(id)?;
        let revived = patch.active == Some(true) && !old.active;
        let endpoint = Endpoint {
            url: patch.url.unwrap_or_else(|| old.url.clone()),
            kinds: patch.kinds.unwrap_or_else(|| old.kinds.clone()),
            active: patch.active.unwrap_or(old.active),
            description: patch.description.unwrap_or_else(|| old.description.clone()),
            updated_at: (self.options.now)(),
            ..old.clone()
        };
        if revived {
            health.failure = None;
        }
        let reply = wire::endpoint_reply(200, &endpoint, &health, None);
        let key = Key::EndpointHealth(endpoint.id);
        let mut records = replace(Some(old), endpoint);
        if revived {
            records.writes.push(Write::Put(key, Record::EndpointHealth(health)));
        }
        Ok((records, reply))
    }

    /// What gives an endpoint another secret; the old one goes on signing for a while.
    ///
    /// # Errors
    /// `not_found`, or when the secret cannot be sealed.
    pub fn rotate(&self, id: &str) -> Result<(Records, Reply), Fault> {
        let (old, health) = self.get(id)?;
        let now = (self.options.now)();
        let secret = secret::fresh(&self.options.dice);
        let until = now.plus(self.overlap());
        let endpoint = Endpoint {
            secret: self.seal(old.id, &secret)?,
            retiring: Some(RetiringSecret { secret: old.secret.clone(), until }),
            updated_at: now,
            ..old.clone()
        };
        let reply = wire::endpoint_reply(200, &endpoint, &health, Some(&secret));
        Ok((replace(Some(old), endpoint), reply))
    }

    /// What removes an endpoint. Its deliveries are never attempted again; upkeep clears them away.
    ///
    /// # Errors
    /// `not_found`.
    pub fn remove(&self, id: &str) -> Result<(Records, Reply), Fault> {
        let (old, _) = self.get(id)?;
        let (key, since) = (Key::Endpoint(old.id), Key::EndpointSince(old.id));
        let health = Key::EndpointHealth(old.id);
        let reply = wire::deleted_reply(old.id);
        let records = Records {
            expect: vec![Expect::Is(key, Some(Record::Endpoint(old)))],
            writes: vec![Write::Delete(key), Write::Delete(health), Write::Delete(since)],
            ..Records::default()
        };
        Ok((records, reply))
    }

    /// One endpoint, and how it does.
    ///
    /// # Errors
    /// `not_found`.
    pub fn get(&self, id: &str) -> Result<(Endpoint, EndpointHealth), Fault> {
        let shown: String = id.chars().take(64).collect();
        let unknown = || {
            Fault::new(Code::NotFound, format!("there is no webhook endpoint {shown}"))
                .remedy("GET /v1/webhook-endpoints lists the endpoints there are.")
        };
        let id: EndpointId = id.parse().map_err(|_| unknown())?;
        match self.read(&Key::Endpoint(id))? {
            Some(Record::Endpoint(endpoint)) => Ok((endpoint, self.health(id)?)),
            _ => Err(unknown()),
        }
    }

    /// Every endpoint and how it does, newest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list(&self) -> Result<Vec<(Endpoint, EndpointHealth)>, Fault> {
        let mut all = self.all()?;
        all.sort_by_key(|endpoint| std::cmp::Reverse((endpoint.created_at, endpoint.id)));
        all.into_iter().map(|endpoint| Ok((endpoint.clone(), self.health(endpoint.id)?))).collect()
    }

    pub(super) fn all(&self) -> Result<Vec<Endpoint>, Fault> {
        let (from, to) = (EndpointId::from_raw(0), EndpointId::from_raw(u128::MAX));
        let (from, to) = (Key::Endpoint(from), Key::Endpoint(to));
        let found = self.options.store.scan(&from, &to, Order::Ascending, usize::MAX);
        let found = found.map_err(|problem| unreadable(&problem))?;
        let endpoints = found.into_iter().filter_map(|(_, record)| match record {
            Record::Endpoint(endpoint) => Some(endpoint),
            _ => None,
        });
        Ok(endpoints.collect())
    }

    /// The newest notice there is.
    pub(super) fn newest(&self) -> Result<NoticeId, Fault> {
        let first = Key::Notice(NoticeId::from_raw(0));
        let store = &self.options.store;
        let found = store.scan(&first, &Key::LAST_NOTICE, Order::Descending, 1);
        match found.map_err(|problem| unreadable(&problem))?.first() {
            Some((Key::Notice(id), _)) => Ok(*id),
            _ => Ok(NoticeId::from_raw(0)),
        }
    }

    fn health(&self, id: EndpointId) -> Result<EndpointHealth, Fault> {
        match self.read(&Key::EndpointHealth(id))? {
            Some(Record::EndpointHealth(health)) => Ok(health),
            _ => Ok(EndpointHealth::default()),
        }
    }

    pub(super) fn read(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.options.store.get(key).map_err(|problem| unreadable(&problem))
    }

    /// The secrets that sign at this instant, the newest first.
    pub(super) fn secrets(&self, endpoint: &Endpoint) -> Result<Vec<Secret>, Fault> {
        let now = (self.options.now)();
        let old = endpoint.retiring.as_ref().filter(|old| old.until > now);
        let sealed = [Some(&endpoint.secret), old.map(|old| &old.secret)];
        let open = |sealed: &Vec<u8>| self.options.seal.open_sealed(endpoint.id.raw(), sealed);
        let opened: Result<Vec<_>, _> = sealed.into_iter().flatten().map(open).collect();
        opened.map_err(|problem| unreadable(&problem))
    }

    fn seal(&self, id: EndpointId, secret: &Secret) -> Result<Vec<u8>, Fault> {
        self.options.seal.seal(id.raw(), secret).map_err(|problem| unreadable(&problem))
    }

    fn overlap(&self) -> Millis {
        self.options.definition.secret_overlap
    }
}

/// The records that put an endpoint where `old` is, or where nothing is.
fn replace(old: Option<Endpoint>, new: Endpoint) -> Records {
    let key = Key::Endpoint(new.id);
    Records {
        expect: vec![Expect::Is(key, old.map(Record::Endpoint))],
        writes: vec![Write::Put(key, Record::Endpoint(new))],
        ..Records::default()
    }
}

pub(super) fn unreadable(problem: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%problem, "a record of a webhook endpoint cannot be read");
    Fault::new(Code::InternalError, "a record of the webhook endpoint cannot be read")
        .rule("store.read")
        .remedy("The operator finds the reason in the log; `fanfare journal verify` names it.")
        .retryable()
}
