//! The wire contract, rule by rule, where no other test holds it: each file is a part of it.

mod access;
mod boards;
mod events;
mod headers;
mod hooks;
mod keys;
mod meta;
mod paths;
mod people;
mod posts;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/mod.rs"]
mod support;
mod trial;
mod walls;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, Server, from_now, rows, send, start, text};

/// A server with its sandbox account.
struct House {
    server: Server,
    _folder: tempfile::TempDir,
}

impl House {
    fn open(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings: Vec<&str> =
            settings.iter().copied().chain(["webhooks.allow_private=true"]).collect();
        let server = start(&folder.path().join("data"), &settings);
        Self { server, _folder: folder }
    }

    /// One request with the key of the first start.
    fn ask(&self, request: &str, body: &Value) -> Answer {
        self.ask_as(&self.server.key, request, body)
    }

    /// One request, such as `PATCH /v1/posts/x`. Null is no body.
    fn ask_as(&self, key: &str, request: &str, body: &Value) -> Answer {
        self.ask_with(key, request, &[], body)
    }

    fn ask_with(&self, key: &str, request: &str, more: &[(&str, &str)], body: &Value) -> Answer {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        send(&self.server.base, Some(key), method, path, more, text.as_bytes()).expect("heard")
    }

    /// The body of a request that is to succeed.
    #[track_caller]
    fn good(&self, request: &str, body: &Value) -> Value {
        let answer = self.ask(request, body);
        assert!(answer.status < 300, "{request} {body}: {}", answer.json());
        answer.json()
    }

    /// A key with scopes, and limited to a profile if one is named.
    fn mint(&self, prefix: &str, scopes: &[&str], profile: Option<&str>) -> String {
        let asked =
            json!({ "name": "k", "prefix": prefix, "scopes": scopes, "profileId": profile });
        text(&self.good("POST /v1/api-keys", &asked), "key").to_owned()
    }

    /// The id of a post of its own; queued for tomorrow if it is to wait.
    fn post(&self, said: &str, waits: bool) -> String {
        let mut body = to_sandbox(said);
        if waits {
            body["scheduledAt"] = json!(from_now(DAY));
        }
        let made = self.good("POST /v1/posts", &body);
        text(&made["results"][0], "postId").to_owned()
    }
}

/// Where a sandbox account is connected.
const COMPLETE: &str = "POST /v1/accounts/connect/sandbox/complete";
const DAY: Duration = Duration::from_secs(86_400);

fn to_sandbox(said: &str) -> Value {
    json!({ "targets": [{ "platform": "sandbox" }], "text": said })
}

/// A refusal has its status and rule, in the one shape.
#[track_caller]
fn refused(answer: &Answer, status: u16, rule: &str, about: &str) {
    let value = answer.json();
    assert_eq!((answer.status, answer.rule().as_str()), (status, rule), "{about}: {value}");
    let error = &value["error"];
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(1), "{about}: {value}");
    for member in ["code", "message", "remediation", "docUrl", "requestId"] {
        assert!(error[member].is_string(), "{about}: no {member} in {value}");
    }
    let slug = rule.replace('.', "-").to_lowercase();
    match error["ruleUrl"].as_str() {
        Some(url) => assert!(url.ends_with(&format!("/preflight/{slug}")), "{about}: {url}"),
        None => assert_eq!(rule, "", "{about}: a rule has its page"),
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{about}");
}
