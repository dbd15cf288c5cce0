//! Sections 11 and 12: profiles and API keys.

use serde_json::{Value, json};

use crate::support::until;
use crate::{House, refused, rows, text};

#[test]
fn profiles_are_named_once_and_the_default_one_stays() {
    let house = House::open(&[]);
    let create = |body: &Value| house.ask("POST /v1/profiles", body);
    let made = create(&json!({ "name": "  Acme Corp!  " }));
    assert_eq!(made.status, 201);
    let acme = made.json();
    assert_eq!((text(&acme, "name"), text(&acme, "slug")), ("Acme Corp!", "acme-corp"));
    assert_eq!(acme["isDefault"], false);
    let strange = house.good("POST /v1/profiles", &json!({ "name": "日本" }));
    let slug = text(&strange, "slug");
    assert!(slug.starts_with("profile-") && slug.len() == 14, "{slug}");
    let (long, longer) = ("n".repeat(120), "n".repeat(121));
    assert_eq!(create(&json!({ "name": long, "slug": "s".repeat(64) })).status, 201);
    for (body, status, rule) in [
        (json!({}), 400, "name"),
        (json!({ "name": "   " }), 400, "name"),
        (json!({ "name": longer }), 400, "name"),
        (json!({ "name": "n", "slug": "Upper" }), 400, "slug"),
        (json!({ "name": "n", "slug": "" }), 400, "slug"),
        (json!({ "name": "n", "slug": "s".repeat(65) }), 400, "slug"),
        (json!({ "name": "n", "slug": null }), 400, "slug"),
        (json!({ "name": "acme corp" }), 409, "profile.slug.unique"),
    ] {
        refused(&create(&body), status, rule, &body.to_string());
    }
    let listed = house.good("GET /v1/profiles", &Value::Null);
    let slugs: Vec<&str> = rows(&listed).iter().map(|one| text(one, "slug")).collect();
    assert_eq!(slugs[..3], ["default", "acme-corp", slug], "oldest first");
    let default = &rows(&listed)[0];
    assert_eq!(default["isDefault"], true);
    let path = format!("/v1/profiles/{}", text(&acme, "id"));
    assert_eq!(house.good(&format!("GET {path}"), &Value::Null), acme);
    let patch = format!("PATCH {path}");
    let renamed = house.good(&patch, &json!({ "slug": "acme", "name": "Acme" }));
    assert_eq!((text(&renamed, "slug"), &renamed["createdAt"]), ("acme", &acme["createdAt"]));
    for body in [json!({}), json!({ "unknown": 1 })] {
        refused(&house.ask(&patch, &body), 400, "body", &body.to_string());
    }
    let taken = house.ask(&patch, &json!({ "slug": "default" }));
    refused(&taken, 409, "profile.slug.unique", "taken");
    let own = format!("/v1/profiles/{}", text(default, "id"));
    let moved = house.ask(&format!("PATCH {own}"), &json!({ "slug": "main" }));
    refused(&moved, 409, "profile.default.protected", "another short name");
    let gone = house.ask(&format!("DELETE {own}"), &Value::Null);
    refused(&gone, 409, "profile.default.protected", "deleted");
    assert_eq!(house.good(&format!("PATCH {own}"), &json!({ "name": "Main" }))["name"], "Main");
}

#[test]
fn a_profile_goes_when_it_is_empty_and_takes_its_keys_along() {
    let house = House::open(&[]);
    let made = house.good("POST /v1/profiles", &json!({ "name": "Client" }));
    let id = text(&made, "id");
    let key = house.mint("lmp_live_", &[], Some(id));
    let connect = "POST /v1/accounts/connect/sandbox/complete";
    let account = house.good(connect, &json!({ "name": "theirs", "profileId": id }));
    assert_eq!(account["profileId"], *id);
    let again = house.ask(connect, &json!({ "name": "theirs" }));
    assert_eq!((again.status, &again.json()["profileId"]), (200, &json!(id)), "it stays there");
    let delete = format!("DELETE /v1/profiles/{id}");
    refused(&house.ask(&delete, &Value::Null), 409, "profile.delete.not_empty", "not empty");
    assert_eq!(house.ask_as(&key, "GET /v1/posts", &Value::Null).status, 200);
    let account = format!("/v1/accounts/{}", text(&account, "id"));
    house.good(&format!("DELETE {account}"), &Value::Null);
    assert_eq!(house.good(&delete, &Value::Null), json!({ "id": id, "deleted": true }));
    assert_eq!(house.ask_as(&key, "GET /v1/posts", &Value::Null).status, 401);
    refused(&house.ask(&delete, &Value::Null), 404, "profile.unknown", "twice");
    for request in [connect, "POST /v1/api-keys"] {
        let answer = house.ask(request, &json!({ "name": "late", "profileId": id }));
        refused(&answer, 404, "profile.unknown", request);
    }
}

#[test]
fn keys_are_shown_once_listed_for_ever_and_closed_at_once() {
    let house = House::open(&[]);
    let create = |body: &Value| house.ask("POST /v1/api-keys", body);
    for (body, rule) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "n".repeat(101) }), "name"),
        (json!({ "name": "n", "prefix": "lmp_prod_" }), "prefix"),
        (json!({ "name": "n", "scopes": "posts:read" }), "scopes"),
        (json!({ "name": "n", "scopes": [1] }), "scopes.0"),
        (json!({ "name": "n", "profileId": "x" }), "profileId"),
    ] {
        refused(&create(&body), 400, rule, &body.to_string());
    }
    let mut ids = Vec::new();
    for (prefix, name) in [("lmp_live_", "first"), ("lmp_test_", "second")] {
        let made = create(&json!({ "name": name, "prefix": prefix, "profileId": null }));
        assert_eq!(made.status, 201);
        let made = made.json();
        let key = text(&made, "key");
        assert_eq!((key.len(), key.starts_with(prefix), text(&made, "prefix")), (41, true, prefix));
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(key.bytes().all(good), "base64url without padding");
        assert_eq!(house.ask_as(key, "GET /v1/posts", &Value::Null).status, 200);
        ids.push((text(&made, "id").to_owned(), key.to_owned()));
    }
    let list = || house.good("GET /v1/api-keys", &Value::Null);
    let names: Vec<String> = rows(&list()).iter().map(|one| text(one, "name").to_owned()).collect();
    assert_eq!(names[..2], ["second", "first"], "newest first");
    assert!(!list().to_string().contains(&ids[0].1), "the key itself is not shown again");
    until("its use is noted", || rows(&list())[1]["lastUsedAt"].is_string());
    let (id, key) = &ids[0];
    let revoked = house.good(&format!("DELETE /v1/api-keys/{id}"), &Value::Null);
    assert_eq!(text(&revoked, "id"), id);
    assert_eq!(house.ask_as(key, "GET /v1/posts", &Value::Null).status, 401);
    assert_eq!(rows(&list())[1]["revokedAt"], revoked["revokedAt"], "it stays in the list");
    let twice = house.ask(&format!("DELETE /v1/api-keys/{id}"), &Value::Null);
    refused(&twice, 404, "", "twice");
}
