//! Idempotency keys: looked at before any work, kept with the reply.

use super::caller::{SentKey, digest};
use super::create::Admission;
use super::faults;
use crate::engine::{Claim, EngineError, Records, Submitted, WriteError};
use crate::model::{Fault, IDEMPOTENCY_KEY_CHARS_MAX, RequestId, Secret};
use crate::store::{ClaimRecord, ClaimState};
use crate::wire::{self, Reply};

/// How often records are planned again that changed meanwhile.
const PLANS_MAX: usize = 5;
/// What a sealed reply begins with.
const SEALED: u8 = 0;

/// A reply, with what it says of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The reply.
    pub reply: Reply,
    /// Whether another request with the same key got it first.
    pub replayed: bool,
    /// The key it is kept under, if it is.
    pub claim_key: Option<String>,
    /// The `Retry-After` header, in seconds.
    pub retry_after: Option<u32>,
    /// What went wrong, if the request failed whole.
    pub fault: Option<Fault>,
}

/// A key with the claim it makes.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    pub text: String,
    pub claim: Claim,
}

impl Admission {
    /// The claim of a key, bound to method and route, and to the profile of a caller who is limited
    /// to one; `None` without a key.
    pub(super) fn keyed(
        key: SentKey<'_>,
        (method, route): (&str, &str),
        body: &[u8],
    ) -> Result<Option<Keyed>, Fault> {
        let Some(text) = key.text else { return Ok(None) };
        let chars = text.chars().count();
        if chars > IDEMPOTENCY_KEY_CHARS_MAX {
            return Err(faults::key_length(chars));
        }
        let mut parts = vec![method.as_bytes(), route.as_bytes(), text.as_bytes()];
        let own = key.profile.map(|profile| profile.raw().to_be_bytes());
        parts.extend(own.as_ref().map(<[u8; 16]>::as_slice));
        let claim = Claim { id: digest(&parts), fingerprint: digest(&[body]) };
        Ok(Some(Keyed { text: text.to_owned(), claim }))
    }

    /// The reply that the key has already, if it has one; waits for one that is being made.
    pub(super) async fn earlier(&self, keyed: Option<&Keyed>) -> Result<Option<Served>, Fault> {
        let Some(keyed) = keyed else { return Ok(None) };
        // Nearly always the key is new, or its reply is decided and stays as it is, and the engine
        // need not be asked to know it. Should it be claimed from here on, the engine finds that
        // out itself.
        let known = self.options.store.claim(&keyed.claim.id);
        let known = known.map_err(|problem| faults::unreadable(&problem))?;
        if let Some(settled) = self.settled(known.map(|(_, record)| record), keyed.claim) {
            // Of an engine that has stopped it is certain, so far, that it took nothing.
            if self.options.engine.is_stopped() {
                return Err(faults::engine(&EngineError::Stopping));
            }
            let Some(reply) = settled else { return Ok(None) };
            self.durable().await?;
            let submitted = Submitted { reply, replayed: true };
            return Ok(Some(answered(self.opened(submitted, keyed)?, Some(keyed))));
        }
        match self.options.engine.peek(keyed.claim).await {
            Ok(None) => Ok(None),
            Ok(Some(submitted)) => Ok(Some(answered(self.opened(submitted, keyed)?, Some(keyed)))),
            Err(problem) => Err(faults::engine(&problem)),
        }
    }

    /// What a claim's record says for certain: that there is none, or the reply that it keeps.
    fn settled(&self, known: Option<ClaimRecord>, claim: Claim) -> Option<Option<Reply>> {
        match known {
            None => Some(None),
            Some(ClaimRecord {
                fingerprint,
                expires_at,
                state: ClaimState::Replied { status, body },
                ..
            }) if fingerprint == claim.fingerprint && expires_at > (self.options.now)() => {
                Some(Some(Reply { status, body }))
            }
            Some(_) => None,
        }
    }

