//! Traps of what is stored: a disk that fills up, a server that was down, secrets, and content
//! that must still be there when its time comes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Server, after, landed, landings, send, start, start_confined, until};
use crate::{from_now, house, rows, text};

/// In blocks of 512 bytes: four segments of the store.
const DISK_BLOCKS: u32 = 4_096;
/// Long enough for a slow machine to accept what is due then.
const SOON: Duration = Duration::from_millis(2_500);

fn big_batch(n: usize) -> String {
    let said = |target: usize| format!("{n}.{target} {}", "x".repeat(2_900));
    let targets: Vec<Value> =
        (0..25).map(|target| json!({ "platform": "sandbox", "text": said(target) })).collect();
    json!({ "targets": targets }).to_string()
}

/// Every post there is.
fn posts(server: &Server) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = server.get(&format!("/v1/posts?limit=200{cursor}")).json();
        count += rows(&page).len();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

/// T19, and 20.4's seventh property.
#[test]
fn a_batch_that_the_disk_refuses_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = start_confined(&data, DISK_BLOCKS, &["rate_limit.points=0"]);
    let mut answered = Vec::new();
    let refused = loop {
        let n = answered.len();
        match server.post_with_key(&n.to_string(), &big_batch(n)) {
            Ok(answer) if answer.status == 200 => answered.push(answer.body),
            _ => break n,
        }
        assert!(n < 1_000, "the limit does not hold");
    };
    assert!(refused >= 3, "only {refused} before the limit");
    server.died();
    let server = start(&data, &["rate_limit.points=0"]);
    // Whatever the client was not told: the same request gives it, once.
    let key = refused.to_string();
    let last = server.post_with_key(&key, &big_batch(refused)).expect("given room, it goes on");
    assert_eq!((last.status, text(&last.json(), "status")), (200, "published"));
    answered.push(last.body);
    for (n, body) in answered.iter().enumerate() {
        let again = server.post_with_key(&n.to_string(), &big_batch(n)).expect("heard");
        assert_eq!(&again.body, body, "batch {n}");
        let results = again.json()["results"].as_array().expect("results").clone();
        assert_eq!(results.len(), 25);
        for result in &results {
            assert_eq!(landed(&data, text(result, "postId")), 1, "{result}");
        }
    }
    assert_eq!((posts(&server), landings(&data).len()), (25 * answered.len(), 25 * answered.len()));
    assert!(server.cli(&["journal", "verify"]).status.success());
}

/// T16, and 20.4's fifth property.
#[test]
fn an_overslept_post_goes_out_once_or_fails_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let overslept = |settings: &[&str]| {
        let server = start(&data, &[]);
        let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x",
            "scheduledAt": from_now(SOON) });
        let made = server.post(&body.to_string()).json();
        server.kill();
        after(SOON);
        let server = start(&data, settings);
        let post = text(&made["results"][0], "postId").to_owned();
        let read = || server.get(&format!("/v1/posts/{post}")).json();
        until("it ends", || matches!(text(&read(), "status"), "published" | "failed"));
        let events = server.get("/v1/events").json();
        let ends = rows(&events).iter().filter(|one| one["data"]["id"] == *post);
        let ends: Vec<String> = ends.map(|one| text(one, "type").to_owned()).collect();
        (read(), landed(&data, &post), ends)
    };
    let (late, landings, ends) = overslept(&[]);
    assert_eq!((text(&late, "status"), landings), ("published", 1), "{late}");
    assert!(late["latenessMs"].as_u64().is_some_and(|ms| ms > 0), "{late}");
    assert_eq!(ends, ["post.queued", "post.published"]);
    let (missed, landings, ends) = overslept(&["scheduling.max_lateness_ms=0"]);
    assert_eq!((text(&missed, "status"), landings), ("failed", 0), "{missed}");
    assert_eq!(missed["error"]["rule"], "schedule.missed");
    assert_eq!(ends, ["post.queued", "post.failed"]);
}

