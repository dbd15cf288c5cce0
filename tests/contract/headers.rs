//! Sections 1 and 3: ids of requests, browsers, limits, bodies and the paths that lead nowhere.

use serde_json::{Value, json};

use crate::support::{Answer, send};
use crate::{House, refused, text, to_sandbox};

#[test]
fn each_answer_carries_the_id_of_its_request() {
    let house = House::open(&[]);
    let base = &house.server.base;
    let ask = |key: Option<&str>, method: &str, path: &str, id: &str| {
        send(base, key, method, path, &[("X-Request-Id", id)], b"").expect("heard")
    };
    let longest = "a".repeat(255);
    for own in ["mine", "A-z_0=", "019=", &longest] {
        assert_eq!(ask(None, "GET", "/health", own).header("x-request-id"), Some(own));
    }
    for bad in ["", "not mine", "a.b", "a/b", "ü", &"a".repeat(256)] {
        let given = ask(None, "GET", "/health", bad).header("x-request-id").map(str::to_owned);
        let given = given.expect("one of ours");
        assert!(given.starts_with("req_") && given.len() == 30, "{bad}: {given}");
    }
    let key = Some(house.server.key.as_str());
    for (key, method, path, status) in [
        (None, "GET", "/", 200),
        (None, "OPTIONS", "/v1/posts", 204),
        (None, "GET", "/v1/posts", 401),
        (key, "GET", "/v1/posts", 200),
        (key, "GET", "/v1/posts/x", 404),
        (key, "POST", "/v1/posts", 400),
        (key, "PUT", "/v1/posts", 404),
        (key, "GET", "/v1/posts/", 404),
        (None, "GET", "/oauth2/authorize", 404),
    ] {
        let answer = ask(key, method, path, "mine");
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("x-request-id"), Some("mine"), "{method} {path}");
        let ceiling = answer.header("x-ratelimit-limit").is_some();
        assert_eq!(ceiling, method != "OPTIONS", "{method} {path}");
        if status >= 400 {
            assert_eq!(answer.json()["error"]["requestId"], "mine", "{method} {path}");
        }
    }
}

#[test]
fn a_browser_may_read_answers_from_the_origins_that_are_named() {
    let house = House::open(&["server.cors_origins=http://localhost:3001,https://app.example"]);
    let ask = |method: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        send(&house.server.base, None, method, "/v1/posts", &headers, b"").expect("heard")
    };
    for (origin, admitted) in [
        ("https://app.example", true),
        ("http://localhost:3001", true),
        ("https://app.example.evil", false),
        ("HTTPS://app.example", false),
        ("null", false),
    ] {
        for method in ["OPTIONS", "GET"] {
            let answer = ask(method, origin);
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, admitted.then_some(origin), "{method} from {origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(answer.head.to_lowercase().contains("vary: origin"), "{}", answer.head);
            assert_eq!(answer.status, if method == "GET" { 401 } else { 204 });
        }
    }
    let preflight = ask("OPTIONS", "https://app.example");
    for (name, value) in [
        ("headers", "Content-Type,Authorization,Idempotency-Key,X-Request-Id"),
        ("methods", "GET,POST,PATCH,PUT,DELETE,OPTIONS"),
    ] {
        let found = preflight.header(&format!("access-control-allow-{name}"));
        assert_eq!(found, Some(value));
    }
    assert_eq!(preflight.header("access-control-max-age"), Some("600"));
    let read = ask("GET", "https://app.example");
    let exposed = read.header("access-control-expose-headers").expect("a list");
    for name in [
        "X-Request-Id",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "X-RateLimit-Limit",
        "Retry-After",
        "Idempotency-Replayed",
        "Idempotency-Key",
    ] {
        assert!(exposed.split(',').any(|one| one == name), "{name} in {exposed}");
    }
}

