//! Uploads over real sockets: kept, listed, fetched by anybody with an address, deleted.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};
use support::{Answer, Server, read_answer, send, start, until};

/// Signature and header of a PNG of 3 by 2 pixels.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";
const PNG_SHA256: &str = "7c58cf77d0f67776c9caaa28d9742d5a013bd9247b9be0f3e3f24fec74f337a1";

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["media.allow_private=true"]);
    (folder, server)
}

fn form(boundary: &str, kind: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
         Content-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

fn upload_to(server: &Server, path: &str, headers: &[(&str, &str)], bytes: &[u8]) -> Answer {
    let kind = ("Content-Type", "multipart/form-data; boundary=xYz");
    let headers = [&[kind], headers].concat();
    server.send("POST", path, &headers, &form("xYz", "text/Plain", bytes))
}

fn upload(server: &Server, bytes: &[u8]) -> Value {
    let answer = upload_to(server, "/v1/media", &[], bytes);
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    answer.json()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

/// What anybody gets who has the address of an upload.
fn fetch(server: &Server, method: &str, upload: &Value, headers: &[(&str, &str)]) -> Answer {
    let url = upload["url"].as_str().expect("a URL");
    let path = url.strip_prefix(&server.base).expect("an address of this server");
    send(&server.base, None, method, path, headers, b"").expect("an answer")
}

fn refused(answer: &Answer, status: u16, rule: &str) {
    assert_eq!((answer.status, answer.rule().as_str()), (status, rule), "{:?}", answer.json());
}

/// Files of uploads that are being written.
fn incoming(data: &Path) -> usize {
    std::fs::read_dir(data.join("media/incoming")).expect("a folder").count()
}

#[test]
fn an_upload_is_kept_listed_fetched_and_deleted() {
    let (_folder, server) = server();
    let made = upload(&server, PNG);
    let is_id = id(&made).len() == 26 && id(&made).starts_with("med_");
    assert!(is_id, "{made}");
    assert_eq!((&made["contentType"], &made["sizeBytes"]), (&json!("image/png"), &json!(29)));
    assert_eq!(made["sha256"], PNG_SHA256);
    assert!(made["createdAt"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')));
    let path = format!("/v1/media/{}", id(&made));
    assert_eq!(server.get(&path).json(), made, "an address stays the same for an hour");
    let list = server.get("/v1/media").json();
    assert_eq!(list, json!({ "data": [made], "nextCursor": null }));

    let whole = fetch(&server, "GET", &made, &[]);
    assert_eq!((whole.status, whole.body.as_slice()), (200, PNG));
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-length", "29"),
        ("content-disposition", "inline"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    assert!(whole.header("cache-control").is_some_and(|cache| cache.ends_with("immutable")));

    let deleted = server.send("DELETE", &path, &[], b"");
    assert_eq!(
        (deleted.status, deleted.json()),
        (200, json!({ "id": made["id"], "deleted": true }))
    );
    assert_eq!(server.send("DELETE", &path, &[], b"").status, 404);
    assert_eq!(server.get(&path).status, 404);
    assert_eq!(fetch(&server, "GET", &made, &[]).status, 404);
    assert_eq!(server.get("/v1/media").json()["data"], json!([]));
}

#[test]
fn an_address_serves_stretches_and_nothing_that_was_changed() {
    let (_folder, server) = server();
    let made = upload(&server, b"0123456789");
    assert_eq!(made["contentType"], "text/plain", "as declared, in lower case");
    let range = |range: &str| fetch(&server, "GET", &made, &[("Range", range)]);
    for (asked, told, body) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=3-5", "bytes 3-5/10", "345"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=0-99", "bytes 0-9/10", "0123456789"),
    ] {
        let got = range(asked);
        assert_eq!((got.status, got.header("content-range")), (206, Some(told)), "{asked}");
        assert_eq!(got.body, body.as_bytes(), "{asked}");
    }
    let beyond = range("bytes=10-");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(range("bytes=0-1,3-4").status, 200);

    let url = made["url"].as_str().expect("a URL");
    let path = url.strip_prefix(&server.base).expect("ours");
    let host = server.base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host).expect("a connection");
    let asked = format!("HEAD {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("it is taken");
    let mut head = String::new();
    stream.read_to_string(&mut head).expect("text");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    let anonymous =
        |path: &str| send(&server.base, None, "GET", path, &[], b"").expect("an answer");
    let (name, query) = path.split_once('?').expect("signed");
    for forged in [
        name.to_owned(),
        path.replace("exp=1", "exp=2"),
        path.replace(".bin?", ".png?"),
        format!("/media/med_0123456789abcdefABCDEF.bin?{query}"),
        format!("/media/..%2fsecret-key?{query}"),
        path[..path.len() - 1].to_owned(),
    ] {
        refused(&anonymous(&forged), 403, "media.link.signature");
    }
    assert_eq!(anonymous(&format!("/media/../secret-key?{query}")).status, 404);
    assert_eq!(anonymous(&format!("/v1/media/{}", id(&made))).status, 401);
}

#[test]
fn pages_lead_to_the_end_and_lose_nothing() {
    let (_folder, server) = server();
    let made: Vec<Value> = (0..5).map(|n: u8| upload(&server, &[n])).collect();
    let mut expected: Vec<(&str, &str)> =
        made.iter().map(|one| (one["createdAt"].as_str().expect("a time"), id(one))).collect();
    expected.sort();
    expected.reverse();
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = server.get(&format!("/v1/media?limit=2&cursor={cursor}")).json();
        let data = page["data"].as_array().expect("a list").clone();
        seen.extend(data.iter().map(|one| id(one).to_owned()));
        pages += 1;
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let expected: Vec<&str> = expected.iter().map(|(_, id)| *id).collect();
    assert_eq!((seen, pages), (expected.iter().map(|id| (*id).to_owned()).collect(), 3));
    let exact = server.get("/v1/media?limit=5").json();
    assert_eq!(exact["nextCursor"], Value::Null, "the last page says that it is");
    refused(&server.get("/v1/media?limit=0"), 400, "limit");
    let nobody = server.get("/v1/media?profileId=nonsense");
    assert_eq!((nobody.status, &nobody.json()["data"]), (200, &json!([])));
}

#[test]
fn an_equal_upload_under_its_key_is_one_upload() {
    let (_folder, server) = server();
    let send = |boundary: &str, kind: &str, bytes: &[u8]| {
        let form_kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [("Content-Type", form_kind.as_str()), ("Idempotency-Key", "k")];
        server.send("POST", "/v1/media", &headers, &form(boundary, kind, bytes))
    };
    let first = send("one", "a/b", b"bytes");
    let again = send("another", "a/b", b"bytes");
    assert_eq!((first.status, again.status, &first.body), (201, 201, &again.body));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("idempotency-key"), Some("k"));
    for (kind, bytes) in [("a/b", b"other".as_slice()), ("a/c", b"bytes")] {
        refused(&send("one", kind, bytes), 409, "idempotency_key.body_mismatch");
    }
    assert_eq!(server.get("/v1/media").json()["data"].as_array().map(Vec::len), Some(1));
    // The same key on another route is another key.
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x" }).to_string();
    assert_eq!(server.post_with_key("k", &body).expect("an answer").status, 200);
}

#[test]
fn a_profile_sees_its_own_uploads_and_no_others() {
    let (_folder, server) = server();
    let profile = server.send("POST", "/v1/profiles", &[], br#"{"name":"Other"}"#).json();
    let other = id(&profile).to_owned();
    let own = upload(&server, b"default");
    let into = format!("/v1/media?profileId={other}");
    let theirs = upload_to(&server, &into, &[], b"other").json();
    assert_eq!(theirs["profileId"], profile["id"]);
    assert_ne!(own["profileId"], profile["id"]);
    let body = json!({ "name": "limited", "profileId": other }).to_string();
    let key = server.send("POST", "/v1/api-keys", &[], body.as_bytes()).json();
    let key = key["key"].as_str().or(key["plaintext"].as_str()).expect("a key").to_owned();
    let limited = |method: &str, path: &str| {
        send(&server.base, Some(&key), method, path, &[], b"").expect("an answer")
    };
    let ids = |answer: &Answer| -> Vec<String> {
        let list = answer.json()["data"].as_array().expect("a list").clone();
        list.iter().map(|one| id(one).to_owned()).collect()
    };
    assert_eq!(ids(&limited("GET", "/v1/media")), [id(&theirs)]);
    assert_eq!(ids(&server.get(&into)), [id(&theirs)]);
    assert_eq!(ids(&server.get("/v1/media")).len(), 2);
    let hidden = format!("/v1/media/{}", id(&own));
    refused(&limited("GET", &hidden), 404, "api_key.profile_scope");
    refused(&limited("DELETE", &hidden), 404, "api_key.profile_scope");
    let elsewhere = format!("/v1/media?profileId={}", own["profileId"].as_str().expect("an id"));
    refused(&limited("GET", &elsewhere), 404, "api_key.profile_scope");
    refused(&limited("POST", &elsewhere), 404, "api_key.profile_scope");
    for unknown in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        let path = format!("/v1/media?profileId={unknown}");
        refused(&upload_to(&server, &path, &[], b"x"), 404, "profile.unknown");
    }
}

#[test]
fn what_does_not_hold_is_refused_and_leaves_nothing() {
    let (_folder, server) = server();
    let post =
        |kind: &str, body: &[u8]| server.send("POST", "/v1/media", &[("Content-Type", kind)], body);
    let whole = form("B", "a/b", b"bytes");
    let text = b"--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--B--\r\n";
    let form_b = "multipart/form-data; boundary=B";
    refused(&post("application/json", b"{}"), 400, "media.content_type");
    refused(&post(form_b, b""), 400, "media.empty_body");
    refused(&post(form_b, text), 400, "media.missing_file");
    refused(&post("multipart/form-data", &whole), 400, "media.parse_failed");
    refused(&post(form_b, &whole[..whole.len() - 9]), 400, "media.parse_failed");
    for path in ["/v1/media/..%2f..%2fsecret-key", "/v1/media/med_", "/v1/media/nonsense"] {
        assert_eq!(server.get(path).status, 404, "{path}");
        assert_eq!(server.send("DELETE", path, &[], b"").status, 404, "{path}");
    }
    assert_eq!(server.get("/v1/media").json()["data"], json!([]));
    assert_eq!(post("Multipart/Form-Data; boundary=B", &form("B", "a/b", b"")).status, 201);

    // Announced as too large: refused before a byte of it is sent.
    let host = server.base.strip_prefix("http://").expect("plain HTTP");
    let open = |length: u64| {
        let mut stream = TcpStream::connect(host).expect("a connection");
        let head = format!(
            "POST /v1/media HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             content-type: {form_b}\r\ncontent-length: {length}\r\n\r\n",
            server.key
        );
        stream.write_all(head.as_bytes()).expect("the head is taken");
        stream
    };
    refused(&read_answer(&mut open(300 << 20)).expect("an answer"), 413, "media.size_max");

    // Broken off in the middle of the file.
    let mut stream = open(1 << 20);
    stream.write_all(&whole[..whole.len() - 9]).expect("some of it is taken");
    stream.write_all(&[0; 65_536]).expect("some more is taken");
    until("the file is begun", || incoming(&server.data) == 1);
    drop(stream);
    until("what was written is gone", || incoming(&server.data) == 0);
    assert_eq!(server.get("/v1/media").json()["data"].as_array().map(Vec::len), Some(1));
}