/// T13: the media, the comment and the options of a scheduled post are not lost on the way.
#[test]
fn a_scheduled_post_goes_out_with_all_that_it_was_given() {
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\
                       awAAAABJRU5ErkJggg==";
    let (_folder, server) = house(&[]);
    let publish = |said: &str, scheduled: bool| {
        let options = json!({ "platform": "sandbox", "class": "readable", "latencyMs": 50 });
        let mut body = json!({
            "targets": [{ "platform": "sandbox", "options": options }],
            "text": said,
            "media": [{ "kind": "image", "bytesBase64": PNG, "altText": "a pixel" }],
            "firstComment": { "text": "under it" },
        });
        if scheduled {
            body["scheduledAt"] = json!(from_now(SOON));
        }
        let made = server.post(&body.to_string()).json();
        let post = text(&made["results"][0], "postId").to_owned();
        let path = format!("/v1/posts/{post}");
        until("it goes out", || server.get(&path).json()["status"] == "published");
        post
    };
    let posts = [publish("now", false), publish("later", true)];
    let [now, later] = posts.map(|post| {
        let all = landings(&server.data).into_iter();
        let mut own: Vec<Value> =
            all.filter(|one| one["post"] == *post || one["postId"] == *post).collect();
        for landing in &mut own {
            // What differs between two posts, whenever they go out.
            let members = landing.as_object_mut().expect("an object");
            members.retain(|name, _| ["kind", "media", "class", "key"].contains(&name.as_str()));
        }
        own
    });
    assert_eq!(now.len(), 2, "the post and its comment: {now:?}");
    assert!(now[0]["media"].to_string().contains("a pixel"), "{now:?}");
    assert_eq!(later, now, "a scheduled post is no lesser one");
}

/// T25: a target that fails before anything is sent is told of like any other.
#[test]
fn every_end_is_told_and_once() {
    let (_folder, server) = house(&[]);
    let upload = json!({ "targets": [{ "platform": "sandbox" }], "text": "x",
        "media": [{ "kind": "image", "mediaId": "med_0123456789abcdefABCDEF" }] });
    let made = server.post(&upload.to_string()).json();
    let result = &made["results"][0];
    assert_eq!(result["error"]["rule"], "media.unknown", "{made}");
    let account = server.get("/v1/accounts").json();
    let account = text(&rows(&account)[0], "id").to_owned();
    let waiting = json!({ "targets": [{ "accountId": account }], "text": "x",
        "scheduledAt": from_now(Duration::from_secs(3_600)) });
    let waiting = server.post(&waiting.to_string()).json();
    let removed = server.send("DELETE", &format!("/v1/accounts/{account}"), &[], b"");
    assert_eq!(removed.status, 200);
    let events = server.get("/v1/events").json();
    let told: Vec<(&str, &Value)> =
        rows(&events).iter().map(|one| (text(one, "type"), &one["data"]["id"])).collect();
    let waiting = &waiting["results"][0]["postId"];
    let failed = ("post.failed", &result["postId"]);
    assert_eq!(told, [failed, ("post.queued", waiting), ("post.canceled", waiting)]);
}

/// T36: neither a key nor the media sent inline stand in what is kept, and no list gives either.
#[test]
fn what_was_shown_once_is_nowhere_kept() {
    let (_folder, server) = house(&[]);
    let claim = [("Idempotency-Key", "k")];
    let made = server.send("POST", "/v1/api-keys", &claim, br#"{"name":"k"}"#);
    let again = server.send("POST", "/v1/api-keys", &claim, br#"{"name":"k"}"#);
    assert_eq!((made.status, &made.body), (201, &again.body), "and it can be repeated");
    let key = text(&made.json(), "key").to_owned();
    let works = send(&server.base, Some(&key), "GET", "/v1/posts", &[], b"").expect("heard");
    assert_eq!(works.status, 200);
    let pixel = STANDARD.encode([0x89, b'P', b'N', b'G', 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x",
        "media": [{ "kind": "image", "bytesBase64": pixel }] });
    server.post(&body.to_string());
    let listed = server.get("/v1/posts");
    assert_eq!(rows(&listed.json()).len(), 1);
    assert!(!String::from_utf8_lossy(&listed.body).contains(&pixel));
    let mut files = vec![server.data.clone()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("readable");
            files.extend(inside.map(|entry| entry.expect("readable").path()));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let plain = bytes.windows(key.len()).any(|part| part == key.as_bytes());
            assert!(!plain, "{}", path.display());
        }
    }
}

/// T41: no switch opens the addresses that give away a machine's credentials.
#[test]
fn metadata_addresses_stay_closed_whatever_is_allowed() {
    let (_folder, server) = house(&[]);
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
    ] {
        let body = json!({ "url": url }).to_string();
        let made = server.send("POST", "/v1/webhook-endpoints", &[], body.as_bytes()).json();
        let path = format!("/v1/webhook-endpoints/{}/test", text(&made, "id"));
        let tested = server.send("POST", &path, &[], b"").json();
        assert_eq!((&tested["delivered"], &tested["responseBody"]), (&json!(false), &Value::Null));
        assert_eq!(tested["errorName"], "SsrfBlockedError", "{url}");
    }
}
