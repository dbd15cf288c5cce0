//! What needs an API key: who may do it, how often, and the call that does it.
//!
//! The order is always the same: credential, scope, rate limit, body, call. Nothing of a body is
//! read for a caller who may not come in.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::header::{self, HeaderMap};

use super::body::{Bodies, Held, RequestBody};
use super::connect;
use super::gate::{Api, Inbound};
use super::limiter::{Allowance, KeyUses, Limiter};
use super::oauth::OauthDoor;
use super::reply::{self, Answer, Words};
use super::route::{BoardRoute, ProfileRoute, Route, route};
use super::sandbox::SandboxDoor;
use super::timeline;
use super::{boards, hooks, media, pages, people};
use crate::accounts::Accounts;
use crate::admission::{self, Admission, Caller, Served};
use crate::engine::Records;
use crate::media::{Media, MediaError};
use crate::model::{Account, AccountId, Code, Digest, Fault, RequestId, Scope};
use crate::store::{Key, Record, Store, StoreError};
use crate::webhooks::Webhooks;
use crate::wire::{self, Reply};

/// What the handlers call.
pub struct Handlers {
    /// What is said.
    pub words: Arc<Words>,
    /// Reads bodies.
    pub bodies: Bodies,
    /// Counts requests.
    pub limiter: Limiter,
    /// For credentials and accounts.
    pub store: Arc<dyn Store>,
    /// Decides about posts.
    pub admission: Arc<Admission>,
    /// Connects and removes accounts.
    pub accounts: Arc<Accounts>,
    /// Sends people to platforms.
    pub oauth: Arc<OauthDoor>,
    /// Webhook endpoints and events.
    pub webhooks: Webhooks,
    /// When each key was last noted as used.
    pub uses: KeyUses,
    /// Keeps inline media.
    pub media: Arc<Media>,
    /// What landed, where the sandbox is enabled.
    pub sandbox: Option<Arc<SandboxDoor>>,
}

/// One request of a caller who may make it.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) id: RequestId,
    pub(super) request: Request<RequestBody>,
}

impl Handlers {
    /// The handlers as what the gate calls.
    pub fn into_api(self) -> Api {
        let handlers = Arc::new(self);
        Arc::new(move |inbound| {
            let handlers = Arc::clone(&handlers);
            let answering = async move { handlers.answer(inbound).await };
            Box::pin(answering) as Pin<Box<dyn Future<Output = Answer> + Send>>
        })
    }

    async fn answer(&self, inbound: Inbound) -> Answer {
        let id = inbound.id.clone();
        let (caller, allowance) = match self.admit(&inbound).await {
            Ok(admitted) => admitted,
            Err((fault, allowance)) => {
                return self.limited(self.words.refuse(&fault, &id), allowance);
            }
        };
        let asked = Asked { caller, id: inbound.id, request: inbound.request };
        let answer = match self.handle(asked).await {
            Ok(answer) => answer,
            Err(fault) => self.words.refuse(&fault, &id),
        };
        self.limited(answer, allowance)
    }

    fn limited(&self, mut answer: Answer, allowance: Option<Allowance>) -> Answer {
        if let Some(allowance) = allowance {
            reply::mark_allowance(&mut answer, allowance);
        }
        answer
    }

    /// Credential, scope, rate limit.
    async fn admit(
        &self,
        inbound: &Inbound,
    ) -> Result<(Caller, Option<Allowance>), (Fault, Option<Allowance>)> {
        let request = &inbound.request;
        let credential = text(request.headers(), &header::AUTHORIZATION);
        // One row is read, which takes microseconds: less than to have it read elsewhere.
        let caller =
            admission::authenticate(&*self.store, credential).map_err(|fault| (fault, None))?;
        if let Some(scope) = scope(route(request.method().as_str(), request.uri().path())) {
            admission::require(&caller, scope).map_err(|fault| (fault, None))?;
        }
        let now = (self.words.now)();
        if self.uses.is_news(caller.key.id, now) {
            let (accounts, id) = (Arc::clone(&self.accounts), caller.key.id);
            tokio::spawn(async move { accounts.note_use(id, now).await });
        }
        let allowance = self.limiter.take(caller.key.id, now);
        match allowance {
            Some(Allowance { passes: false, reset_s, .. }) => Err((too_many(reset_s), allowance)),
            _ => Ok((caller, allowance)),
        }
    }

