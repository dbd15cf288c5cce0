//! From a request to its answer: a request id for each, a route, and work set apart, so that
//! neither a panic nor a client that hangs up takes anything else along.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::header;

use super::apart::apart;
use super::arriving::Arriving;
use super::body::RequestBody;
use super::drain::Drain;
use super::mcp::Mcp;
use super::media_door::MediaDoor;
use super::openapi::Description;
use super::pages;
use super::ready::Ready;
use super::reply::{self, Answer, Words};
use super::route::{Route, route};
use super::rules::{self, Form};
use super::sandbox::SandboxDoor;
use super::server::{HangUp, Service};
use super::strict;
use crate::engine::{self, caught};
use crate::model::RequestId;

/// How long the engine has to say how it does.
const HEALTH_WAIT: Duration = Duration::from_secs(2);

/// A request for the API, under its id.
#[derive(Debug)]
pub struct Inbound {
    /// Its id.
    pub id: RequestId,
    /// The request. Its body has not been read: who may not come in is not listened to.
    pub request: Request<RequestBody>,
}

/// Answers what needs an API key: the answer carries the headers of the rate limit already.
pub type Api = Arc<dyn Fn(Inbound) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Everything that can be asked for.
pub struct Gate {
    /// What is said.
    pub words: Arc<Words>,
    /// The engine, for its health.
    pub engine: engine::Handle,
    /// The platform's side of the sandbox, where it is enabled.
    pub sandbox: Option<Arc<SandboxDoor>>,
    /// Uploads, for whoever has an address of one.
    pub files: MediaDoor,
    /// Whether the server would do what it promises.
    pub ready: Arc<Ready>,
    /// Answers what needs an API key.
    pub api: Api,
    /// The same API, for agents.
    pub mcp: Mcp,
    /// The same API, described.
    pub description: Description,
    /// Answers people whom a platform sends back: nobody is asked for a key.
    pub callback: Api,
    /// Answers Meta, which signs what it asks.
    pub meta: Api,
    /// Lets the API finish before the sandbox closes: what is under way may still need it.
    pub drain: Arc<Drain>,
}

impl Gate {
    /// The gate as what a server calls.
    pub fn into_service(self) -> Service {
        let gate = Arc::new(self);
        Arc::new(move |request| Box::pin(Arc::clone(&gate).serve(request)))
    }

    async fn serve(self: Arc<Self>, request: Request<Arriving>) -> Result<Answer, HangUp> {
        let id = self.words.request_id(request.headers());
        let words = Arc::clone(&self.words);
        let origin = request.headers().get(header::ORIGIN).cloned();
        let request = request.map(BodyExt::boxed);
        let mut answer = match strict::refusal(&request) {
            Some(fault) => words.refuse(&fault, &id),
            None => self.answer_apart(Inbound { id: id.clone(), request }).await?,
        };
        words.sign(&mut answer, &id);
        words.admit_origin(&mut answer, origin.as_ref());
        Ok(answer)
    }

    /// Answers in any case, once begun.
    async fn answer_apart(self: Arc<Self>, inbound: Inbound) -> Result<Answer, HangUp> {
        let (words, id) = (Arc::clone(&self.words), inbound.id.clone());
        match apart(caught(self.answer(inbound))).await {
            Ok(answer) => answer,
            Err(panic) => {
                tracing::error!(request.id = %id, %panic, "a handler panicked");
                Ok(words.refuse(&reply::panicked(), &id))
            }
        }
    }

