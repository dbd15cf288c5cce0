//! What is served to anybody: the index, the health, and where rehearsed posts lead.

use serde_json::json;

use super::reply::{self, Answer};
use crate::engine::Health;
use crate::model::{Millis, Platform, Timestamp};
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
            "errors": format!("{base}/errors"),
            "rules": format!("{base}/preflight"),
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
}
