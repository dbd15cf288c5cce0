//! Posts with attachments: where the bytes come from, and that they stay what they were.

mod support;
#[path = "support/files.rs"]
mod files;

use std::time::Duration;

use base64::Engine as _;
use files::Files;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use support::{Answer, Server, from_now, landings, start, until};

/// A picture that is told from others by its last byte.
fn picture(n: u8) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0".to_vec();
    png.push(n);
    png
}

fn hash(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn server(settings: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), settings);
    (folder, server)
}

fn open() -> (tempfile::TempDir, Server) {
    server(&["media.allow_private=true"])
}

fn upload_to(server: &Server, query: &str, bytes: &[u8]) -> String {
    let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let body = [head.as_bytes(), bytes, b"\r\n--B--\r\n"].concat();
    let kind = [("Content-Type", "multipart/form-data; boundary=B")];
    let made = server.send("POST", &format!("/v1/media{query}"), &kind, &body);
    assert_eq!(made.status, 201, "{:?}", made.json());
    made.json()["id"].as_str().expect("an id").to_owned()
}

fn upload(server: &Server, bytes: &[u8]) -> String {
    upload_to(server, "", bytes)
}

fn post(server: &Server, targets: usize, media: &Value) -> Value {
    let targets: Vec<Value> = (0..targets)
        .map(|n| json!({ "platform": "sandbox", "text": format!("post {n}") }))
        .collect();
    let answer = server.post(&json!({ "targets": targets, "media": media }).to_string());
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()
}

fn image(source: &str, value: &str) -> Value {
    json!({ "kind": "image", source: value })
}

fn rule(batch: &Value) -> (&str, &str, &str) {
    let result = &batch["results"][0];
    let text = |value: &'static str| result["error"][value].as_str().unwrap_or_default();
    (result["status"].as_str().expect("a status"), text("code"), text("rule"))
}

/// A post for an hour from now.
fn later(server: &Server, media: &Value) -> Answer {
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x", "media": media,
        "scheduledAt": from_now(Duration::from_secs(3_600)) });
    server.post(&body.to_string())
}

fn landed_media(server: &Server) -> Vec<String> {
    let all = landings(&server.data);
    let mut media: Vec<String> = all
        .iter()
        .flat_map(|one| one["media"].as_array().expect("a list").clone())
        .map(|item| {
            let text = item.as_str().or(item["ref"].as_str());
            text.unwrap_or_else(|| panic!("no reference in {item}")).to_owned()
        })
        .collect();
    media.sort();
    media
}

#[test]
fn the_three_sources_go_out_in_one_post() {
    let (_folder, server) = open();
    let files = Files::answering(|_, _| (200, "content-type: text/html\r\n".into(), picture(2)));
    let id = upload(&server, &picture(1));
    let media = json!([
        image("mediaId", &id),
        image("url", &format!("{}/a.png", files.base)),
        image("bytesBase64", &base64(&picture(3))),
    ]);
    let batch = post(&server, 1, &media);
    assert_eq!(batch["status"], "published", "{batch}");
    let mut expected = [1, 2, 3].map(|n| hash(&picture(n)));
    expected.sort();
    assert_eq!(landed_media(&server), expected);
}

#[test]
fn an_address_is_fetched_once_for_all_targets() {
    let (_folder, server) = open();
    // Whoever asks twice gets other bytes.
    let files = Files::closed(|_, nth| picture(u8::try_from(nth).expect("few")));
    let url = format!("{}/a.png", files.base);
    let batch = std::thread::scope(|scope| {
        let posting = scope.spawn(|| post(&server, 3, &json!([image("url", &url)])));
        until("it is asked for", || files.count("/a.png") == 1);
        files.open();
        posting.join().expect("published")
    });
    assert_eq!(batch["status"], "published", "{batch}");
    assert_eq!(files.count("/a.png"), 1);
    assert_eq!(landed_media(&server), vec![hash(&picture(0)); 3]);
    // Another batch asks for itself.
    files.open();
    post(&server, 1, &json!([image("url", &url)]));
    assert_eq!(files.count("/a.png"), 2);
}

#[test]
fn an_address_is_fetched_once_also_when_targets_come_one_after_the_other() {
    let (_folder, server) = server(&["media.allow_private=true", "engine.slots_max=1"]);
    let files =
        Files::answering(|_, nth| (200, String::new(), picture(u8::try_from(nth).expect("few"))));
    let url = format!("{}/a.png", files.base);
    let batch = post(&server, 3, &json!([image("url", &url)]));
    assert_eq!(batch["status"], "published", "{batch}");
    assert_eq!(files.count("/a.png"), 1);
    assert_eq!(landed_media(&server), vec![hash(&picture(0)); 3]);
}

#[test]
fn a_fetch_that_fails_is_tried_again_and_each_refusal_has_its_rule() {
    let (_folder, server) = open();
    let files = Files::answering(|path, nth| match (path, nth) {
        ("/shaky.png", 0) => (503, String::new(), Vec::new()),
        ("/shaky.png", _) => (200, String::new(), picture(1)),
        ("/round.png", _) => (302, "location: /round.png\r\n".into(), Vec::new()),
        ("/file.png", _) => (302, "location: file:///etc/passwd\r\n".into(), Vec::new()),
        ("/text.png", _) => (200, String::new(), b"text".to_vec()),
        _ => (404, String::new(), Vec::new()),
    });
    let publish =
        |path: &str| post(&server, 1, &json!([image("url", &format!("{}{path}", files.base))]));
    assert_eq!(publish("/shaky.png")["status"], "published");
    assert_eq!(files.count("/shaky.png"), 2);
    for (path, expected) in [
        ("/round.png", "media.url.redirects_max"),
        ("/file.png", "media.url.invalid"),
        ("/none.png", "media.reachable"),
        ("/text.png", "sandbox.media.mime_allowed"),
    ] {
        let batch = publish(path);
        assert_eq!(rule(&batch).2, expected, "{batch}");
    }
    let (_folder, closed) = server_without_private();
    let batch = post(&closed, 1, &json!([image("url", &format!("{}/a.png", files.base))]));
    assert_eq!(rule(&batch).2, "media.url.private_address", "{batch}");
}

