//! The sandbox over HTTP: uploads, posts and what was asked to go wrong.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderValue};
use ring::digest::{Context, SHA256, digest};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::landing::{Draft, Landing, hex};
use super::log::{Landings, SandboxError};
use crate::front::body::{Bodies, BodyError, RequestBody, each_chunk};
use crate::front::reply::{self, Answer};
use crate::front::server::HangUp;
use crate::model::{Millis, Secret, Timestamp};

/// Bytes of one upload.
const UPLOAD_BYTES_MAX: u64 = 100 << 20;
/// How long an upload may take: a large one over loopback takes a second.
const UPLOAD_TIMEOUT: Millis = Millis(60_000);
/// Bytes of one post: the longest text and its media, with room.
const POST_BYTES_MAX: u64 = 2 << 20;
/// All posts being read at once: every slot of an engine with the largest post, and some.
const POSTS_BYTES_MAX: u64 = 1 << 30;
/// The longest latency one may ask for.
const LATENCY_MS_MAX: u64 = 600_000;
/// Landings in one read-back.
const READ_BACK_MAX: usize = 1_000;

/// The platform's side of the sandbox.
#[derive(Debug)]
pub struct SandboxDoor {
    landings: Landings,
    token: [u8; 32],
    base: Arc<str>,
    allow_crash: bool,
    bodies: Bodies,
}

/// What the sandbox is asked to suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    RateLimited,
    Unavailable,
    Rejected,
    AuthExpired,
    TimeoutAfterSend,
    Garbage,
    CrashAfterSend,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ask {
    #[serde(flatten)]
    draft: Draft,
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    fault: Option<Trouble>,
}

impl SandboxDoor {
    /// The sandbox over `landings`. `token` is what its callers prove themselves by, `base` where
    /// its permalinks lead, `allow_crash` whether it may be asked to abort this process.
    pub fn new(landings: Landings, token: &Secret, base: &str, allow_crash: bool) -> Self {
        let bodies = Bodies::new(POST_BYTES_MAX, POSTS_BYTES_MAX, UPLOAD_TIMEOUT);
        let token = hash(token.expose());
        Self { landings, token, base: base.into(), allow_crash, bodies }
    }

    /// What landed, for those who may see it.
    pub fn landings(&self) -> &Landings {
        &self.landings
    }

    /// `POST /sandbox/v1/uploads`: hashes the bytes and forgets them.
    pub async fn upload(&self, headers: &HeaderMap, body: RequestBody) -> Answer {
        if let Some(refusal) = self.refusal(headers) {
            return refusal;
        }
        let mut hashing = Context::new(&SHA256);
        let read = each_chunk(body, UPLOAD_BYTES_MAX, UPLOAD_TIMEOUT, |chunk| {
            hashing.update(chunk);
            Ok(())
        });
        match read.await {
            Ok(()) => answer(200, &json!({ "ref": hex(hashing.finish().as_ref()) })),
            Err(error) => unread(&error),
        }
    }

    /// `POST /sandbox/v1/posts`: lands, or suffers what it was asked to.
    ///
    /// # Errors
    /// `HangUp` where the asked-for fault is silence.
    pub async fn post(&self, headers: &HeaderMap, body: RequestBody) -> Result<Answer, HangUp> {
        if let Some(refusal) = self.refusal(headers) {
            return Ok(refusal);
        }
        let held = match self.bodies.read(body).await {
            Ok(held) => held,
            Err(error) => return Ok(unread(&error)),
        };
        let ask: Ask = match serde_json::from_slice(&held.bytes) {
            Ok(ask) => ask,
            Err(problem) => return Ok(error(400, "malformed", &problem.to_string())),
        };
        drop(held);
        let latency = Millis(ask.latency_ms.min(LATENCY_MS_MAX));
        if latency > Millis(0) {
            tokio::time::sleep(latency.as_duration()).await;
        }
        let Some(trouble) = ask.fault else {
            return Ok(self.land(ask.draft).await.map_or_else(unkept, |it| receipt(&it)));
        };
        self.suffer(trouble, ask.draft).await
    }

