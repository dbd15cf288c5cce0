//! What hostile paths and values lead to: an envelope, and never a file, a header or a 500.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, read_answer, send};
use crate::{COMPLETE, House, from_now, refused, text, to_sandbox};

/// What is put in the place of an id.
const TRICKS: [&str; 24] = [
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fsecret-key",
    "..%2F..%2F..%2F..%2Fetc%2Fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..%5csecret-key",
    "..\\secret-key",
    "%252e%252e%252fsecret-key",
    "..;",
    "..%c0%af..%c0%afsecret-key",
    "%00",
    "secret-key%00.png",
    "%0d%0aSet-Cookie:%20a=b",
    "%",
    "%zz",
    "%ff%fe",
    "%e2%80%ae",
    "\u{fc}n\u{ef}c\u{f6}de",
    "\u{ff0e}\u{ff0e}\u{2215}secret-key",
    "*",
    "'%20or%201=1--",
    "<script>",
    "{id}",
];

/// What the server keeps in files and no answer may hold.
fn kept_to_itself(house: &House) -> Vec<Vec<u8>> {
    ["secret-key", "initial-key"]
        .map(|name| std::fs::read(house.server.data.join(name)).expect("it is there"))
        .map(|bytes| bytes.trim_ascii().to_vec())
        .to_vec()
}

/// Sends a path as it is.
fn raw(house: &House, method: &str, path: &str) -> Answer {
    let host = house.server.base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host).expect("a connection");
    let key = &house.server.key;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
         connection: close\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(head.as_bytes()).expect("it is taken");
    read_answer(&mut stream).expect("an answer")
}