    /// Writes records once for their key, with the reply in the same commit; a reply that shows a
    /// secret is sealed where it is kept. `plan` is asked again when a record changed meanwhile.
    pub async fn recorded<P>(
        &self,
        request: &RequestId,
        key: SentKey<'_>,
        route: (&str, &str),
        body: &[u8],
        shows_secret: bool,
        plan: P,
    ) -> Served
    where
        P: Fn() -> Result<(Records, Reply), Fault> + Clone + Send + 'static,
    {
        let work = async |claim| {
            // What is unique among records is looked for before it is written.
            let _one = self.recording.lock().await;
            self.write(claim, shows_secret, plan).await
        };
        self.once(request, key, route, body, work).await
    }

    /// As `recorded`, where the world has to be asked before it is known what to write: `work`
    /// asks, and gives the plan.
    pub async fn recorded_after<P>(
        &self,
        request: &RequestId,
        key: SentKey<'_>,
        route: (&str, &str),
        body: &[u8],
        work: impl AsyncFnOnce() -> Result<P, Fault>,
    ) -> Served
    where
        P: Fn() -> Result<(Records, Reply), Fault> + Clone + Send + 'static,
    {
        let work = async |claim| {
            let plan = work().await?;
            self.write(claim, false, plan).await
        };
        self.once(request, key, route, body, work).await
    }

    /// Writes what is planned, with the reply under its claim.
    async fn write<P>(
        &self,
        claim: Option<Claim>,
        shows_secret: bool,
        plan: P,
    ) -> Result<Submitted, Fault>
    where
        P: Fn() -> Result<(Records, Reply), Fault> + Clone + Send + 'static,
    {
        for _ in 0..PLANS_MAX {
            let plan = plan.clone();
            let (mut records, reply) = self.off(move |_| plan()).await?;
            if let Some(claim) = claim {
                let kept = if shows_secret { self.sealed(&reply, claim)? } else { reply.clone() };
                records.keep = Some((claim, kept));
            }
            match self.options.engine.record(records).await {
                Ok(None) => return Ok(Submitted { reply, replayed: false }),
                Ok(Some(submitted)) => return self.open(submitted, claim),
                Err(WriteError::Raced) => {}
                Err(WriteError::Engine(problem)) => return Err(faults::engine(&problem)),
            }
        }
        Err(faults::engine(&EngineError::Full))
    }

    /// Does something once for its key that cannot be done in one commit with its reply, which is
    /// kept afterwards.
    pub async fn after(
        &self,
        request: &RequestId,
        key: SentKey<'_>,
        route: (&str, &str),
        body: &[u8],
        work: impl AsyncFnOnce() -> Result<Reply, Fault>,
    ) -> Served {
        let work = async |claim| {
            let reply = work().await?;
            let Some(claim) = claim else { return Ok(Submitted { reply, replayed: false }) };
            let kept = self.options.engine.remember(claim, reply).await;
            kept.map_err(|problem| faults::engine(&problem))
        };
        self.once(request, key, route, body, work).await
    }

    /// A reply as it is kept where it shows a secret: a zero byte, which no JSON begins with, and
    /// the sealed body.
    fn sealed(&self, reply: &Reply, claim: Claim) -> Result<Reply, Fault> {
        let text = Secret::new(String::from_utf8_lossy(&reply.body).into_owned());
        let sealed = self.options.seal.seal(owner(claim), &text);
        let sealed = sealed.map_err(|problem| faults::unreadable(&problem))?;
        Ok(Reply { status: reply.status, body: [&[SEALED], sealed.as_slice()].concat() })
    }

    fn opened(&self, submitted: Submitted, keyed: &Keyed) -> Result<Submitted, Fault> {
        self.open(submitted, Some(keyed.claim))
    }

