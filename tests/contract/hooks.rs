//! Section 13: what an endpoint may ask for, and what it is sent.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::until;
use crate::{House, refused, rows, text, to_sandbox};

const HOOKS: &str = "/v1/webhook-endpoints";
const NAMES: [&str; 19] = [
    "post.queued",
    "post.validated",
    "post.published",
    "post.rejected",
    "post.failed",
    "post.canceled",
    "post.rescheduled",
    "post.updated",
    "token.expiring",
    "token.revoked",
    "version.deprecated",
    "subscription.activated",
    "subscription.cancelled",
    "subscription.tier_changed",
    "quota.warning",
    "quota.exceeded",
    "billing.payment_failed",
    "billing.delinquent",
    "billing.recovered",
];

/// Answers every delivery with this body, and counts them.
fn endpoint(body: String) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (heard, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0; 1];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let _ = heard.send(String::from_utf8_lossy(&head).to_lowercase());
            let head = format!("HTTP/1.1 500 X\r\ncontent-length: {}\r\n", body.len());
            let _ = write!(stream, "{head}connection: close\r\n\r\n{body}");
            // What is still on its way is read, so that closing does not reset the answer.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    (url, hears)
}

#[test]
fn every_event_can_be_subscribed_to_and_no_other() {
    let house = House::open(&[]);
    let create = |body: &Value| house.ask(&format!("POST {HOOKS}"), body);
    let url = "http://127.0.0.1:9/hook";
    let all = create(&json!({ "url": url, "events": NAMES, "description": "d".repeat(500) }));
    assert_eq!((all.status, &all.json()["events"]), (201, &json!(NAMES)));
    let mut wrong = NAMES.to_vec();
    wrong.push("post.liked");
    for (body, rule) in [
        (json!({ "url": url, "events": wrong }), "events.19"),
        (json!({ "url": url, "events": null }), "events"),
        (json!({ "url": url, "events": "post.published" }), "events"),
        (json!({ "url": url, "description": "d".repeat(501) }), "description"),
        (json!({ "url": url, "description": null }), "description"),
        (json!({ "url": "ftp://127.0.0.1/" }), "url"),
        (json!({ "url": "/hook" }), "url"),
        (json!({ "url": "" }), "url"),
        (json!({ "url": null }), "url"),
    ] {
        refused(&create(&body), 400, rule, &body.to_string());
    }
    let twin = create(&json!({ "url": url }));
    assert_eq!(twin.status, 201, "several may share an address");
    let listed = house.good(&format!("GET {HOOKS}"), &Value::Null);
    let ids: Vec<&Value> = rows(&listed).iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&twin.json()["id"], &all.json()["id"]], "newest first");
    assert!(rows(&listed).iter().all(|one| one.get("signingSecret").is_none()));
}

#[test]
fn a_test_is_sent_whatever_the_endpoint_wants_and_its_answer_is_cut() {
    let house = House::open(&[]);
    let (url, hears) = endpoint("é".repeat(3_000));
    let asked = json!({ "url": url, "events": ["token.revoked"] });
    let made = house.good(&format!("POST {HOOKS}"), &asked);
    let path = format!("{HOOKS}/{}", text(&made, "id"));
    house.good(&format!("PATCH {path}"), &json!({ "active": false }));
    for name in NAMES {
        let key = house.server.key.clone();
        let mine = [("X-Request-Id", "mine")];
        let request = format!("POST {path}/test");
        let tested = house.ask_with(&key, &request, &mine, &json!({ "type": name })).json();
        assert_eq!((text(&tested["sentEvent"], "type"), &tested["status"]), (name, &json!(500)));
        let body = text(&tested, "responseBody");
        assert_eq!(body, format!("{}…[truncated]", "é".repeat(2_048)), "{name}");
        let head = hears.recv().expect("it was sent");
        assert!(head.contains(&format!("x-letmepost-event: {name}\r\n")), "{head}");
        let id = text(&tested["sentEvent"], "id");
        assert!(head.contains(&format!("x-letmepost-event-id: {}\r\n", id.to_lowercase())));
        assert!(!head.contains("x-letmepost-request-id"), "{head}");
        assert!(head.contains("x-letmepost-signature: sha256="), "{head}");
    }
}

#[test]
fn an_endpoint_that_is_off_misses_what_happens_meanwhile() {
    let house = House::open(&[]);
    let (url, hears) = endpoint(String::new());
    let made = house.good(&format!("POST {HOOKS}"), &json!({ "url": url }));
    let path = format!("{HOOKS}/{}", text(&made, "id"));
    house.good(&format!("PATCH {path}"), &json!({ "active": false }));
    house.good("POST /v1/posts", &to_sandbox("unheard"));
    house.good(&format!("PATCH {path}"), &json!({ "active": true }));
    let second = house.good("POST /v1/posts", &to_sandbox("heard"));
    until("it is told", || {
        let log = house.good(&format!("GET {path}/deliveries"), &Value::Null);
        !rows(&log).is_empty()
    });
    let events = house.good("GET /v1/events", &Value::Null);
    assert_eq!(rows(&events).len(), 2, "both happened");
    let log = house.good(&format!("GET {path}/deliveries"), &Value::Null);
    let told = &rows(&events)[1];
    assert_eq!(told["data"]["id"], second["results"][0]["postId"]);
    assert!(rows(&log).iter().all(|one| one["eventId"] == told["id"]), "{log}");
    assert!(hears.recv().is_ok_and(|head| head.contains(&text(told, "id").to_lowercase())));
}
