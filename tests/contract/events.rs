//! Sections 13.3 and 13.4: what an event says, and which request it says that it follows from.

use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::{Heard, Receiver};
use crate::support::until;
use crate::{DAY, House, from_now, rows, text, to_sandbox};

/// What every event about a post says.
const COMMON: [&str; 6] = ["accountId", "batchId", "id", "platform", "profileId", "sandbox"];

/// The members of an event about a post beside those, in the order of the alphabet.
#[track_caller]
fn members(event: &Value) -> Vec<&str> {
    let data = event["data"].as_object().expect("an object");
    for (name, value) in data {
        assert!(!value.is_null(), "{name} would be left out: {event}");
        if name.ends_with("At") {
            let at = value.as_str().expect("a time");
            assert!(at.len() == 24 && at.ends_with('Z'), "{name} in {event}");
        }
    }
    for name in COMMON {
        assert!(data.contains_key(name), "{name} in {event}");
    }
    let mut own: Vec<&str> = data.keys().map(String::as_str).collect();
    own.retain(|name| !COMMON.contains(name));
    own.sort_unstable();
    own
}

#[test]
fn each_kind_of_event_says_what_it_is_to_say() {
    let house = House::open(&[]);
    let published = |options: Value| {
        let target = json!({ "platform": "sandbox", "options": options });
        let body = json!({ "targets": [target], "text": "x", "firstComment": { "text": "c" } });
        house.good("POST /v1/posts", &body);
    };
    published(json!({ "platform": "sandbox" }));
    published(json!({ "platform": "sandbox", "faults": ["rejected"] }));
    published(json!({ "platform": "sandbox", "class": "blind", "faults": ["garbage"] }));
    let mut remarked = to_sandbox("x");
    remarked["unknown"] = json!(1);
    house.good("POST /v1/posts", &remarked);
    let path = format!("/v1/posts/{}", house.post("later", true));
    let image = json!({ "kind": "image", "url": "https://example.com/a.png" });
    let patch = json!({ "text": "y", "media": [image], "scheduledAt": from_now(DAY * 2) });
    house.good(&format!("PATCH {path}"), &patch);
    house.good(&format!("DELETE {path}"), &Value::Null);
    let events = house.good("GET /v1/events", &Value::Null);
    let told: Vec<(&str, Vec<&str>)> =
        rows(&events).iter().map(|event| (text(event, "type"), members(event))).collect();
    let comment = ["cid", "firstCommentCid", "firstCommentUri", "publishedAt", "uri", "url"];
    let expected: [(&str, Vec<&str>); 8] = [
        ("post.published", comment.to_vec()),
        ("post.rejected", vec!["error", "rejectedAt"]),
        ("post.failed", vec!["error", "rejectedAt"]),
        ("post.published", vec!["cid", "publishedAt", "uri", "url", "warnings"]),
        ("post.queued", vec!["queuedAt", "scheduledAt"]),
        ("post.rescheduled", vec!["previousScheduledAt", "scheduledAt"]),
        ("post.updated", vec!["changed", "scheduledAt"]),
        ("post.canceled", vec!["canceledAt", "scheduledAt"]),
    ];
    assert_eq!(told, expected);
    for event in rows(&events) {
        let names: Vec<&str> = event.as_object().expect("one").keys().map(String::as_str).collect();
        assert_eq!(names, ["createdAt", "data", "id", "organizationId", "type"], "{event}");
        assert!(text(event, "id").starts_with("evt_") && text(event, "id").len() == 30);
        assert!(text(&event["data"], "id").starts_with("post_"), "never the batch: {event}");
    }
    assert_eq!(rows(&events)[6]["data"]["changed"], json!(["text", "media"]));
}

#[test]
fn a_delivery_names_the_request_that_it_follows_from() {
    let house = House::open(&[]);
    let receiver = Receiver::open();
    let hook = json!({ "url": format!("{}/in", receiver.base) });
    house.good("POST /v1/webhook-endpoints", &hook);
    let key = house.server.key.clone();
    let ask = |id: &str, request: &str, body: &Value| {
        let answer = house.ask_with(&key, request, &[("X-Request-Id", id)], body);
        assert!(answer.status < 300, "{request}: {}", answer.json());
        answer.json()
    };
    let mut body = to_sandbox("stays");
    body["scheduledAt"] = json!(from_now(Duration::from_millis(2_500)));
    ask("made-1", "POST /v1/posts", &body);
    body["text"] = json!("moves");
    let made = ask("made-2", "POST /v1/posts", &body);
    let path = format!("PATCH /v1/posts/{}", text(&made["results"][0], "postId"));
    ask("edited-2", &path, &json!({ "text": "moved" }));
    let soon = json!({ "scheduledAt": from_now(Duration::from_millis(2_500)) });
    ask("moved-2", &path, &soon);
    until("all is told", || receiver.on_path("/in").len() == 6);
    let mut told: Vec<(String, String)> = receiver
        .on_path("/in")
        .iter()
        .map(|heard: &Heard| (heard.header("x-letmepost-request-id").to_owned(), heard.kind()))
        .collect();
    told.sort();
    let told: Vec<(&str, &str)> = told.iter().map(|(id, kind)| (&**id, &**kind)).collect();
    let expected = [
        ("edited-2", "post.updated"),
        ("made-1", "post.published"),
        ("made-1", "post.queued"),
        ("made-2", "post.queued"),
        ("moved-2", "post.published"),
        ("moved-2", "post.rescheduled"),
    ];
    assert_eq!(told, expected, "what made or moved it rides along");
    let raw = String::from_utf8(receiver.heard()[0].body.clone()).expect("text");
    let order = ["\"id\":", "\"type\":", "\"createdAt\":", "\"organizationId\":", "\"data\":"];
    let places: Vec<usize> = order.map(|name| raw.find(name).expect(name)).to_vec();
    assert!(places.is_sorted(), "{raw}");
    assert_eq!(receiver.heard()[0].event()["id"], json!(receiver.heard()[0].id()));
}