    /// A kept reply as it was given.
    fn open(&self, submitted: Submitted, claim: Option<Claim>) -> Result<Submitted, Fault> {
        let (Some(claim), Some((&SEALED, sealed))) = (claim, submitted.reply.body.split_first())
        else {
            return Ok(submitted);
        };
        let text = self.options.seal.open_sealed(owner(claim), sealed);
        let text = text.map_err(|problem| faults::unreadable(&problem))?;
        let body = text.expose().as_bytes().to_vec();
        let reply = Reply { status: submitted.reply.status, body };
        Ok(Submitted { reply, ..submitted })
    }

    /// Does something once for its key: an equal key waits for the first and gets its reply. The
    /// work keeps its own reply, in the commit of what it does.
    pub(super) async fn once(
        &self,
        request: &RequestId,
        key: SentKey<'_>,
        route: (&str, &str),
        body: &[u8],
        work: impl AsyncFnOnce(Option<Claim>) -> Result<Submitted, Fault>,
    ) -> Served {
        let keyed = match Self::keyed(key, route, body) {
            Ok(keyed) => keyed,
            Err(fault) => return self.plain(fault, request),
        };
        let _pass = match &keyed {
            Some(keyed) => Some(self.flights.enter(keyed.claim.id).await),
            None => None,
        };
        match self.earlier(keyed.as_ref()).await {
            Ok(None) => {}
            Ok(Some(served)) => return served,
            Err(fault) => return self.plain(fault, request),
        }
        match work(keyed.as_ref().map(|keyed| keyed.claim)).await {
            Ok(submitted) => answered(submitted, keyed.as_ref()),
            Err(fault) => self.failed(fault, keyed.as_ref(), request).await,
        }
    }

    /// A reply that made no batch, kept under its key.
    pub(super) async fn kept(&self, reply: Reply, keyed: Option<&Keyed>) -> Result<Served, Fault> {
        let Some(keyed) = keyed else { return Ok(unkept(reply)) };
        match self.options.engine.remember(keyed.claim, reply).await {
            Ok(submitted) => Ok(answered(submitted, Some(keyed))),
            Err(problem) => Err(faults::engine(&problem)),
        }
    }

    /// A whole failure: kept under its key unless the same request may do better later.
    pub(super) async fn failed(
        &self,
        fault: Fault,
        keyed: Option<&Keyed>,
        request: &RequestId,
    ) -> Served {
        let status = fault.http_status();
        let reply = Reply { status, body: wire::error_body(&fault, request, &self.options.links) };
        let keep = (400..500).contains(&status)
            && !matches!(status, 401 | 403 | 429)
            && fault.code != crate::model::Code::IdempotencyConflict;
        let retry_after = fault.retry_after_s;
        if keep && keyed.is_some() {
            return match self.kept(reply, keyed).await {
                Ok(served) => Served { fault: Some(fault), ..served },
                Err(other) => self.plain(other, request),
            };
        }
        Served { fault: Some(fault), retry_after, ..unkept(reply) }
    }

    /// A whole failure that is not kept.
    pub(super) fn plain(&self, fault: Fault, request: &RequestId) -> Served {
        let body = wire::error_body(&fault, request, &self.options.links);
        let reply = Reply { status: fault.http_status(), body };
        Served { retry_after: fault.retry_after_s, fault: Some(fault), ..unkept(reply) }
    }
}

/// The owner that a kept reply is sealed for.
fn owner(claim: Claim) -> u128 {
    let (first, _) = claim.id.0.split_first_chunk().expect("a digest has 32 bytes");
    u128::from_be_bytes(*first)
}

/// A reply that belongs to no key.
pub(super) fn unkept(reply: Reply) -> Served {
    Served { reply, replayed: false, claim_key: None, retry_after: None, fault: None }
}

/// What the engine answered.
pub(super) fn answered(submitted: Submitted, keyed: Option<&Keyed>) -> Served {
    Served {
        reply: submitted.reply,
        replayed: submitted.replayed,
        claim_key: keyed.map(|keyed| keyed.text.clone()),
        retry_after: None,
        fault: None,
    }
}
