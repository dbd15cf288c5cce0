//! Sections 6, 7 and 15: reading, changing, trying again.

use serde_json::{Value, json};

use crate::support::{landed, landings, until};
use crate::{DAY, House, from_now, refused, rows, text, to_sandbox};

const PAST: &str = "2020-01-01T00:00:00Z";

fn failing(faults: &[&str]) -> Value {
    let options = json!({ "platform": "sandbox", "class": "blind", "faults": faults });
    json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": "x" })
}

#[test]
fn what_is_wrong_with_a_change_is_said_in_one_order() {
    let house = House::open(&[]);
    let trial = house.mint("lmp_test_", &["posts:read", "posts:write"], None);
    let other = house.good("POST /v1/profiles", &json!({ "name": "other" }));
    let other = Some(text(&other, "id"));
    let scoped = house.mint("lmp_test_", &["posts:write"], other);
    let live = house.server.key.clone();
    let (queued, done) = (house.post("queued", true), house.post("done", false));
    let nobody = "post_00000000000000000000000000";
    let (bad, past) = (json!({ "text": "" }), json!({ "scheduledAt": PAST }));
    let (good, none) = (json!({ "text": "y" }), Value::Null);
    // Each row has every problem of the rows below it as well.
    let patches = [
        (&scoped, nobody, &bad, 400, "text"),
        (&scoped, nobody, &past, 404, ""),
        (&scoped, done.as_str(), &past, 404, "api_key.profile_scope"),
        (&trial, &done, &past, 404, "api_key.environment_scope"),
        (&live, &done, &past, 409, "post.status"),
        (&live, &queued, &past, 400, "scheduledAt.future"),
        (&live, &queued, &json!({ "text": "a".repeat(3_001) }), 400, "sandbox.text.max_chars"),
        (&live, &queued, &json!({ "firstComment": { "text": "c" } }), 400, "body"),
    ];
    for (key, post, body, status, rule) in patches {
        let answer = house.ask_as(key, &format!("PATCH /v1/posts/{post}"), body);
        refused(&answer, status, rule, &format!("PATCH {post} {body}"));
    }
    for (key, post, status, rule) in [
        (&scoped, nobody, 404, ""),
        (&scoped, done.as_str(), 404, "api_key.profile_scope"),
        (&trial, &done, 404, "api_key.environment_scope"),
        (&live, &done, 409, "post.status"),
    ] {
        let answer = house.ask_as(key, &format!("DELETE /v1/posts/{post}"), &good);
        refused(&answer, status, rule, &format!("DELETE {post}"));
    }
    for (key, post, body, status, rule) in [
        (&scoped, nobody, &json!({ "scheduledAt": "soon" }), 400, "scheduledAt"),
        (&scoped, nobody, &past, 404, ""),
        (&scoped, done.as_str(), &past, 404, "api_key.profile_scope"),
        (&trial, &done, &past, 404, "api_key.environment_scope"),
        (&live, &done, &past, 409, "post.retry.status"),
        (&live, &queued, &none, 409, "post.retry.status"),
    ] {
        let answer = house.ask_as(key, &format!("POST /v1/posts/{post}/retry"), body);
        refused(&answer, status, rule, &format!("retry {post} {body}"));
    }
    let answer = house.ask(&format!("PATCH /v1/posts/{done}"), &good);
    assert!(answer.json()["error"]["message"].as_str().is_some_and(|it| it.contains("published")));
    let now = house.good(&format!("GET /v1/posts/{queued}"), &none);
    assert_eq!((text(&now, "text"), text(&now, "status")), ("queued", "queued"), "unchanged");
}

