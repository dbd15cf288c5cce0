//! Section 14: what an `Idempotency-Key` covers, and what it does not.

use serde_json::{Value, json};

use crate::support::{Answer, landings, send};
use crate::{House, refused, rows, text, to_sandbox};

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[test]
fn every_change_is_made_once_for_its_key() {
    let house = House::open(&[]);
    let key = house.server.key.as_str();
    let profile = house.good("POST /v1/profiles", &json!({ "name": "p" }));
    let profile = format!("/v1/profiles/{}", text(&profile, "id"));
    let hook = house.good("POST /v1/webhook-endpoints", &json!({ "url": "http://127.0.0.1:9/" }));
    let hook = format!("/v1/webhook-endpoints/{}", text(&hook, "id"));
    let minted = house.good("POST /v1/api-keys", &json!({ "name": "k" }));
    let post = format!("/v1/posts/{}", house.post("later", true));
    let account = json!({ "name": "second" });
    let connect = "POST /v1/accounts/connect/sandbox/complete".to_owned();
    let connected = house.good(&connect, &account);
    let none = Value::Null;
    let target = json!({ "targets": [{ "accountId": connected["id"] }], "text": "x" });
    for (request, body, status) in [
        ("POST /v1/posts".to_owned(), target, 200),
        ("POST /v1/posts".to_owned(), json!({}), 400),
        (format!("PATCH {post}"), json!({ "text": "y" }), 200),
        (format!("PATCH {post}"), json!({}), 400),
        (format!("DELETE {post}"), none.clone(), 200),
        (format!("DELETE {post}"), json!({ "a": "body that means nothing" }), 409),
        (format!("POST {post}/retry"), none.clone(), 200),
        ("POST /v1/profiles".to_owned(), json!({ "name": "q" }), 201),
        ("POST /v1/profiles".to_owned(), json!({ "name": "q" }), 409),
        (format!("PATCH {profile}"), json!({ "name": "r" }), 200),
        (format!("DELETE {profile}"), none.clone(), 200),
        ("POST /v1/api-keys".to_owned(), json!({ "name": "m" }), 201),
        (format!("DELETE /v1/api-keys/{}", text(&minted, "id")), none.clone(), 200),
        ("POST /v1/webhook-endpoints".to_owned(), json!({ "url": "http://127.0.0.1:9/" }), 201),
        (format!("PATCH {hook}"), json!({ "active": false }), 200),
        (format!("POST {hook}/test"), none.clone(), 200),
        (format!("POST {hook}/rotate-secret"), none.clone(), 200),
        (format!("DELETE {hook}"), none.clone(), 200),
        (connect, json!({ "name": "third" }), 201),
        ("POST /v1/accounts/connect/bluesky/complete".to_owned(), json!({}), 400),
        (format!("DELETE /v1/accounts/{}", text(&connected, "id")), none.clone(), 200),
        ("DELETE /v1/accounts/x".to_owned(), none.clone(), 404),
    ] {
        let mine = format!("{status} {request}").replace(' ', "-");
        let claim = [("Idempotency-Key", mine.as_str())];
        let first = house.ask_with(key, &request, &claim, &body);
        assert_eq!(first.status, status, "{request}: {}", String::from_utf8_lossy(&first.body));
        assert!(!replayed(&first), "{request}");
        assert_eq!(first.header("idempotency-key"), Some(mine.as_str()), "{request}");
        let again = house.ask_with(key, &request, &claim, &body);
        assert_eq!((again.status, &again.body), (status, &first.body), "{request}");
        assert!(replayed(&again), "{request}");
        assert_eq!(again.header("idempotency-key"), Some(mine.as_str()), "{request}");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "{request}");
        if status >= 400 {
            let original = again.json()["error"]["requestId"].clone();
            assert_eq!(first.header("x-request-id"), original.as_str(), "{request}");
        }
    }
}

