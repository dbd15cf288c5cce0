//! The Make app: a body template that always holds a first comment, a key header that may be
//! empty, and a module that reads back the id that the publishing one gave: the batch's.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Server, landings, send};
use crate::{from_now, house, reads, rows, text};

/// A connection with its modules.
struct Make<'a>(&'a Server);

impl Make<'_> {
    fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        send(&self.0.base, Some(&self.0.key), method, path, &headers, body.as_bytes())
            .expect("heard")
    }

    /// Whether the connection is good, and what it is called.
    fn connection(base: &str, key: &str) -> Result<Option<String>, String> {
        let answer = send(base, Some(key), "GET", "/v1/accounts", &[], b"").expect("heard");
        match answer.status {
            200 => Ok(rows(&answer.json()).first().map(|one| text(one, "displayName").to_owned())),
            _ => Err(error_text(&answer)),
        }
    }

    /// Publishes as its template does: the comment is always there, the key header as well.
    fn publish(&self, fields: &Value, key: &str) -> Result<Value, String> {
        let mut body = json!({ "firstComment": {}, "publishNow": true });
        let fields = fields.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(fields);
        let headers = [("Idempotency-Key", key)];
        let answer = self.exchange("POST", "/v1/posts", &headers, &body.to_string());
        if answer.status >= 400 { Err(error_text(&answer)) } else { Ok(answer.json()) }
    }
}

/// How it shows an error.
fn error_text(answer: &Answer) -> String {
    let value = answer.json();
    let error = &value["error"];
    format!("[{}] {}: {}", answer.status, text(error, "code"), text(error, "message"))
}

#[test]
fn a_connection_is_good_exactly_when_its_key_is() {
    let (_folder, server) = house(&[]);
    let made = server.cli(&["keys", "create", "--name", "w", "--scope", "posts:write", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    for key in [&server.key, text(&made, "key")] {
        assert_eq!(Make::connection(&server.base, key), Ok(Some("sandbox".to_owned())));
    }
    let bad = Make::connection(&server.base, "lmp_live_unknown").expect_err("refused");
    assert!(bad.starts_with("[401] unauthenticated: "), "{bad}");
}

#[test]
fn its_template_publishes_once_for_each_run() {
    let (_folder, server) = house(&[]);
    let make = Make(&server);
    let targets = json!([{ "platform": "sandbox" }]);
    let comments = [json!({}), json!({ "text": "" }), json!({ "text": null })];
    for (n, comment) in (1..).zip(comments) {
        let fields = json!({ "targets": targets, "text": "hi", "firstComment": comment });
        let made = make.publish(&fields, "").expect("published");
        assert_eq!(text(&made, "status"), "published");
        assert!(made["results"][0].get("firstCommentUri").is_none(), "{made}");
        assert_eq!(landings(&server.data).len(), n, "an empty key is none: each run publishes");
    }
    let fields = json!({ "targets": targets, "text": "hi", "firstComment": { "text": "c" } });
    let first = make.publish(&fields, "run-7").expect("published");
    assert!(first["results"][0]["firstCommentUri"].is_string(), "{first}");
    assert_eq!(make.publish(&fields, "run-7"), Ok(first), "a key of one's own replays");
    let wrong = json!({ "targets": targets, "text": "" });
    let wrong = make.publish(&wrong, "").expect_err("refused");
    assert!(wrong.starts_with("[400] validation_failed: "), "{wrong}");
}

#[test]
fn scheduling_wants_publish_now_unticked() {
    let (_folder, server) = house(&[]);
    let make = Make(&server);
    let at = from_now(Duration::from_secs(3_600));
    let mut fields =
        json!({ "targets": [{ "platform": "sandbox" }], "text": "hi", "scheduledAt": at });
    let both = make.publish(&fields, "").expect_err("refused");
    assert!(both.starts_with("[400] validation_failed: "), "{both}");
    assert!(landings(&server.data).is_empty());
    fields["publishNow"] = json!(false);
    let made = make.publish(&fields, "").expect("queued");
    assert_eq!((text(&made, "status"), text(&made, "scheduledAt")), ("queued", at.as_str()));
}

#[test]
fn the_id_that_publishing_gives_can_be_read_back() {
    let (_folder, server) = house(&[]);
    let make = Make(&server);
    let read = |id: &str| make.exchange("GET", &format!("/v1/posts/{id}"), &[], "");
    let targets = json!([{ "platform": "sandbox" }, { "platform": "sandbox", "text": "other" }]);
    let made = make.publish(&json!({ "targets": targets, "text": "hi" }), "").expect("published");
    let batch = read(text(&made, "id"));
    assert_eq!((batch.status, batch.json()), (200, made.clone()), "the batch as it was answered");
    let at = from_now(Duration::from_secs(3_600));
    let later = json!({ "targets": targets, "text": "hi", "scheduledAt": at, "publishNow": false });
    let later = make.publish(&later, "").expect("queued");
    let read_back = read(text(&later, "id")).json();
    reads(&read_back, "id:text status:text createdAt:time scheduledAt:time results:list");
    let post = text(&later["results"][0], "postId");
    let canceled = make.exchange("DELETE", &format!("/v1/posts/{post}"), &[], "");
    assert_eq!(canceled.status, 200, "a raw call");
    let now = read(text(&later, "id")).json();
    let stands = |n: usize| text(&now["results"][n], "status");
    assert_eq!((stands(0), stands(1)), ("canceled", "queued"), "as it stands now");
    let one = read(text(&made["results"][1], "postId"));
    assert_eq!((one.status, text(&one.json(), "text")), (200, "other"));
    let none = read("batch_00000000000000000000000000");
    assert!(error_text(&none).starts_with("[404] not_found: "));
}
