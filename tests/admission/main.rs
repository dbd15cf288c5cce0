//! Who may come in, over the real engine and the memory store; only the platform is made up.

mod reads;
mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fanfare::model::{AccountId, Timestamp};
use fanfare::store::{Key, Store, Write};
use serde_json::{Value, json};

use rig::{NOW, Rig, anyone, caller, json_of, later, refused, three, to, uuid};

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_its_rule_and_that_nothing_was_sent() {
    let rig = Rig::new(&three());
    let image = |source: Value| {
        let mut item = json!({ "kind": "image" });
        item.as_object_mut().expect("an object").extend(source.as_object().cloned().expect("one"));
        json!({ "targets": [{ "accountId": uuid(1) }], "text": "x", "media": [item] }).to_string()
    };
    let two = |first: Value, second: Value| {
        json!({ "targets": [first, second], "text": "x" }).to_string()
    };
    let sandbox = json!({ "accountId": uuid(1) });
    let long = json!({ "accountId": uuid(1), "text": "a".repeat(3_001) });
    let years = 2 * 365 * 86_400_000;
    let mut later_upload: Value = serde_json::from_str(&later(1, 60_000)).expect("JSON");
    later_upload["media"] = json!([{ "kind": "image", "mediaId": "med_0123456789abcdefABCDEF" }]);
    let rows = [
        ("{".to_owned(), 400, "body.json"),
        (to(9, "x"), 404, ""),
        (to(3, "x"), 403, "platform.not_enabled"),
        (
            r#"{"targets":[{"platform":"sandbox"}],"text":"x"}"#.into(),
            400,
            "target.account.ambiguous",
        ),
        (two(sandbox.clone(), sandbox.clone()), 400, "targets.duplicate"),
        (two(sandbox, long), 400, "sandbox.text.max_chars"),
        (later_upload.to_string(), 400, "media.unknown"),
        (later(1, 999), 400, "scheduledAt.future"),
        (later(1, years + 1), 400, "scheduledAt.max"),
    ];
    for (body, status, rule) in rows {
        let served = rig.post(&anyone(), None, &body).await;
        refused(&served, status, rule);
        assert_eq!(json_of(&served.reply)["error"]["outcome"], "not_sent", "{rule}");
        if rule == "sandbox.text.max_chars" {
            assert_eq!(json_of(&served.reply)["error"]["platformResponse"]["targetIndex"], 1);
        }
    }
    refused(&rig.post(&caller(Some(8)), None, &to(1, "x")).await, 404, "api_key.profile_scope");
    for good in [image(json!({ "mediaId": "med_0123456789abcdefknown0" })), later(1, 1_000)] {
        assert!(rig.post(&anyone(), None, &good).await.fault.is_none(), "{good}");
    }
    assert!(rig.post(&anyone(), None, &later(1, years)).await.fault.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_holds_for_replies_and_for_refusals() {
    let rig = Rig::new(&three());
    let first = rig.post(&anyone(), Some("k"), &to(1, "x")).await;
    assert_eq!((first.reply.status, first.replayed), (200, false));
    assert_eq!(first.claim_key.as_deref(), Some("k"));
    let again = rig.post(&anyone(), Some("k"), &to(1, "x")).await;
    assert_eq!((again.reply, again.replayed), (first.reply, true));
    let other = rig.post(&anyone(), Some("k"), &to(1, "y")).await;
    refused(&other, 409, "idempotency_key.body_mismatch");
    assert_eq!((other.claim_key, &json_of(&other.reply)["error"]["outcome"]), (None, &Value::Null));
    let bad = rig.post(&anyone(), Some("bad"), "{}").await;
    refused(&bad, 400, "targets");
    let bad_again = rig.post(&anyone(), Some("bad"), "{}").await;
    assert_eq!((bad_again.reply, bad_again.replayed), (bad.reply, true));
    // What may be answered otherwise later is not kept.
    for _ in 0..2 {
        let closed = rig.post(&anyone(), Some("closed"), &to(3, "x")).await;
        refused(&closed, 403, "platform.not_enabled");
        assert_eq!((closed.replayed, closed.claim_key), (false, None));
    }
    let long = "k".repeat(256);
    refused(&rig.post(&anyone(), Some(&long), &to(1, "x")).await, 400, "idempotency_key.length");
    for _ in 0..2 {
        let free = rig.post(&anyone(), Some(""), &to(1, "x")).await;
        assert_eq!((free.reply.status, free.replayed, free.claim_key), (200, false, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_bytes_are_kept_once_and_only_when_all_else_holds() {
    let rig = Rig::new(&three());
    let targets: Vec<Value> = (0..25)
        .map(|n| json!({ "accountId": uuid(1 + n % 2), "text": format!("text {n}") }))
        .collect();
    let image = |bytes: &str| json!({ "kind": "image", "bytesBase64": bytes });
    let mut body =
        json!({ "targets": targets, "media": [image("AQID"), image("AQID"), image("BA==")] });
    let served = rig.post(&anyone(), None, &body.to_string()).await;
    assert_eq!(served.reply.status, 200, "{}", json_of(&served.reply));
    assert_eq!(*rig.kept.lock().expect("sound"), [vec![1, 2, 3], vec![4]]);
    body["scheduledAt"] = json!("2020-01-01T00:00:00Z");
    refused(&rig.post(&anyone(), None, &body.to_string()).await, 400, "scheduledAt.future");
    assert_eq!(rig.kept.lock().expect("sound").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn remarks_stand_on_the_target_they_concern() {
    let rig = Rig::new(&three());
    let body = json!({ "targets": [{ "accountId": uuid(1), "foo": 1 }, { "accountId": uuid(2) }],
        "text": "x", "bar": 1 });
    let value = json_of(&rig.post(&anyone(), None, &body.to_string()).await.reply);
    let told = |ix: usize| value["results"][ix]["warnings"].as_array().map_or(0, Vec::len);
    assert_eq!((told(0), told(1)), (2, 1), "{value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_checked_whole_against_what_is_stored() {
    let rig = Rig::new(&three());
    let post = rig.queued(1).await;
    let edited = rig.patch(&anyone(), &post, r#"{"text":"new","foo":1}"#).await;
    let value = json_of(&edited.reply);
    assert_eq!((edited.reply.status, &value["text"]), (200, &json!("new")));
    assert_eq!(value["warnings"][0]["code"], "request.unknown_field");
    assert!(value.get("attempts").is_none(), "{value}");
    let at = Timestamp::from_millis(NOW + 7_200_000).to_string();
    let moved = rig.patch(&anyone(), &post, &json!({ "scheduledAt": at }).to_string()).await;
    assert_eq!(json_of(&moved.reply)["scheduledAt"], json!(at));
    let media = r#"{"media":[{"kind":"image","url":"https://e.org/a"}]}"#;
    let value = json_of(&rig.patch(&anyone(), &post, media).await.reply);
    assert_eq!(
        (value["mediaRefs"].as_array().map(Vec::len), &value["text"]),
        (Some(1), &json!("new"))
    );
    let inline = r#"{"media":[{"kind":"image","bytesBase64":"AQID"},
        {"kind":"image","bytesBase64":"AQID"}]}"#;
    let late = json!({ "scheduledAt": "2020-01-01T00:00:00Z" }).to_string();
    let both = format!("{},{}", inline.trim_end_matches('}'), late.trim_start_matches('{'));
    refused(&rig.patch(&anyone(), &post, &both).await, 400, "scheduledAt.future");
    assert!(rig.kept.lock().expect("sound").is_empty(), "nothing is kept for what is refused");
    let value = json_of(&rig.patch(&anyone(), &post, inline).await.reply);
    assert_eq!(value["mediaRefs"].as_array().map(Vec::len), Some(2), "{value}");
    assert_eq!(*rig.kept.lock().expect("sound"), [vec![1, 2, 3]], "equal bytes once");
    for (body, status, rule) in [
        ("{", 400, "body"),
        ("{}", 400, "body"),
        (r#"{"text":" ","media":[]}"#, 400, "sandbox.text.non_empty"),
        (r#"{"scheduledAt":"2020-01-01T00:00:00Z"}"#, 400, "scheduledAt.future"),
        (r#"{"scheduledAt":"9999-01-01T00:00:00Z"}"#, 400, "scheduledAt.max"),
        (
            r#"{"media":[{"kind":"image","mediaId":"med_0123456789abcdefABCDEF"}]}"#,
            400,
            "media.unknown",
        ),
    ] {
        refused(&rig.patch(&anyone(), &post, body).await, status, rule);
    }
    refused(&rig.patch(&anyone(), "post_x", r#"{"text":"y"}"#).await, 404, "");
    let scoped = rig.patch(&caller(Some(8)), &post, r#"{"text":"y"}"#).await;
    refused(&scoped, 404, "api_key.profile_scope");
    // The time has come, though the engine has not looked yet: the old window decides first.
    rig.now.store(NOW + 7_200_000, Ordering::SeqCst);
    let late = rig.patch(&anyone(), &post, r#"{"scheduledAt":"2020-01-01T00:00:00Z"}"#).await;
    refused(&late, 409, "post.scheduledAt.window");
    let live = json_of(&rig.post(&anyone(), None, &to(1, "live")).await.reply);
    let live = live["results"][0]["postId"].as_str().expect("an id");
    refused(&rig.patch(&anyone(), live, r#"{"text":"y"}"#).await, 409, "post.status");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_removed_accounts_post_is_refused_and_a_new_time_is_not() {
    let rig = Rig::new(&three());
    let post = rig.queued(1).await;
    let gone = Key::Account(AccountId::from_raw(1));
    rig.store.commit(1, &[Write::Delete(gone)]).expect("room");
    let edit = rig.patch(&anyone(), &post, r#"{"text":"y"}"#).await;
    refused(&edit, 409, "post.edit.account_missing");
    let at = Timestamp::from_millis(NOW + 7_200_000).to_string();
    let moved = rig.patch(&anyone(), &post, &json!({ "scheduledAt": at }).to_string()).await;
    let value = json_of(&moved.reply);
    assert_eq!(
        (moved.reply.status, &value["account"], &value["accountId"]),
        (200, &Value::Null, &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_cancels_get_one_answer_however_they_meet() {
    let rig = Arc::new(Rig::new(&three()));
    for round in 0..50 {
        let post = rig.queued(1).await;
        let key = format!("key {round}");
        let racing: Vec<_> = (0..4)
            .map(|_| {
                let (rig, post, key) = (Arc::clone(&rig), post.clone(), key.clone());
                tokio::spawn(async move { rig.cancel(Some(&key), &post).await })
            })
            .collect();
        let mut replayed = 0;
        for one in racing {
            let served = one.await.expect("it ran");
            let expected = json!({ "id": post, "status": "canceled" });
            assert_eq!((served.reply.status, json_of(&served.reply)), (200, expected));
            replayed += usize::from(served.replayed);
        }
        assert_eq!(replayed, 3);
        refused(&rig.cancel(Some("other"), &post).await, 409, "post.status");
        refused(&rig.cancel(None, &post).await, 409, "post.status");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_claim_to_know() {
    let rig = Rig::new(&three());
    rig.engine.drain().await.expect("it drains");
    let free = rig.post(&anyone(), None, &to(1, "x")).await;
    refused(&free, 503, "server.busy");
    let error = &json_of(&free.reply)["error"];
    assert_eq!((&error["outcome"], &error["retryable"]), (&json!("unknown"), &json!(false)));
    let keyed = rig.post(&anyone(), Some("k"), &to(1, "x")).await;
    refused(&keyed, 503, "server.busy");
    let error = &json_of(&keyed.reply)["error"];
    assert_eq!((&error["outcome"], &error["retryable"]), (&json!("not_sent"), &json!(true)));
    assert_eq!(keyed.retry_after, Some(1));
}