    /// What a request comes to. Each kind of work takes memory of its own, so that a read does not
    /// carry about what the largest would need.
    async fn handle(&self, asked: Asked) -> Result<Answer, Fault> {
        let method = asked.request.method().clone();
        let path = asked.request.uri().path().to_owned();
        match route(method.as_str(), &path) {
            Route::CreatePost => Box::pin(self.create(asked)).await,
            Route::ListPosts => {
                let query = asked.request.uri().query().unwrap_or_default();
                let listing = self.admission.list_posts(&asked.caller, query);
                Ok(reply::json(200, Box::pin(listing).await?))
            }
            Route::ReadPost(id) => {
                let reply = if id.starts_with("batch_") {
                    Box::pin(self.admission.get_batch(&asked.caller, id)).await?
                } else {
                    self.admission.get_post(&asked.caller, id).await?
                };
                Ok(reply::json(reply.status, reply.body))
            }
            Route::PatchPost(id) => Box::pin(self.patch(asked, id)).await,
            Route::CancelPost(id) => Box::pin(self.cancel(asked, id)).await,
            Route::RetryPost(id) => Box::pin(self.retry(asked, id)).await,
            Route::ValidatePost => Box::pin(self.validate(asked)).await,
            Route::Profiles(route) => Box::pin(people::profiles(self, asked, route)).await,
            Route::Keys(route) => Box::pin(people::keys(self, asked, route)).await,
            Route::Hooks(route) => Box::pin(hooks::hooks(self, asked, route)).await,
            Route::Media(route) => Box::pin(media::media(self, asked, route)).await,
            Route::Events => Box::pin(hooks::events(self, &asked)).await,
            Route::PlatformVersions => Ok(pages::platform_versions((self.words.now)())),
            Route::ListAccounts => {
                let query = asked.request.uri().query().unwrap_or_default();
                let listing = self.admission.list_accounts(&asked.caller, query);
                let reply = Box::pin(listing).await?;
                Ok(reply::json(reply.status, reply.body))
            }
            Route::ReadAccount(id) => {
                let account = Box::pin(self.account(&asked.caller, id)).await?;
                Ok(reply::json(200, wire::account_body(&account)))
            }
            Route::RemoveAccount(id) => Box::pin(self.remove_account(asked, id)).await,
            Route::DescribeConnect(platform) => Box::pin(self.describe(asked, platform)).await,
            Route::CompleteConnect(platform) => {
                Box::pin(self.complete_connect(asked, platform)).await
            }
            Route::Boards(route) => Box::pin(boards::boards(self, asked, route)).await,
            Route::Timeline => Box::pin(self.timeline(&asked)).await,
            Route::Landing(n) => Box::pin(self.landing(&asked.caller, n)).await,
            // The gate answers these itself.
            Route::Health
            | Route::Live
            | Route::Ready
            | Route::Preflight
            | Route::MediaFile(_)
            | Route::OauthCallback(_)
            | Route::Meta(_)
            | Route::Rehearsed(_)
            | Route::Index
            | Route::OpenApi
            | Route::Mcp
            | Route::ErrorIndex
            | Route::ErrorPage(_)
            | Route::RuleIndex
            | Route::RulePage(_)
            | Route::SandboxUpload
            | Route::SandboxPost
            | Route::SandboxPosts
            | Route::Nowhere => Err(reply::nowhere(method.as_str(), &path)),
        }
    }

    async fn timeline(&self, asked: &Asked) -> Result<Answer, Fault> {
        if asked.caller.key.profile.is_some() {
            return Err(timeline::of_all_profiles());
        }
        timeline::page(self.sandbox.as_deref(), asked.request.uri().query()).await
    }

    async fn landing(&self, caller: &Caller, n: &str) -> Result<Answer, Fault> {
        let may_know = async |post: &str| match caller.key.profile {
            None => Ok(()),
            Some(_) => self.admission.may_know(caller, post).await.map_err(|fault| {
                let absent = fault.code == Code::NotFound;
                if absent { timeline::of_another_profile() } else { fault }
            }),
        };
        timeline::landing(self.sandbox.as_deref(), n, may_know).await
    }

    async fn create(&self, asked: Asked) -> Result<Answer, Fault> {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        // The alias `/posts` shares the keys of `/v1/posts`: it is the same route.
        let route = ("POST", "/v1/posts");
        let body = held.bytes.clone();
        let served = self
            .admission
            .create(&caller, &id, key.as_deref(), route, body, |bytes| self.keep(bytes))
            .await;
        Ok(self.served(served, &id))
    }

    async fn patch(&self, asked: Asked, post: &str) -> Result<Answer, Fault> {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        let body = held.bytes.clone();
        let served = self
            .admission
            .patch(&caller, &id, key.as_deref(), post, body, |bytes| self.keep(bytes))
            .await;
        Ok(self.served(served, &id))
    }