#[test]
fn a_key_is_bound_to_its_route_and_its_very_bytes() {
    let house = House::open(&[]);
    let key = house.server.key.as_str();
    let other = house.mint("lmp_live_", &[], None);
    let ask = |key: &str, path: &str, claim: &str, body: &str| {
        let claim = [("Idempotency-Key", claim)];
        send(&house.server.base, Some(key), "POST", path, &claim, body.as_bytes()).expect("heard")
    };
    let body = to_sandbox("once").to_string();
    let first = ask(key, "/v1/posts", "k", &body);
    assert_eq!(first.status, 200);
    for (who, path) in [(key, "/v1/posts"), (&other, "/v1/posts"), (key, "/posts")] {
        let again = ask(who, path, "k", &body);
        assert!(replayed(&again) && again.body == first.body, "{path}");
    }
    let reordered = r#"{"text":"once","targets":[{"platform":"sandbox"}]}"#;
    for changed in [&format!("{body} "), &body.replace("once", "twice"), reordered, "{", ""] {
        let answer = ask(key, "/v1/posts", "k", changed);
        refused(&answer, 409, "idempotency_key.body_mismatch", changed);
        assert_eq!(text(&answer.json()["error"], "code"), "idempotency_conflict");
        assert_eq!(answer.header("idempotency-key"), None, "a conflict is not kept");
    }
    assert!(replayed(&ask(key, "/v1/posts", "k", &body)));
    let profile = ask(key, "/v1/profiles", "k", r#"{"name":"k"}"#);
    assert_eq!((profile.status, replayed(&profile)), (201, false), "another route, another key");
    // What was refused stays refused: the corrected body needs a key of its own.
    assert_eq!(ask(key, "/v1/posts", "bad", "{}").status, 400);
    let corrected = ask(key, "/v1/posts", "bad", &body);
    refused(&corrected, 409, "idempotency_key.body_mismatch", "corrected");
    // The longest, and one longer; one that is empty is none.
    let longest = "k".repeat(255);
    assert_eq!(ask(key, "/v1/posts", &longest, &body).status, 200);
    assert!(replayed(&ask(key, "/v1/posts", &longest, &body)));
    let longer = ask(key, "/v1/posts", &"k".repeat(256), &body);
    refused(&longer, 400, "idempotency_key.length", "longer");
    for _ in 0..2 {
        let free = ask(key, "/v1/posts", "", &body);
        assert_eq!((free.status, free.header("idempotency-key")), (200, None));
    }
    assert_eq!(landings(&house.server.data).len(), 4);
    let read = [("Idempotency-Key", "k")];
    let page = house.ask_with(key, "GET /v1/posts", &read, &Value::Null);
    assert_eq!((rows(&page.json()).len(), page.header("idempotency-key")), (4, None));
}

#[test]
fn a_key_of_one_profile_does_not_meet_those_of_another() {
    let house = House::open(&[]);
    let scopes = ["posts:read", "posts:write", "admin"];
    let profiles = ["first", "second"].map(|name| {
        let made = house.good("POST /v1/profiles", &json!({ "name": name }));
        let connect = json!({ "name": name, "profileId": made["id"] });
        let account = house.good("POST /v1/accounts/connect/sandbox/complete", &connect);
        let key = house.mint("lmp_live_", &scopes, made["id"].as_str());
        (key, text(&account, "id").to_owned())
    });
    let claim = [("Idempotency-Key", "1")];
    let ask = |key: &str| house.ask_with(key, "POST /v1/posts", &claim, &to_sandbox("same bytes"));
    let mut said = Vec::new();
    for (key, account) in &profiles {
        let first = ask(key);
        assert_eq!((first.status, replayed(&first)), (200, false));
        assert_eq!(text(&first.json()["results"][0], "accountId"), account);
        said.push(first.body);
    }
    // Within its profile a key is as good as its successor, so that one can follow the other.
    for ((key, _), first) in profiles.iter().zip(&said) {
        let profile = house.ask_as(key, "GET /v1/profiles", &Value::Null).json();
        let successor = house.mint("lmp_live_", &scopes, rows(&profile)[0]["id"].as_str());
        for key in [key, &successor] {
            let again = ask(key);
            assert!(replayed(&again) && again.body == *first, "{:?}", again.json());
        }
    }
    assert_eq!(landings(&house.server.data).len(), 2);
    // Nor does one profile learn that another has used a key, or what for.
    let other = house.ask_with(&profiles[0].0, "POST /v1/posts", &claim, &to_sandbox("other"));
    refused(&other, 409, "idempotency_key.body_mismatch", "its own key, other bytes");
    let unlimited = ask(&house.server.key);
    refused(&unlimited, 400, "target.account.ambiguous", "a key of no profile has its own claims");
}

#[test]
fn a_batch_that_failed_is_kept_and_says_how_to_try_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let publish = folder.path().join("publish");
    std::fs::create_dir(&publish).expect("room");
    let patient = include_str!("../../workflows/publish/sandbox.toml");
    let hasty = patient.replace("give_up_after = \"24h\"", "give_up_after = \"500ms\"");
    std::fs::write(publish.join("sandbox.toml"), hasty).expect("room");
    let house = House::open(&[&format!("workflows.dir={}", folder.path().display())]);
    let key = house.server.key.as_str();
    // The rest that it asks for is longer than the patience.
    let options = json!({ "platform": "sandbox", "faults": ["rate_limited"] });
    let body = json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": "x" });
    let claim = [("Idempotency-Key", "k")];
    let first = house.ask_with(key, "POST /v1/posts", &claim, &body);
    let failed = first.json();
    assert_eq!((first.status, text(&failed, "status")), (200, "failed"), "{failed}");
    let again = house.ask_with(key, "POST /v1/posts", &claim, &body);
    assert!(replayed(&again) && again.body == first.body);
    let result = &failed["results"][0];
    let error = &result["error"];
    let path = format!("POST /v1/posts/{}/retry", text(result, "postId"));
    let remedy = text(error, "remediation");
    assert_eq!(error["retryable"], true, "{failed}");
    assert!(remedy.contains(&path) && remedy.contains("Idempotency-Key"), "{remedy}");
    assert_eq!(house.ask(&path, &Value::Null).status, 200, "it is as good as its word");
}
