//! Section 2: which scope opens what, and what a key that is limited to a profile does not see.

use serde_json::{Value, json};

use crate::{DAY, House, from_now, refused, rows, text, to_sandbox};

#[test]
fn a_scope_opens_its_routes_and_no_other() {
    let house = House::open(&[]);
    let key = |scopes: &[&str]| house.mint("lmp_live_", scopes, None);
    let keys = [
        ("read", key(&["posts:read"])),
        ("write", key(&["posts:write", "of-no-meaning"])),
        ("admin", key(&["admin"])),
        ("", key(&["of-no-meaning"])),
    ];
    // Nobody has these ids: who may pass gets another answer than 403.
    let routes = [
        ("POST /v1/posts", "write"),
        ("POST /posts", "write"),
        ("POST /v1/posts/validate", "write"),
        ("PATCH /v1/posts/x", "write"),
        ("DELETE /v1/posts/x", "write"),
        ("POST /v1/posts/x/retry", "write"),
        ("GET /v1/posts", "read"),
        ("GET /v1/posts/x", "read"),
        ("GET /v1/posts/batch_x", "read"),
        ("GET /v1/events", "read"),
        ("GET /v1/accounts", ""),
        ("GET /v1/accounts/x", ""),
        ("GET /v1/accounts/x/pinterest/boards", ""),
        ("GET /v1/profiles", ""),
        ("GET /v1/profiles/x", ""),
        ("GET /v1/platform-versions", ""),
        ("DELETE /v1/accounts/x", "admin"),
        ("POST /v1/accounts/connect/bluesky", "admin"),
        ("POST /v1/accounts/connect/bluesky/complete", "admin"),
        ("POST /v1/accounts/x/pinterest/boards", "admin"),
        ("PATCH /v1/accounts/x/pinterest/default-board", "admin"),
        ("POST /v1/profiles", "admin"),
        ("PATCH /v1/profiles/x", "admin"),
        ("DELETE /v1/profiles/x", "admin"),
        ("GET /v1/api-keys", "admin"),
        ("POST /v1/api-keys", "admin"),
        ("DELETE /v1/api-keys/x", "admin"),
        ("GET /v1/webhook-endpoints", "admin"),
        ("POST /v1/webhook-endpoints", "admin"),
        ("GET /v1/webhook-endpoints/x", "admin"),
        ("PATCH /v1/webhook-endpoints/x", "admin"),
        ("DELETE /v1/webhook-endpoints/x", "admin"),
        ("POST /v1/webhook-endpoints/x/test", "admin"),
        ("POST /v1/webhook-endpoints/x/rotate-secret", "admin"),
        ("POST /v1/webhook-endpoints/x/redeliver", "admin"),
        ("GET /v1/webhook-endpoints/x/deliveries", "admin"),
    ];
    for (request, needed) in routes {
        for (held, key) in &keys {
            let answer = house.ask_as(key, request, &Value::Null);
            if needed.is_empty() || needed == *held {
                assert!(![401, 403].contains(&answer.status), "{request} with {held:?}");
            } else {
                refused(&answer, 403, "api_key.scope", &format!("{request} with {held:?}"));
                assert_eq!(text(&answer.json()["error"], "code"), "unauthorized");
            }
        }
    }
    // A key made without a list, or with an empty one, may read and write posts and no more.
    for scopes in [json!({ "name": "k" }), json!({ "name": "k", "scopes": [] })] {
        let made = house.good("POST /v1/api-keys", &scopes);
        assert_eq!(made["scopes"], json!(["posts:read", "posts:write"]));
        let key = text(&made, "key");
        assert_eq!(house.ask_as(key, "POST /v1/posts", &to_sandbox("x")).status, 200);
        assert_eq!(house.ask_as(key, "GET /v1/posts", &Value::Null).status, 200);
        assert_eq!(house.ask_as(key, "GET /v1/api-keys", &Value::Null).status, 403);
    }
}

#[test]
fn a_refusal_at_the_door_is_not_kept_under_a_key() {
    let house = House::open(&[]);
    let reader = house.mint("lmp_live_", &["posts:read"], None);
    let claim = [("Idempotency-Key", "k")];
    for (key, status) in [("lmp_live_unknown", 401), (reader.as_str(), 403)] {
        let answer = house.ask_with(key, "POST /v1/posts", &claim, &to_sandbox("x"));
        assert_eq!((answer.status, answer.header("idempotency-key")), (status, None));
        let broken = house.ask_with(key, "POST /v1/posts", &claim, &json!("no request"));
        assert_eq!(broken.status, status, "the body is not looked at");
    }
    let key = house.server.key.clone();
    let answer = house.ask_with(&key, "POST /v1/posts", &claim, &to_sandbox("x"));
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
    assert_eq!(answer.header("idempotency-key"), Some("k"));
}