#[test]
fn a_change_is_answered_with_the_post_and_told_for_what_it_was() {
    let house = House::open(&[]);
    let post = house.post("first", true);
    let path = format!("/v1/posts/{post}");
    let at = from_now(DAY * 2);
    let offset = at.replace('Z', "+00:00");
    for (body, events) in [
        (json!({ "scheduledAt": offset }), vec!["post.rescheduled"]),
        (json!({ "scheduledAt": at }), vec!["post.rescheduled"]),
        (json!({ "text": "second" }), vec!["post.updated"]),
        (json!({ "media": [] }), vec!["post.updated"]),
        (json!({ "text": "third", "scheduledAt": at }), vec!["post.rescheduled", "post.updated"]),
    ] {
        let before = rows(&house.good("GET /v1/events", &Value::Null)).len();
        let changed = house.good(&format!("PATCH {path}"), &body);
        assert_eq!((text(&changed, "id"), text(&changed, "scheduledAt")), (post.as_str(), &*at));
        assert!(changed.get("attempts").is_none(), "{changed}");
        let told = house.good("GET /v1/events", &Value::Null);
        let told: Vec<&str> = rows(&told)[before..].iter().map(|one| text(one, "type")).collect();
        assert_eq!(told, events, "{body}");
    }
    assert_eq!(text(&house.good(&format!("GET {path}"), &Value::Null), "text"), "third");
}

#[test]
fn a_retry_wants_an_end_and_force_where_the_post_may_be_live() {
    let house = House::open(&[]);
    let ended = |faults: &[&str]| {
        let made = house.good("POST /v1/posts", &failing(faults));
        text(&made["results"][0], "postId").to_owned()
    };
    let read = |post: &str| house.good(&format!("GET /v1/posts/{post}"), &Value::Null);
    let tries = |post: &str| read(post)["attempts"].as_array().map_or(0, Vec::len);
    let ends_again = |post: &str, status: &str| {
        until("it ends again", || tries(post) == 2 && text(&read(post), "status") == status);
    };
    // Refused for good: tried again as it was, so it is refused again.
    let rejected = ended(&["rejected"]);
    assert_eq!(text(&read(&rejected), "status"), "rejected");
    let path = format!("POST /v1/posts/{rejected}/retry");
    refused(&house.ask(&path, &json!({ "scheduledAt": PAST })), 400, "scheduledAt.future", "past");
    let key = house.server.key.clone();
    let claim = [("Idempotency-Key", "again")];
    let asked = house.ask_with(&key, &path, &claim, &Value::Null);
    let retried = asked.json();
    assert_eq!((text(&retried, "id"), text(&retried, "status")), (rejected.as_str(), "queued"));
    assert!(retried["scheduledAt"].is_string(), "{retried}");
    ends_again(&rejected, "rejected");
    let again = house.ask_with(&key, &path, &claim, &Value::Null);
    assert_eq!((&again.body, landed(&house.server.data, &rejected)), (&asked.body, 0));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // Sent and never answered: only by force, and then it may be there twice.
    let unknown = ended(&["timeout_after_send"]);
    let path = format!("POST /v1/posts/{unknown}/retry");
    assert_eq!(read(&unknown)["error"]["rule"], "sandbox.publish.outcome_unknown");
    for body in [Value::Null, json!({ "force": false })] {
        refused(&house.ask(&path, &body), 409, "post.retry.outcome_unknown", "no force");
    }
    assert_eq!(house.ask(&path, &json!({ "force": true })).status, 200);
    ends_again(&unknown, "failed");
    assert_eq!(landed(&house.server.data, &unknown), 2);
    // Canceled, and its account is gone since.
    let body = json!({ "name": "brief" });
    let account = house.good("POST /v1/accounts/connect/sandbox/complete", &body);
    let body = json!({ "targets": [{ "accountId": account["id"] }], "text": "x",
        "scheduledAt": from_now(DAY) });
    let made = house.good("POST /v1/posts", &body);
    let post = text(&made["results"][0], "postId");
    house.good(&format!("DELETE /v1/accounts/{}", text(&account, "id")), &Value::Null);
    let path = format!("/v1/posts/{post}");
    assert_eq!(text(&read(post), "status"), "canceled");
    let retry = house.ask(&format!("POST {path}/retry"), &Value::Null);
    refused(&retry, 409, "post.retry.account_missing", "its account is gone");
    refused(&house.ask(&format!("DELETE {path}"), &Value::Null), 409, "post.status", "twice");
}