    /// Each kind of work takes memory of its own, as in `Handlers::handle`.
    async fn answer(self: Arc<Self>, inbound: Inbound) -> Result<Answer, HangUp> {
        let Inbound { id, request } = inbound;
        let method = request.method().as_str().to_owned();
        let path = request.uri().path().to_owned();
        match route(&method, &path) {
            Route::Health => Ok(Box::pin(self.health()).await),
            Route::OpenApi => Ok(self.description.answer()),
            Route::Mcp => Ok(match self.drain.enter() {
                Some(_pass) => Box::pin(self.mcp.answer(Inbound { id, request })).await,
                None => self.words.refuse(&reply::stopping(), &id),
            }),
            Route::Live => Ok(reply::json(200, r#"{"status":"ok"}"#)),
            Route::Ready if self.drain.is_draining() => Ok(pages::stopping()),
            Route::Ready => Ok(Box::pin(self.ready.answer()).await),
            Route::Preflight => Ok(reply::browser_preflight()),
            Route::MediaFile(name) => Ok(Box::pin(self.file(name, &request, &id)).await),
            Route::Index => Ok(pages::index(&self.words.links)),
            it @ (Route::Rehearsed(_)
            | Route::ErrorIndex
            | Route::ErrorPage(_)
            | Route::RuleIndex
            | Route::RulePage(_)) => {
                let page = self.page(it, Form::asked(request.headers()));
                Ok(page.unwrap_or_else(|| self.nowhere(&method, &path, &id)))
            }
            Route::Nowhere => Ok(self.nowhere(&method, &path, &id)),
            it @ (Route::SandboxUpload | Route::SandboxPost | Route::SandboxPosts) => {
                match &self.sandbox {
                    Some(sandbox) => Box::pin(inside(sandbox, it, request)).await,
                    None => Ok(self.nowhere(&method, &path, &id)),
                }
            }
            Route::OauthCallback(_) => Ok(match self.drain.enter() {
                Some(_pass) => (self.callback)(Inbound { id, request }).await,
                None => self.words.refuse(&reply::stopping(), &id),
            }),
            Route::Meta(_) => Ok(match self.drain.enter() {
                Some(_pass) => (self.meta)(Inbound { id, request }).await,
                None => self.words.refuse(&reply::stopping(), &id),
            }),
            Route::CreatePost
            | Route::ListPosts
            | Route::ReadPost(_)
            | Route::PatchPost(_)
            | Route::CancelPost(_)
            | Route::RetryPost(_)
            | Route::ValidatePost
            | Route::Profiles(_)
            | Route::Keys(_)
            | Route::Hooks(_)
            | Route::Media(_)
            | Route::Events
            | Route::PlatformVersions
            | Route::ListAccounts
            | Route::ReadAccount(_)
            | Route::RemoveAccount(_)
            | Route::DescribeConnect(_)
            | Route::CompleteConnect(_)
            | Route::Boards(_)
            | Route::Timeline
            | Route::Landing(_) => Ok(match self.drain.enter() {
                Some(_pass) => (self.api)(Inbound { id, request }).await,
                None => self.words.refuse(&reply::stopping(), &id),
            }),
        }
    }

    async fn file(&self, name: &str, request: &Request<RequestBody>, id: &RequestId) -> Answer {
        let (query, now) = (request.uri().query(), (self.words.now)());
        let answer = self.files.file(name, query, request.headers(), now).await;
        answer.unwrap_or_else(|fault| self.words.refuse(&fault, id))
    }

    /// A page for anybody, if the route leads to one.
    fn page(&self, route: Route<'_>, form: Form) -> Option<Answer> {
        let links = &self.words.links;
        match route {
            Route::Rehearsed(platform) => pages::rehearsed(platform),
            Route::ErrorIndex => Some(rules::code_index(links, form)),
            Route::ErrorPage(code) => rules::code_page(links, form, code),
            Route::RuleIndex => Some(rules::rule_index(links, form)),
            Route::RulePage(rule) => rules::rule_page(links, form, rule),
            _ => None,
        }
    }

    async fn health(&self) -> Answer {
        if self.drain.is_draining() {
            return pages::stopping();
        }
        let asked = tokio::time::timeout(HEALTH_WAIT, self.engine.health()).await;
        pages::health(asked.ok().and_then(Result::ok), (self.words.now)())
    }

    fn nowhere(&self, method: &str, path: &str, id: &RequestId) -> Answer {
        self.words.refuse(&reply::nowhere(method, path), id)
    }
}

/// The platform's side of the sandbox, and nothing else: for a process that has no server of ours.
pub fn platform_alone(sandbox: Arc<SandboxDoor>, words: Arc<Words>) -> Service {
    Arc::new(move |request| {
        let sandbox = Arc::clone(&sandbox);
        let (words, id) = (Arc::clone(&words), words.request_id(request.headers()));
        // As in a house: who hangs up takes back nothing that the platform has read.
        let answering = apart(caught(async move {
            let path = request.uri().path().to_owned();
            match route(request.method().as_str(), &path) {
                it @ (Route::SandboxUpload | Route::SandboxPost | Route::SandboxPosts) => {
                    inside(&sandbox, it, request.map(BodyExt::boxed)).await
                }
                _ => Err(HangUp),
            }
        }));
        Box::pin(async move {
            let mut answer = answering.await.unwrap_or(Err(HangUp))?;
            // What names no request is taken for the HTTP parser's own answer.
            words.sign(&mut answer, &id);
            Ok(answer)
        })
    })
}

/// Answers as the platform's side of the sandbox.
async fn inside(
    sandbox: &SandboxDoor,
    route: Route<'_>,
    request: Request<RequestBody>,
) -> Result<Answer, HangUp> {
    let (parts, body) = request.into_parts();
    match route {
        Route::SandboxUpload => Ok(sandbox.upload(&parts.headers, body).await),
        Route::SandboxPost => sandbox.post(&parts.headers, body).await,
        _ => Ok(sandbox.posts(&parts.headers, parts.uri.query()).await),
    }
}