#[test]
fn a_deep_check_finds_what_publishing_would_and_publishes_nothing() {
    let (_folder, server) = open();
    let files = Files::answering(|path, _| match path {
        "/a.png" => (200, String::new(), picture(1)),
        "/text.png" => (200, String::new(), b"text".to_vec()),
        _ => (404, String::new(), Vec::new()),
    });
    let url = |path: &str| json!([image("url", &format!("{}{path}", files.base))]);
    let kept = json!([
        image("bytesBase64", &base64(&picture(2))),
        image("mediaId", &upload(&server, b"text"))
    ]);
    let target = |media: &Value, n: u8| {
        let text = n.to_string();
        json!({ "platform": "sandbox", "text": text, "media": media })
    };
    let mut body = json!({ "targets": [
        target(&url("/a.png"), 0), target(&url("/a.png"), 1), target(&url("/none.png"), 2),
        target(&url("/text.png"), 3), target(&kept, 4),
    ] });
    let check = |body: &Value| {
        let answer = server.send("POST", "/v1/posts/validate", &[], body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        let checked = answer.json();
        let of = |target: &Value| {
            let errors = target["errors"].as_array().expect("errors");
            errors.iter().map(|one| one["rule"].as_str().expect("a rule").to_owned()).collect()
        };
        let rules: Vec<Vec<String>> =
            checked["targets"].as_array().expect("targets").iter().map(of).collect();
        (checked["valid"] == true, rules.concat())
    };
    assert_eq!(check(&body), (true, Vec::new()), "nothing is fetched unasked");
    assert_eq!(files.count("/a.png"), 0);
    body["deep"] = json!(true);
    let mime = "sandbox.media.mime_allowed".to_owned();
    assert_eq!(check(&body), (false, vec!["media.reachable".into(), mime.clone(), mime]));
    assert_eq!(files.count("/a.png"), 1);
    body["targets"] = json!([target(&url("/a.png"), 0)]);
    assert_eq!(check(&body), (true, Vec::new()));
    assert_eq!(server.get("/v1/posts").json()["data"], json!([]));
}

fn server_without_private() -> (tempfile::TempDir, Server) {
    server(&[])
}

#[test]
fn an_upload_is_for_the_accounts_of_its_profile() {
    let (_folder, server) = open();
    let profile = server.send("POST", "/v1/profiles", &[], br#"{"name":"Other"}"#).json();
    let query = format!("?profileId={}", profile["id"].as_str().expect("an id"));
    let theirs = upload_to(&server, &query, &picture(1));
    for id in [theirs.as_str(), "med_0123456789abcdefABCDEF"] {
        let media = json!([image("mediaId", id)]);
        let batch = post(&server, 1, &media);
        assert_eq!(rule(&batch), ("failed", "not_found", "media.unknown"), "{batch}");
        let refused = later(&server, &media);
        assert_eq!((refused.status, refused.rule().as_str()), (400, "media.unknown"));
    }
    assert!(landings(&server.data).is_empty());
}

#[test]
fn an_upload_that_a_queued_post_needs_stays() {
    let (_folder, server) = open();
    let id = upload(&server, &picture(1));
    let queued = later(&server, &json!([image("mediaId", &id)]));
    assert_eq!(queued.status, 202, "{:?}", queued.json());
    let path = format!("/v1/media/{id}");
    let delete = || server.send("DELETE", &path, &[], b"");
    let refused = delete();
    assert_eq!((refused.status, refused.rule().as_str()), (409, "media.in_use"));
    let post = queued.json()["results"][0]["postId"].as_str().expect("an id").to_owned();
    // With other media the upload is free, and then needed again.
    let edit = |media: &Value| {
        let body = json!({ "media": media }).to_string();
        let edited = server.send("PATCH", &format!("/v1/posts/{post}"), &[], body.as_bytes());
        assert_eq!(edited.status, 200, "{:?}", edited.json());
    };
    edit(&json!([image("bytesBase64", &base64(&picture(2)))]));
    edit(&json!([image("mediaId", &id)]));
    assert_eq!(delete().status, 409);
    assert_eq!(server.send("DELETE", &format!("/v1/posts/{post}"), &[], b"").status, 200);
    assert_eq!(delete().status, 200, "the post has settled");
}

#[test]
fn a_queued_post_takes_media_inline_when_it_is_edited() {
    let (_folder, server) = open();
    let queued = later(&server, &json!([]));
    let post = queued.json()["results"][0]["postId"].as_str().expect("an id").to_owned();
    let media = json!([image("bytesBase64", &base64(&picture(7)))]);
    let soon = from_now(Duration::from_secs(2));
    let body = json!({ "media": media, "scheduledAt": soon }).to_string();
    let edited = server.send("PATCH", &format!("/v1/posts/{post}"), &[], body.as_bytes());
    assert_eq!(edited.status, 200, "{:?}", edited.json());
    until("it goes out", || !landings(&server.data).is_empty());
    assert_eq!(landed_media(&server), [hash(&picture(7))]);
}