#[test]
fn a_scheduled_post_is_tried_again_and_its_end_is_told_once() {
    let house = House::open(&[]);
    let schedule = |class: &str, faults: &[&str]| {
        let options = json!({ "platform": "sandbox", "class": class, "faults": faults });
        let at = from_now(std::time::Duration::from_millis(2_500));
        let body = json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": "x",
            "scheduledAt": at });
        let made = house.good("POST /v1/posts", &body);
        text(&made["results"][0], "postId").to_owned()
    };
    let lucky = schedule("keyed", &["rate_limited", "unavailable"]);
    let unlucky = schedule("blind", &["rate_limited", "unavailable"]);
    let read = |post: &str| house.good(&format!("GET /v1/posts/{post}"), &Value::Null);
    let ended = |post: &str| matches!(text(&read(post), "status"), "published" | "failed");
    until("both end", || ended(&lucky) && ended(&unlucky));
    let attempts = |post: &str| {
        let post = read(post);
        let each = post["attempts"].as_array().expect("a list").iter();
        each.map(|one| (one["attemptNumber"].as_u64(), one["succeeded"].clone()))
            .collect::<Vec<_>>()
    };
    // A limit proves that nothing landed; a 503 proves nothing.
    let known = [(Some(1), json!(false)), (Some(2), Value::Null)];
    assert_eq!(attempts(&unlucky), known);
    assert_eq!(attempts(&lucky), [known.as_slice(), &[(Some(3), json!(true))]].concat());
    assert_eq!(read(&unlucky)["error"]["rule"], "sandbox.publish.outcome_unknown");
    let events = house.good("GET /v1/events", &Value::Null);
    let told = |post: &str| {
        let of = rows(&events).iter().filter(|event| event["data"]["id"] == *post);
        of.map(|event| text(event, "type").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&lucky), ["post.queued", "post.published"]);
    assert_eq!(told(&unlucky), ["post.queued", "post.failed"]);
    assert_eq!(landings(&house.server.data).len(), 1);
}

#[test]
fn a_list_is_narrowed_by_all_that_is_asked() {
    let house = House::open(&[]);
    house.good("POST /v1/posts", &to_sandbox("100% Ärger_1"));
    house.good("POST /v1/posts", &failing(&["rejected"]));
    house.post("queued", true);
    let all = house.good("GET /v1/posts", &Value::Null);
    let said: Vec<&str> = rows(&all).iter().map(|one| text(one, "text")).collect();
    assert_eq!(said, ["queued", "x", "100% Ärger_1"], "newest first");
    let middle = text(&rows(&all)[1], "createdAt");
    let count =
        |query: &str| rows(&house.good(&format!("GET /v1/posts?{query}"), &Value::Null)).len();
    for (query, expected) in [
        (format!("after={middle}"), 2),
        (format!("before={middle}"), 1),
        (format!("after={middle}&before={middle}"), 0),
        ("q=0%25%20%C3%A4RGER".to_owned(), 1),
        ("q=100%25x".to_owned(), 0),
        ("q=r_1".to_owned(), 1),
        ("q=%25".to_owned(), 1),
        ("errorCode=platform_rejected".to_owned(), 1),
        ("errorCode=of_no_meaning".to_owned(), 0),
        ("errorCode[]=x&errorCode[]=platform_rejected".to_owned(), 1),
        ("status=published,queued".to_owned(), 2),
        ("status=rejected&platform=sandbox&q=x".to_owned(), 1),
        ("status=rejected&platform=bluesky".to_owned(), 0),
        ("status=&platform=".to_owned(), 3),
        ("of_no_meaning=1".to_owned(), 3),
    ] {
        assert_eq!(count(&query), expected, "{query}");
    }
    let alias = house.good("GET /posts?limit=1", &Value::Null);
    assert_eq!(rows(&alias)[0]["id"], rows(&all)[0]["id"]);
}