/// Every operation with a parameter in its path.
fn operations(house: &House) -> Vec<(String, String)> {
    let described = house.good("GET /openapi.json", &Value::Null);
    let paths = described["paths"].as_object().expect("paths");
    let named = paths.iter().filter(|(path, _)| path.contains('{'));
    let methods = ["get", "post", "patch", "delete"];
    named
        .flat_map(|(path, operations)| {
            let there = methods.into_iter().filter(|method| operations.get(method).is_some());
            there.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect()
}

/// A path with `trick` for each of its parameters.
fn tricked(path: &str, trick: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { trick } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn no_path_leads_to_a_file_or_to_a_mistake() {
    let house = House::open(&["rate_limit.points=100000"]);
    let secrets = kept_to_itself(&house);
    let operations = operations(&house);
    assert!(operations.len() >= 25, "{operations:?}");
    let long = "a".repeat(8_000);
    let digits = "9".repeat(300);
    for (method, path) in &operations {
        for trick in TRICKS.into_iter().chain([long.as_str(), digits.as_str()]) {
            let asked = tricked(path, trick);
            let answer = raw(&house, method, &asked);
            let about = format!("{method} {asked}: {}", String::from_utf8_lossy(&answer.body));
            assert!([400, 403, 404].contains(&answer.status), "{} {about}", answer.status);
            refused(&answer, answer.status, &answer.rule(), &about);
            for secret in &secrets {
                let there = answer.body.windows(secret.len()).any(|part| part == secret);
                assert!(!there, "{about}");
            }
            // One head, in which nothing of the path is.
            assert_eq!(answer.header("set-cookie"), None, "{about}");
            assert!(answer.head.len() < 2_000 && answer.body.len() < 10_000, "{about}");
            // Only an address of an upload is refused for its signature, before its name is read.
            assert!(answer.status != 403 || path.starts_with("/media/"), "{about}");
        }
    }
    // The files of the data folder are nowhere, whichever way one walks to them.
    for path in [
        "/secret-key",
        "/../secret-key",
        "/%2e%2e/secret-key",
        "/data/secret-key",
        "/.git/config",
        "//etc/passwd",
        "/media/../../secret-key",
        "/v1/../secret-key",
        "/openapi.json/../secret-key",
        "/errors/../../secret-key",
        "http://e.org/secret-key",
    ] {
        refused(&raw(&house, "GET", path), 404, "http.route", path);
    }
    assert_eq!(house.ask("GET /v1/accounts", &Value::Null).status, 200, "it still serves");
}

/// Nobody gets a line of their own into a head of ours, or into one that we send to others.
#[test]
fn what_is_sent_is_never_a_header_of_its_own() {
    let house = House::open(&[]);
    let split = |answer: &Answer, about: &str| {
        for name in ["x-evil", "set-cookie"] {
            assert_eq!(answer.header(name), None, "{about}: {}", answer.head);
        }
        assert!(answer.status < 500, "{about}");
    };
    // A lone CR, LF or NUL in a header is no request at all; a folded line is none either.
    let host = house.server.base.strip_prefix("http://").expect("plain HTTP");
    for name in ["idempotency-key", "x-request-id", "origin", "authorization", "range"] {
        for value in ["a\rx-evil: 1", "a\0b", "a\r\r\nx: 1", "a\r\n x-evil: 1"] {
            let mut stream = TcpStream::connect(host).expect("a connection");
            let head = format!(
                "GET /v1/posts HTTP/1.1\r\nhost: {host}\r\n{name}: {value}\r\n\
                 connection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).expect("it is taken");
            let mut said = String::new();
            stream.read_to_string(&mut said).expect("text");
            let about = format!("{name}: {value:?}: {said}");
            assert!(said.starts_with("HTTP/1.1 400 "), "{about}");
            assert!(said.contains("http.malformed") && !said.contains("x-evil"), "{about}");
        }
    }
    // What a value may hold is echoed as it is; percent signs stay percent signs.
    for key in ["%0d%0ax-evil: 1", "\\r\\nx-evil: 1", "k\u{85}x-evil: 1", "k\u{2028}x-evil: 1"] {
        let answer = house.ask_with(
            &house.server.key,
            "POST /v1/posts",
            &[("Idempotency-Key", key), ("X-Request-Id", key), ("Origin", key)],
            &to_sandbox(key),
        );
        assert_eq!(answer.header("idempotency-key"), Some(key), "{}", answer.head);
        assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
        assert_eq!(answer.header("access-control-allow-origin"), None, "{key:?}");
        split(&answer, key);
    }
    // Where JSON can carry a line end, what becomes of it carries none.
    for evil in ["a\r\nx-evil: 1\r\n\r\n", "a\nSet-Cookie: a=b", "a\0b"] {
        let url = format!("http://127.0.0.1:9/{evil}");
        let made = house.ask("POST /v1/webhook-endpoints", &json!({ "url": url }));
        split(&made, "a webhook's address");
        if made.status == 201 {
            let id = made.json();
            let test = format!("POST /v1/webhook-endpoints/{}/test", text(&id, "id"));
            split(&house.ask(&test, &Value::Null), "its delivery");
        }
        let named = house.ask(COMPLETE, &json!({ "name": evil }));
        split(&named, "an account's name");
        let body = json!({ "targets": [{ "platform": "sandbox" }], "text": evil,
            "scheduledAt": from_now(crate::DAY), "title": evil });
        split(&house.ask("POST /v1/posts", &body), "a post");
        let body = json!({ "returnTo": format!("https://e.org/{evil}") });
        split(&house.ask("POST /v1/accounts/connect/twitter", &body), "a way back");
    }
}

/// What an upload calls itself becomes a header of its file: one that is sound, or a plain one.
#[test]
fn an_upload_names_its_kind_and_nothing_else() {
    let house = House::open(&[]);
    for (declared, served) in [
        ("text/plain", "text/plain"),
        ("text/html", "text/html"),
        ("text/plain\rx-evil: 1", "application/octet-stream"),
        ("text/plain\r\n x-evil: 1", "application/octet-stream"),
        ("text/plain\0", "application/octet-stream"),
        ("text/plain; x=\"\u{fc}\"", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
    ] {
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; \
             filename=\"..%2f..\\\"x.html\"\r\ncontent-type: {declared}\r\n\r\n<b>x\r\n--b--\r\n"
        );
        let kind = [("content-type", "multipart/form-data; boundary=b")];
        let base = &house.server.base;
        let key = Some(house.server.key.as_str());
        let made = send(base, key, "POST", "/v1/media", &kind, body.as_bytes()).expect("heard");
        if made.status != 201 {
            refused(&made, 400, &made.rule(), declared);
            continue;
        }
        let made = made.json();
        let path = text(&made, "url").strip_prefix(base.as_str()).expect("ours").to_owned();
        let file = send(base, None, "GET", &path, &[], b"").expect("heard");
        assert_eq!((file.status, file.body.as_slice()), (200, b"<b>x".as_slice()), "{declared:?}");
        let head = &file.head;
        assert_eq!(file.header("content-type"), Some(served), "{declared:?}: {head}");
        assert_eq!(file.header("x-evil"), None, "{declared:?}: {head}");
        // Whatever it is, a browser runs nothing of it and guesses nothing.
        assert_eq!(file.header("content-security-policy"), Some("sandbox"), "{head}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{head}");
        assert_eq!(file.header("content-disposition"), Some("inline"), "{head}");
    }
}