    /// Keeps bytes that were sent inline.
    async fn keep(&self, bytes: Vec<u8>) -> Result<Digest, Fault> {
        let media = Arc::clone(&self.media);
        blocking(move || media.put(&bytes).map_err(unkept)).await
    }

    async fn cancel(&self, asked: Asked, post: &str) -> Result<Answer, Fault> {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let served = self.admission.cancel(&caller, &id, key.as_deref(), post).await;
        Ok(self.served(served, &id))
    }

    async fn retry(&self, asked: Asked, post: &str) -> Result<Answer, Fault> {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        let body = held.bytes.clone();
        let served = self.admission.retry(&caller, &id, key.as_deref(), post, body).await;
        Ok(self.served(served, &id))
    }

    async fn validate(&self, asked: Asked) -> Result<Answer, Fault> {
        let held = self.body(asked.request).await?;
        let (caller, body) = (&asked.caller, held.bytes.clone());
        let keep = |bytes| self.keep(bytes);
        let reply = self.admission.validate(caller, &asked.id, body, keep).await?;
        Ok(reply::json(reply.status, reply.body))
    }

    /// Writes what `plan` makes of the request, once for its key, with the reply in the same
    /// commit. A reply that shows a secret is sealed where it is kept.
    pub(super) async fn recorded<P>(
        &self,
        asked: Asked,
        route: (&str, &str),
        shows_secret: bool,
        plan: P,
    ) -> Result<Answer, Fault>
    where
        P: Fn(&Caller, &[u8]) -> Result<(Records, Reply), Fault> + Clone + Send + 'static,
    {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        let body = held.bytes.clone();
        let key = caller.sent(key.as_deref());
        let plan = move || plan(&caller, &body);
        let served =
            self.admission.recorded(&id, key, route, &held.bytes, shows_secret, plan).await;
        Ok(self.served(served, &id))
    }

    /// Does what a request asks for once for its key, and keeps the reply afterwards.
    pub(super) async fn kept(
        &self,
        asked: Asked,
        route: (&str, &str),
        work: impl AsyncFnOnce(Bytes) -> Result<Reply, Fault>,
    ) -> Result<Answer, Fault> {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        let body = held.bytes.clone();
        let work = async move || work(body).await;
        let key = caller.sent(key.as_deref());
        let served = self.admission.after(&id, key, route, &held.bytes, work).await;
        Ok(self.served(served, &id))
    }

    /// As `recorded`, where the world has to be asked first; that gives the plan.
    pub(super) async fn recorded_after<P>(
        &self,
        asked: Asked,
        route: (&str, &str),
        work: impl AsyncFnOnce(Bytes) -> Result<P, Fault>,
    ) -> Result<Answer, Fault>
    where
        P: Fn() -> Result<(Records, Reply), Fault> + Clone + Send + 'static,
    {
        let Asked { caller, id, request } = asked;
        let key = idempotency_key(request.headers())?;
        let held = self.body(request).await?;
        let body = held.bytes.clone();
        let work = async move || work(body).await;
        let key = caller.sent(key.as_deref());
        let served = self.admission.recorded_after(&id, key, route, &held.bytes, work).await;
        Ok(self.served(served, &id))
    }

    /// Waits until what a read may have seen is durable.
    pub(super) async fn durable(&self) -> Result<(), Fault> {
        self.admission.durable().await
    }