    /// `GET /sandbox/v1/posts?account=&since=`: an account's own timeline, for reading back. It
    /// shows no id and no key of ours.
    pub async fn posts(&self, headers: &HeaderMap, query: Option<&str>) -> Answer {
        if let Some(refusal) = self.refusal(headers) {
            return refusal;
        }
        let (mut account, mut since) = (None, Ok(Timestamp::from_millis(0)));
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "account" => account = Some(value.into_owned()),
                "since" if !value.is_empty() => since = value.parse(),
                _ => {}
            }
        }
        let Some(account) = account else {
            return error(400, "malformed", "name an account: ?account=");
        };
        let since = match since {
            Ok(since) => since,
            Err(problem) => return error(400, "malformed", &problem.to_string()),
        };
        let landings = self.landings.clone();
        let read = move || landings.of_account(&account, since, READ_BACK_MAX);
        let found = tokio::task::spawn_blocking(read).await.unwrap_or(Err(SandboxError::Closed));
        match found {
            Ok(found) => {
                let posts: Vec<_> = found.iter().map(seen).collect();
                answer(200, &json!({ "posts": posts }))
            }
            Err(problem) => unkept(problem),
        }
    }

    async fn suffer(&self, trouble: Trouble, draft: Draft) -> Result<Answer, HangUp> {
        match trouble {
            Trouble::RateLimited => {
                let mut refusal = error(429, "rate_limited", "slow down");
                let second = HeaderValue::from_static("1");
                refusal.headers_mut().insert(header::RETRY_AFTER, second);
                Ok(refusal)
            }
            Trouble::Unavailable => Ok(error(503, "unavailable", "the sandbox is out of order")),
            Trouble::Rejected => Ok(error(422, "rejected", "the sandbox does not like this post")),
            Trouble::AuthExpired => Ok(error(401, "auth_expired", "the token has expired")),
            Trouble::TimeoutAfterSend => match self.land(draft).await {
                Ok(_) => Err(HangUp),
                Err(problem) => Ok(unkept(problem)),
            },
            Trouble::Garbage => match self.land(draft).await {
                Ok(_) => Ok(reply::json(200, "<html>garbage")),
                Err(problem) => Ok(unkept(problem)),
            },
            Trouble::CrashAfterSend if !self.allow_crash => {
                let message = "crash_after_send needs sandbox.allow_crash = true";
                Ok(error(400, "crash_refused", message))
            }
            Trouble::CrashAfterSend => match self.land(draft).await {
                Ok(_) => std::process::abort(),
                Err(problem) => Ok(unkept(problem)),
            },
        }
    }

    async fn land(&self, draft: Draft) -> Result<Landing, SandboxError> {
        self.landings.land(draft, &self.base).await
    }

    /// The refusal, unless the caller proves itself.
    fn refusal(&self, headers: &HeaderMap) -> Option<Answer> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let own = |token: &str| bool::from(hash(token).ct_eq(&self.token));
        if token.is_some_and(own) {
            return None;
        }
        Some(error(401, "unauthorized", "this door is for the server's own engine"))
    }
}

fn hash(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

fn receipt(landing: &Landing) -> Answer {
    answer(200, &json!({ "uri": landing.uri, "cid": landing.cid, "url": landing.url }))
}

fn seen(landing: &Landing) -> serde_json::Value {
    json!({
        "uri": landing.uri,
        "cid": landing.cid,
        "url": landing.url,
        "text": landing.text,
        "kind": landing.kind.as_str(),
        "parent": landing.parent,
        "media": landing.media.len(),
        "createdAt": landing.created_at,
        "landedAt": landing.landed_at,
    })
}

fn unkept(problem: SandboxError) -> Answer {
    error(503, "unavailable", &problem.to_string())
}

fn unread(problem: &BodyError) -> Answer {
    let mut refusal = error(problem.fault().http_status(), "unreadable", &problem.to_string());
    refusal.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    refusal
}

fn error(status: u16, name: &str, message: &str) -> Answer {
    answer(status, &json!({ "error": name, "message": message }))
}

fn answer(status: u16, body: &serde_json::Value) -> Answer {
    reply::json(status, body.to_string())
}
