//! What is served to anybody: the index, the health, and a page for each error code.

use serde_json::json;

use super::reply::{self, Answer};
use crate::engine::Health;
use crate::model::{Code, Millis, Platform, Timestamp};
use crate::platforms;
use crate::wire::Links;

/// A stored timer this much overdue means that the engine does not turn. It looks at its timers at
/// least every five seconds; six looks missed are no coincidence.
const OVERDUE_MAX: Millis = Millis(30_000);

/// `GET /`: what there is.
pub fn index(links: &Links) -> Answer {
    let base = &links.base;
    let body = json!({
        "name": "Fanfare",
        "description": "Self-hosted social publishing: one request, up to 25 accounts.",
        "version": "v1",
        "status": "ok",
        "documentation": {
            "openapi": format!("{base}/openapi.json"),
            "errors": format!("{base}/errors/validation_failed"),
        },
        "endpoints": {
            "posts": "/v1/posts",
            "accounts": "/v1/accounts",
            "connect": "/v1/accounts/connect/:platform",
            "sandboxTimeline": "/v1/sandbox/timeline",
            "mcp": "/mcp",
            "health": "/health",
        },
        "authentication": {
            "type": "bearer",
            "header": "Authorization: Bearer lmp_live_...",
        },
        "software": { "name": "fanfare", "version": env!("CARGO_PKG_VERSION") },
    });
    reply::json(200, body.to_string())
}

/// `GET /health`: whether a post that falls due now would go out.
pub fn health(health: Option<Health>, now: Timestamp) -> Answer {
    match unhealthy(health, now) {
        None => reply::json(200, r#"{"status":"ok"}"#),
        Some(reason) => ailing(&reason),
    }
}

/// `GET /health` of a server that stops.
pub fn stopping() -> Answer {
    ailing("the server is stopping")
}

fn ailing(reason: &str) -> Answer {
    reply::json(503, json!({ "status": "unhealthy", "reason": reason }).to_string())
}

/// Why the engine would not wake a due post, if it would not.
pub(super) fn unhealthy(health: Option<Health>, now: Timestamp) -> Option<String> {
    let Some(health) = health else {
        return Some("the engine did not answer".into());
    };
    let timer = health.next_timer?;
    let overdue = now.since(timer);
    (overdue > OVERDUE_MAX).then(|| {
        format!("a timer is overdue by {overdue}; the last turn ended at {}", health.last_turn)
    })
}

/// `GET /errors/:code`: what an error code means and what to do; `None` when there is no such code.
pub fn error_page(name: &str) -> Option<Answer> {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == name)?;
    let text = format!(
        "{}\n\n{}\n\nHTTP status of a whole request that fails so: {}, unless the error says \
         other.\nThe error's `rule` says which rule, its `message` what happened, its \
         `remediation` what to do next.\n",
        code.as_str(),
        meaning(code),
        code.http_status(),
    );
    Some(plain(text))
}

/// `GET /preflight/:rule`: how an error of this rule is to be read; `None` when the name is none.
pub fn rule_page(slug: &str) -> Option<Answer> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if slug.is_empty() || slug.len() > 120 || !slug.chars().all(sound) {
        return None;
    }
    let first = slug.split('-').next().unwrap_or_default();
    let about = match first.parse::<Platform>() {
        Ok(platform) => format!("It is a rule of {platform}."),
        Err(_) => "It is a rule of this server, or the place in the request that breaks one: a \
                   number is the place in a list, from 0."
            .to_owned(),
    };
    Some(plain(format!(
        "{}\n\n{about}\n\nThe error that names it says in `message` what was measured and what \
         the limit is, in `remediation` what to do, and in `platformResponse` every violation or \
         the platform's own answer. `outcome` says whether anything was sent: not_sent, rejected, \
         or unknown.\n",
        slug.replace('-', "."),
    )))
}

/// `GET /v1/platform-versions`: which version of each platform's API is spoken, and until when it
/// lives.
pub fn platform_versions(now: Timestamp) -> Answer {
    let data: Vec<_> = platforms::VERSIONS
        .iter()
        .map(|version| {
            json!({
                "platform": version.platform.as_str(),
                "version": version.version,
                "sunsetAt": version.sunset_at,
                "status": if version.is_deprecated(now) { "deprecated" } else { "current" },
            })
        })
        .collect();
    reply::json(200, json!({ "data": data }).to_string())
}

/// `GET /sandbox/:platform/:cid`: where the address of a test key's post leads; `None` when there
/// is no such platform.
pub fn rehearsed(platform: &str) -> Option<Answer> {
    let platform: Platform = platform.parse().ok()?;
    Some(plain(format!(
        "A test key published this post: it was checked as a post on {platform} is, and nothing \
         was sent there. GET /v1/posts/:id shows it.\n",
    )))
}

fn plain(text: String) -> Answer {
    let mut answer = reply::json(200, text);
    let kind = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

const fn meaning(code: Code) -> &'static str {
    match code {
        Code::ValidationFailed => {
            "The request breaks a rule of this server. Nothing was published. Correct it; \
             repeating it unchanged gives the same answer."
        }
        Code::PreflightFailed => {
            "The content breaks a documented rule of a platform, found before anything was sent \
             there. Correct the content for that target."
        }
        Code::PlatformAuthFailed => {
            "The platform refused the account's credential. Connect the account again."
        }
        Code::PlatformRejected => {
            "The platform refused the post for a reason of its own; `platformResponse` has its \
             words. Repeating it unchanged will hardly help."
        }
        Code::PlatformUnavailable => {
            "The platform could not be reached, did not answer, or answered nonsense. `outcome` \
             says whether anything was sent: after `unknown` look at the account before you post \
             again."
        }
        Code::InternalError => {
            "A failure of this server. Repeat the request with the same Idempotency-Key; give the \
             operator the request id."
        }
        Code::Unauthenticated => {
            "No valid API key came with the request. Send `Authorization: Bearer` and the key; it \
             may have been revoked."
        }
        Code::Unauthorized => "The API key lacks a scope. Use a key that has it, or have one made.",
        Code::NotFound => "There is no such thing, or this key may not see it.",
        Code::IdempotencyConflict => {
            "The Idempotency-Key belongs to a request with another body, or to one that is still \
             running. Use a fresh key for a fresh request, the same bytes for a repeat."
        }
        Code::RateLimited => {
            "Too many requests in the window. Wait as many seconds as `Retry-After` says."
        }
        Code::PlatformNotEnabled => {
            "The operator has not set this platform up, or this build does not publish to it yet."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn healthy_means_that_a_due_post_would_go_out() {
        let health = |next_timer| {
            Some(Health { last_turn: at(0), next_timer, running: 0, ready: 0, hot: 0 })
        };
        assert_eq!(unhealthy(health(None), at(1_000_000)), None);
        assert_eq!(unhealthy(health(Some(at(70_000))), at(100_000)), None);
        assert_eq!(unhealthy(health(Some(at(200_000))), at(100_000)), None);
        let reason = unhealthy(health(Some(at(69_999))), at(100_000)).expect("unhealthy");
        assert!(reason.contains("overdue by 30001 ms"), "{reason}");
        assert!(unhealthy(None, at(0)).is_some());
        assert_eq!(super::health(None, at(0)).status(), 503);
    }

    #[test]
    fn every_code_has_a_page() {
        for code in Code::ALL {
            assert!(error_page(code.as_str()).is_some(), "{}", code.as_str());
        }
        assert!(error_page("no_such_code").is_none());
    }
}