#[test]
fn a_key_of_one_profile_does_not_see_another() {
    let house = House::open(&[]);
    let profile = house.good("POST /v1/profiles", &json!({ "name": "Client" }));
    let profile = text(&profile, "id");
    let connect = json!({ "name": "theirs", "profileId": profile });
    let theirs = house.good("POST /v1/accounts/connect/sandbox/complete", &connect);
    let theirs = text(&theirs, "id");
    let all = house.good("GET /v1/accounts", &Value::Null);
    let ours = rows(&all).iter().find(|one| one["id"] != *theirs).expect("the first");
    let ours = text(ours, "id");
    let own = rows(&all).iter().find(|one| one["id"] == *ours).expect("the first");
    let own_profile = text(own, "profileId");
    let later = |account: &str| {
        let body = json!({ "targets": [{ "accountId": account }], "text": "x",
            "scheduledAt": from_now(DAY) });
        house.good("POST /v1/posts", &body)
    };
    let batch = later(ours);
    let (batch, post) = (text(&batch, "id"), text(&batch["results"][0], "postId"));
    let mine = later(theirs);
    let scopes = ["posts:read", "posts:write", "admin"];
    let scoped = house.mint("lmp_live_", &scopes, Some(profile));
    let to = |account: &str| json!({ "targets": [{ "accountId": account }], "text": "x" });
    for (request, body) in [
        (format!("GET /v1/accounts/{ours}"), Value::Null),
        (format!("DELETE /v1/accounts/{ours}"), Value::Null),
        ("POST /v1/posts".to_owned(), to(ours)),
        (format!("GET /v1/posts/{post}"), Value::Null),
        (format!("GET /v1/posts/{batch}"), Value::Null),
        (format!("PATCH /v1/posts/{post}"), json!({ "text": "y" })),
        (format!("DELETE /v1/posts/{post}"), Value::Null),
        (format!("POST /v1/posts/{post}/retry"), Value::Null),
        (format!("GET /v1/posts?profileId={own_profile}"), Value::Null),
        (format!("GET /v1/profiles/{own_profile}"), Value::Null),
        (format!("PATCH /v1/profiles/{own_profile}"), json!({ "name": "z" })),
        (format!("DELETE /v1/profiles/{own_profile}"), Value::Null),
        (
            "POST /v1/accounts/connect/sandbox/complete".to_owned(),
            json!({ "name": "more", "profileId": own_profile }),
        ),
    ] {
        let answer = house.ask_as(&scoped, &request, &body);
        refused(&answer, 404, "api_key.profile_scope", &request);
    }
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x",
        "profileId": own_profile });
    let named = house.ask_as(&scoped, "POST /v1/posts", &body);
    refused(&named, 400, "profile.scope_mismatch", "naming another profile");
    // What it sees is its own, whatever it asks for; a platform alone finds its own account.
    let get = |path: &str| house.ask_as(&scoped, &format!("GET {path}"), &Value::Null).json();
    let seen = |value: &Value| {
        rows(value).iter().map(|one| text(one, "id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&get("/v1/accounts")), [theirs]);
    assert_eq!(seen(&get(&format!("/v1/accounts?profileId={own_profile}"))), [theirs]);
    assert_eq!(seen(&get("/v1/posts")), [text(&mine["results"][0], "postId")]);
    assert_eq!(seen(&get("/v1/profiles")), [profile]);
    let told = get("/v1/events");
    assert!(rows(&told).iter().all(|event| event["data"]["profileId"] == *profile), "{told}");
    assert_eq!(rows(&told).len(), 1);
    let made = house.ask_as(&scoped, "POST /v1/posts", &to_sandbox("x"));
    assert_eq!((made.status, text(&made.json()["results"][0], "accountId")), (200, theirs));
    // A key that spans the organization narrows by asking, and finds nothing where nothing is.
    for (profile, count) in [(profile, 1), ("00000000-0000-0000-0000-000000000009", 0), ("x", 0)] {
        let found = house.good(&format!("GET /v1/accounts?profileId={profile}"), &Value::Null);
        assert_eq!(rows(&found).len(), count, "accounts of {profile}");
        let found = house.good(&format!("GET /v1/posts?profileId={profile}"), &Value::Null);
        assert_eq!(rows(&found).len(), count * 2, "posts of {profile}");
    }
}

#[test]
fn an_id_that_is_none_is_not_found() {
    let house = House::open(&[]);
    let nil = "00000000-0000-0000-0000-000000000000";
    for path in ["posts", "accounts", "profiles", "webhook-endpoints"] {
        for id in ["abc", "%20", nil, "post_", "batch_00000000000000000000000000"] {
            let answer = house.ask(&format!("GET /v1/{path}/{id}"), &Value::Null);
            let rule = answer.rule();
            refused(&answer, 404, &rule, &format!("GET {path}/{id}"));
            let answer = house.ask(&format!("DELETE /v1/{path}/{id}"), &Value::Null);
            assert_eq!(answer.status, 404, "DELETE {path}/{id}");
        }
    }
    let answer = house.ask(&format!("DELETE /v1/api-keys/{nil}"), &Value::Null);
    refused(&answer, 404, "", "a key that is none");
    assert_eq!(text(&answer.json()["error"], "code"), "not_found");
}
