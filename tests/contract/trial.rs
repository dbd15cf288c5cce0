//! Section 16: test keys. Everything of a publish but the platform.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{landings, send, until};
use crate::{House, from_now, refused, rows, text, to_sandbox};

#[test]
fn a_test_key_publishes_to_nobody_and_says_so() {
    let house = House::open(&[]);
    let trial = house.mint("lmp_test_", &[], None);
    let ask = |request: &str, body: &Value| house.ask_as(&trial, request, body);
    let mut body = to_sandbox("trial");
    body["firstComment"] = json!({ "text": "c" });
    let made = ask("POST /v1/posts", &body);
    let value = made.json();
    assert_eq!((made.status, text(&value, "status")), (200, "published"));
    let result = &value["results"][0];
    let cid = text(result, "cid");
    let hex = cid.strip_prefix("sandbox_").expect("its prefix");
    assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{cid}");
    let uri = format!("{}/sandbox/sandbox/{cid}", house.server.base);
    assert_eq!(text(result, "uri"), uri);
    let page = send(&house.server.base, None, "GET", &format!("/sandbox/sandbox/{cid}"), &[], b"");
    assert_eq!(page.expect("heard").status, 200, "the address leads somewhere");
    assert_eq!(result["warnings"].as_array().map(Vec::len), Some(1), "{result}");
    assert_eq!(result["warnings"][0]["code"], "sandbox.no_platform_write");
    assert!(result.get("firstCommentUri").is_none(), "{result}");
    let post = text(result, "postId");
    for key in [&trial, &house.server.key] {
        let read = house.ask_as(key, &format!("GET /v1/posts/{post}"), &Value::Null).json();
        assert_eq!((&read["sandbox"], text(&read, "platformUri")), (&json!(true), uri.as_str()));
        let listed = house.ask_as(key, "GET /v1/posts", &Value::Null).json();
        assert_eq!(rows(&listed)[0]["sandbox"], true);
    }
    let told = house.good("GET /v1/events", &Value::Null);
    assert_eq!(rows(&told)[0]["data"]["sandbox"], true);
    let live = house.post("live", false);
    assert_eq!(rows(&ask("GET /v1/posts", &Value::Null).json()).len(), 2, "it may read both");
    assert_eq!(ask(&format!("GET /v1/posts/{live}"), &Value::Null).status, 200);
    assert_eq!(landings(&house.server.data).len(), 1, "only the live one reached anybody");
}

#[test]
fn a_test_key_is_refused_what_a_live_one_is_in_the_same_words() {
    let house = House::open(&[]);
    let trial = house.mint("lmp_test_", &[], None);
    let nil = "00000000-0000-0000-0000-000000000000";
    for body in [
        json!({}),
        json!({ "targets": [{ "platform": "twitter" }], "text": "x" }),
        json!({ "targets": [{ "accountId": nil }], "text": "x" }),
        to_sandbox(&"a".repeat(3_001)),
        to_sandbox(" "),
        json!({ "targets": [{ "platform": "sandbox" }], "text": "x",
            "scheduledAt": "2020-01-01T00:00:00Z" }),
    ] {
        let one_id = [("X-Request-Id", "same")];
        let ask = |key: &str| house.ask_with(key, "POST /v1/posts", &one_id, &body);
        let (live, trial) = (ask(&house.server.key), ask(&trial));
        assert!((400..500).contains(&live.status), "{body}");
        assert_eq!((live.status, live.body), (trial.status, trial.body), "{body}");
    }
    let accounts = |key: &str| house.ask_as(key, "GET /v1/accounts", &Value::Null).body;
    assert_eq!(accounts(&trial), accounts(&house.server.key), "the same accounts");
}

#[test]
fn a_scheduled_trial_stays_one_whoever_changes_it() {
    let house = House::open(&[]);
    let trial = house.mint("lmp_test_", &[], None);
    let schedule = |key: &str, span: Duration| {
        let mut body = to_sandbox("later");
        body["scheduledAt"] = json!(from_now(span));
        let made = house.ask_as(key, "POST /v1/posts", &body);
        assert_eq!(made.status, 202, "{}", made.json());
        text(&made.json()["results"][0], "postId").to_owned()
    };
    let live = schedule(&house.server.key, crate::DAY);
    for (method, rest) in [("PATCH", ""), ("DELETE", ""), ("POST", "/retry")] {
        let request = format!("{method} /v1/posts/{live}{rest}");
        let answer = house.ask_as(&trial, &request, &json!({ "text": "mine now" }));
        refused(&answer, 404, "api_key.environment_scope", &request);
    }
    let (first, second) = (schedule(&trial, crate::DAY), schedule(&trial, crate::DAY));
    let path = format!("/v1/posts/{first}");
    assert_eq!(house.ask_as(&trial, &format!("PATCH {path}"), &json!({ "text": "b" })).status, 200);
    assert_eq!(house.ask_as(&trial, &format!("DELETE {path}"), &Value::Null).status, 200);
    assert_eq!(house.ask_as(&trial, &format!("POST {path}/retry"), &Value::Null).status, 200);
    // A live key may change it, and it is still a trial.
    let soon = json!({ "scheduledAt": from_now(Duration::from_millis(2_500)) });
    house.good(&format!("PATCH /v1/posts/{second}"), &soon);
    for post in [&first, &second] {
        let read = || house.good(&format!("GET /v1/posts/{post}"), &Value::Null);
        until("it goes out", || text(&read(), "status") == "published");
        assert_eq!((&read()["sandbox"], landings(&house.server.data).len()), (&json!(true), 0));
        assert!(text(&read(), "platformCid").starts_with("sandbox_"));
    }
}