#[test]
fn a_key_is_limited_and_told_so_and_a_limited_request_is_not_kept() {
    let house = House::open(&["rate_limit.points=4", "rate_limit.window_ms=3600000"]);
    let other = house.server.cli(&["keys", "create", "--name", "other", "--json"]);
    let other: Value = serde_json::from_slice(&other.stdout).expect("JSON");
    let key = house.server.key.as_str();
    let left = |answer: &Answer| {
        assert_eq!(answer.header("ratelimit-limit"), Some("4"));
        assert_eq!(answer.header("x-ratelimit-limit"), Some("4"));
        let reset: u32 = answer.header("ratelimit-reset").expect("one").parse().expect("whole");
        assert!((3_590..=3_600).contains(&reset), "{reset}");
        answer.header("ratelimit-remaining").expect("a number").to_owned()
    };
    let publish = |claim: &str| {
        let claim = [("Idempotency-Key", claim)];
        house.ask_with(key, "POST /v1/posts", &claim, &to_sandbox("hi"))
    };
    assert_eq!(left(&publish("a")), "3");
    let replay = publish("a");
    assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    assert_eq!(left(&replay), "2", "a replay is a request");
    assert_eq!(left(&house.ask("GET /v1/posts/x", &Value::Null)), "1", "so is a refusal");
    assert_eq!(left(&house.ask("GET /v1/accounts", &Value::Null)), "0");
    for _ in 0..2 {
        let answer = publish("b");
        refused(&answer, 429, "", "the fifth");
        assert_eq!((left(&answer).as_str(), answer.header("idempotency-key")), ("0", None));
        assert_eq!(answer.header("retry-after"), answer.header("ratelimit-reset"));
        assert_eq!(text(&answer.json()["error"], "code"), "rate_limited");
    }
    let theirs = house.ask_as(text(&other, "key"), "GET /v1/posts", &Value::Null);
    assert_eq!((theirs.status, left(&theirs).as_str()), (200, "3"), "each key has its own");
    for free in ["GET /health", "GET /", "OPTIONS /v1/posts", "GET /v1/nothing"] {
        let answer = house.ask(free, &Value::Null);
        assert_ne!(answer.status, 429, "{free}");
        assert_eq!(answer.header("ratelimit-limit"), None, "{free}");
    }
    let stranger = house.ask_as("lmp_live_x", "GET /v1/posts", &Value::Null);
    assert_eq!((stranger.status, stranger.header("ratelimit-limit")), (401, None));
}

#[test]
fn one_rule_for_bodies_holds_on_every_route() {
    let house = House::open(&[]);
    let hook = house.good("POST /v1/webhook-endpoints", &json!({ "url": "http://127.0.0.1:9/" }));
    let hook = text(&hook, "id");
    let profile = house.good("POST /v1/profiles", &json!({ "name": "p" }));
    let profile = text(&profile, "id");
    let (queued, gone) = (house.post("later", true), house.post("gone", true));
    assert_eq!(house.ask(&format!("DELETE /v1/posts/{gone}"), &Value::Null).status, 200);
    let ask = |request: &str, headers: &[(&str, &str)], body: &str| {
        let (method, path) = request.split_once(' ').expect("two");
        let key = Some(house.server.key.as_str());
        send(&house.server.base, key, method, path, headers, body.as_bytes()).expect("heard")
    };
    let test = format!("POST /v1/webhook-endpoints/{hook}/test");
    let retry = format!("POST /v1/posts/{gone}/retry");
    // What an empty body means there: the refusal's rule, or nothing where it is allowed.
    let routes = [
        ("POST /v1/posts".to_owned(), "body.json", "body.json"),
        ("POST /v1/posts/validate".to_owned(), "body.json", "body.json"),
        (format!("PATCH /v1/posts/{queued}"), "body", "body"),
        ("POST /v1/webhook-endpoints".to_owned(), "body.json", "body.json"),
        (format!("PATCH /v1/webhook-endpoints/{hook}"), "body.json", "body.json"),
        ("POST /v1/profiles".to_owned(), "body.json", "body.json"),
        (format!("PATCH /v1/profiles/{profile}"), "body.json", "body.json"),
        ("POST /v1/api-keys".to_owned(), "body.json", "body.json"),
        ("POST /v1/accounts/connect/sandbox/complete".to_owned(), "body.json", ""),
        (test, "body.json", ""),
        (retry, "body.json", ""),
    ];
    for (request, malformed, empty) in &routes {
        for headers in [&[][..], &[("Content-Type", "application/json")]] {
            for (body, rule) in [("{", *malformed), ("\u{feff}{}x", *malformed), ("[]", "body")] {
                let answer = ask(request, headers, body);
                let rule = if request.contains("/complete") { "body.json" } else { rule };
                refused(&answer, 400, rule, &format!("{request} {body}"));
            }
        }
        let nothing = ask(request, &[("Content-Type", "application/json")], "");
        if empty.is_empty() {
            assert!(nothing.status < 300, "{request}: {}", nothing.json());
        } else {
            refused(&nothing, 400, empty, request);
        }
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "nonsense"] {
        let answer = ask("POST /v1/posts", &[("Content-Type", kind)], &to_sandbox("x").to_string());
        assert_eq!(answer.status, 200, "{kind}");
    }
}
