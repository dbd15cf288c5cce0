//! Idempotency keys: looked at before any work, kept with the reply.

use super::caller::digest;
use super::create::Admission;
use super::faults;
use crate::engine::{Claim, Submitted};
use crate::model::{Fault, IDEMPOTENCY_KEY_CHARS_MAX, RequestId};
use crate::wire::{self, Reply};

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
    /// The claim of a key, bound to method and route; `None` without a key.
    pub(super) fn keyed(
        key: Option<&str>,
        (method, route): (&str, &str),
        body: &[u8],
    ) -> Result<Option<Keyed>, Fault> {
        let Some(text) = key.filter(|text| !text.is_empty()) else { return Ok(None) };
        let chars = text.chars().count();
        if chars > IDEMPOTENCY_KEY_CHARS_MAX {
            return Err(faults::key_length(chars));
        }
        let id = digest(&[method.as_bytes(), route.as_bytes(), text.as_bytes()]);
        let claim = Claim { id, fingerprint: digest(&[body]) };
        Ok(Some(Keyed { text: text.to_owned(), claim }))
    }

    /// The reply that the key has already, if it has one; waits for one that is being made.
    pub(super) async fn earlier(&self, keyed: Option<&Keyed>) -> Result<Option<Served>, Fault> {
        let Some(keyed) = keyed else { return Ok(None) };
        match self.options.engine.peek(keyed.claim).await {
            Ok(None) => Ok(None),
            Ok(Some(submitted)) => Ok(Some(answered(submitted, Some(keyed)))),
            Err(problem) => Err(faults::engine(&problem)),
        }
    }

    /// Does something once for its key: an equal key waits for the first and gets its reply. The
    /// work keeps its own reply, in the commit of what it does.
    pub(super) async fn once(
        &self,
        request: &RequestId,
        key: Option<&str>,
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