    pub(super) fn served(&self, served: Served, id: &RequestId) -> Answer {
        let mut answer = match &served.fault {
            // A fault that was kept is answered with the kept bytes, not rendered anew.
            Some(fault) if !served.replayed && served.claim_key.is_none() => {
                return self.words.refuse(fault, id);
            }
            _ => reply::json(served.reply.status, served.reply.body),
        };
        if let Some(secs) = served.retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(secs));
        }
        if let Some(key) = &served.claim_key {
            reply::mark_kept(&mut answer, key, served.replayed);
        }
        answer
    }

    async fn describe(&self, asked: Asked, platform: &str) -> Result<Answer, Fault> {
        let held = self.body(asked.request).await?;
        connect::describe(&self.oauth, &asked.caller, platform, &held.bytes).await
    }

    async fn complete_connect(&self, asked: Asked, platform: &str) -> Result<Answer, Fault> {
        let path = format!("/v1/accounts/connect/{platform}/complete");
        let caller = asked.caller.clone();
        let work =
            async |body: Bytes| connect::complete(&self.accounts, &caller, platform, &body).await;
        self.kept(asked, ("POST", &path), work).await
    }

    async fn remove_account(&self, asked: Asked, id: &str) -> Result<Answer, Fault> {
        let path = format!("/v1/accounts/{id}");
        let caller = asked.caller.clone();
        let work = async |_| {
            let account = self.account(&caller, id).await?;
            self.accounts.remove(account.id).await?;
            Ok(wire::deleted_reply(account.id))
        };
        self.kept(asked, ("DELETE", &path), work).await
    }

    /// The account, if this caller may know of it.
    pub(super) async fn account(&self, caller: &Caller, id: &str) -> Result<Account, Fault> {
        let wanted: AccountId = id.parse().map_err(|_| no_account(id))?;
        let store = Arc::clone(&self.store);
        let found = blocking(move || store.get(&Key::Account(wanted)).map_err(unreadable)).await?;
        let Some(Record::Account(account)) = found else { return Err(no_account(id)) };
        match caller.key.profile {
            Some(profile) if profile != account.profile => {
                Err(no_account(id).rule("api_key.profile_scope"))
            }
            _ => Ok(account),
        }
    }

    async fn body(&self, request: Request<RequestBody>) -> Result<Held, Fault> {
        self.bodies.read(request.into_body()).await.map_err(|error| error.fault())
    }
}

/// The scope a route needs. Listing accounts is what clients test a key with: any key may.
pub(super) fn scope(route: Route<'_>) -> Option<Scope> {
    match route {
        Route::CreatePost
        | Route::ValidatePost
        | Route::PatchPost(_)
        | Route::CancelPost(_)
        | Route::RetryPost(_) => Some(Scope::PostsWrite),
        Route::ListPosts
        | Route::ReadPost(_)
        | Route::Events
        | Route::Timeline
        | Route::Landing(_) => Some(Scope::PostsRead),
        Route::RemoveAccount(_)
        | Route::DescribeConnect(_)
        | Route::CompleteConnect(_)
        | Route::Boards(BoardRoute::Create(_) | BoardRoute::SetDefault(_))
        | Route::Profiles(
            ProfileRoute::Create | ProfileRoute::Patch(_) | ProfileRoute::Remove(_),
        )
        | Route::Keys(_)
        | Route::Hooks(_) => Some(Scope::Admin),
        Route::ListAccounts
        | Route::ReadAccount(_)
        | Route::Boards(BoardRoute::List(_))
        | Route::Profiles(ProfileRoute::List | ProfileRoute::Read(_))
        | Route::Media(_)
        | Route::MediaFile(_)
        | Route::PlatformVersions
        | Route::Live
        | Route::Ready
        | Route::Preflight
        | Route::OauthCallback(_)
        | Route::Meta(_)
        | Route::Rehearsed(_)
        | Route::Health
        | Route::Index
        | Route::OpenApi
        | Route::Mcp
        | Route::ErrorIndex
        | Route::ErrorPage(_)
        | Route::RuleIndex
        | Route::RulePage(_)
        | Route::SandboxUpload
        | Route::SandboxPost
        | Route::SandboxPosts
        | Route::Nowhere => None,
    }
}

/// The key as text. Header values may hold Latin-1, so each byte is one character of it.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok("") => Ok(None),
        Ok(key) => Ok(Some(key.to_owned())),
        Err(_) => {
            Err(Fault::new(Code::ValidationFailed, "The Idempotency-Key is not valid UTF-8.")
                .rule("idempotency_key.encoding")
                .remedy("Use plain characters; a UUID does well."))
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn too_many(reset_s: u32) -> Fault {
    Fault::new(Code::RateLimited, "This API key has made too many requests.")
        .remedy("Wait as many seconds as Retry-After says.")
        .retry_after(reset_s.max(1))
}

fn no_account(id: &str) -> Fault {
    let shown: String = id.chars().take(64).collect();
    Fault::new(Code::NotFound, format!("There is no account {shown}."))
        .remedy("GET /v1/accounts lists the connected accounts.")
}

fn unkept(error: MediaError) -> Fault {
    tracing::error!(%error, "inline media cannot be kept");
    Fault::new(Code::InternalError, "The attachment's bytes cannot be kept.")
        .rule("media.store")
        .remedy("Send the request again; the operator finds the reason in the log.")
}

fn unreadable(error: StoreError) -> Fault {
    tracing::error!(%error, "a read failed");
    Fault::new(Code::InternalError, "A record cannot be read.")
        .rule("store.read")
        .remedy("Give the request id to the operator, who finds the reason in the log.")
}

/// Runs what may wait for the disk where waiting holds nobody up.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(reply::panicked()))
}
