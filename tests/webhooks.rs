//! Webhooks over real sockets: the real binary and an endpoint that listens.

mod support;
#[path = "support/receiver.rs"]
mod receiver;

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use ring::hmac;
use serde_json::{Value, json};

use crate::receiver::{Heard, Receiver};
use crate::support::pinterest::Pinterest;
use crate::support::{Answer, Server, start, until};

const HOOKS: &str = "/v1/webhook-endpoints";
const REACH: &str = "webhooks.allow_private=true";
const TO_SANDBOX: &str = r#"{"targets":[{"platform":"sandbox"}],"text":"hi"}"#;

fn send(server: &Server, method: &str, path: &str, body: &Value) -> Answer {
    server.send(method, path, &[], body.to_string().as_bytes())
}

/// Makes an endpoint; gives its id and secret.
fn hook(server: &Server, url: &str, events: &[&str]) -> (String, String) {
    let made = send(server, "POST", HOOKS, &json!({ "url": url, "events": events }));
    assert_eq!(made.status, 201, "{}", made.json());
    let made = made.json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    (text("id"), text("signingSecret"))
}

fn signed(secret: &str, heard: &Heard) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, &heard.body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    heard.header("x-letmepost-signature") == format!("sha256={hex}")
}

/// A delivery that tries again soon: the waits of the built-in one, in milliseconds.
fn hasty(folder: &Path) -> String {
    let deliver = folder.join("hasty/deliver");
    std::fs::create_dir_all(&deliver).expect("room");
    let text = include_str!("../workflows/deliver/webhook.toml");
    let from = text.find("delays = [").expect("the waits");
    let to = text[from..].find(']').expect("their end") + from + 1;
    let text = format!("{}delays = [\"100ms\", \"100ms\"]{}", &text[..from], &text[to..]);
    std::fs::write(deliver.join("webhook.toml"), text).expect("room");
    format!("workflows.dir={}", folder.join("hasty").display())
}

#[test]
fn each_target_is_told_of_once_and_signed() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[REACH]);
    let receiver = Receiver::open();
    let (_, secret) = hook(&server, &format!("{}/all", receiver.base), &[]);
    hook(&server, &format!("{}/failed", receiver.base), &["post.failed"]);
    let request = [("X-Request-Id", "mine-1")];
    server.send("POST", "/v1/posts", &request, TO_SANDBOX.as_bytes());
    let refused = r#"{"targets":[{"platform":"sandbox","options":{"platform":"sandbox",
        "faults":["rejected"]}}],"text":"no"}"#;
    server.post(refused);
    let doubtful = r#"{"targets":[{"platform":"sandbox","options":{"platform":"sandbox",
        "class":"blind","faults":["timeout_after_send"]}}],"text":"who knows"}"#;
    server.post(doubtful);
    until("three are told", || receiver.on_path("/all").len() == 3);
    let heard = receiver.on_path("/all");
    assert!(heard.iter().all(|one| signed(&secret, one)));
    let kinds: Vec<String> = heard.iter().map(Heard::kind).collect();
    for kind in ["post.published", "post.rejected", "post.failed"] {
        assert_eq!(kinds.iter().filter(|known| *known == kind).count(), 1, "{kinds:?}");
    }
    let of = |kind: &str| heard.iter().find(|one| one.kind() == kind).expect("told").clone();
    let published = of("post.published");
    assert_eq!(published.header("x-letmepost-event"), "post.published");
    assert_eq!(published.header("x-letmepost-event-id"), published.id());
    assert_eq!(published.header("x-letmepost-request-id"), "mine-1");
    assert_eq!(published.header("webhook-id"), published.id());
    assert!(published.event()["data"]["uri"].is_string());
    let failed = of("post.failed").event();
    assert_eq!(failed["data"]["error"]["outcome"], "unknown");
    assert_eq!(failed["data"]["error"]["rule"], "sandbox.publish.outcome_unknown");
    until("the filter lets one through", || receiver.on_path("/failed").len() == 1);
}

#[test]
fn a_scheduled_post_tells_its_whole_life() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[REACH]);
    let receiver = Receiver::open();
    hook(&server, &format!("{}/", receiver.base), &[]);
    let body = r#"{"targets":[{"platform":"sandbox"}],"text":"later",
        "scheduledAt":"2027-11-01T12:00:00Z"}"#;
    let post = server.post(body).json()["results"][0]["postId"].as_str().expect("one").to_owned();
    let path = format!("/v1/posts/{post}");
    let patch = json!({ "text": "better", "scheduledAt": "2027-11-02T12:00:00Z" });
    assert_eq!(send(&server, "PATCH", &path, &patch).status, 200);
    assert_eq!(server.send("DELETE", &path, &[], b"").status, 200);
    let again = format!("{path}/retry");
    assert_eq!(server.send("POST", &again, &[], b"").status, 200);
    until("it is published", || server.get(&path).json()["status"] == "published");
    until("six are told", || receiver.heard().len() == 6);
    let events = server.get("/v1/events").json();
    let told: Vec<&str> = events["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["type"].as_str().expect("a type"))
        .collect();
    let expected = [
        "post.queued",
        "post.rescheduled",
        "post.updated",
        "post.canceled",
        "post.queued",
        "post.published",
    ];
    assert_eq!(told, expected);
    let data = |n: usize| &events["data"][n]["data"];
    assert_eq!(data(1)["previousScheduledAt"], "2027-11-01T12:00:00.000Z");
    assert_eq!(data(1)["scheduledAt"], "2027-11-02T12:00:00.000Z");
    assert_eq!(data(2)["changed"], json!(["text"]));
    assert!(data(3)["canceledAt"].is_string());
    let mut ids: Vec<String> = receiver.heard().iter().map(Heard::id).collect();
    ids.sort();
    let listed = events["data"].as_array().expect("a list").iter();
    let listed: Vec<&str> = listed.map(|event| event["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, listed, "what is delivered is what is listed, and ids grow");
    let rest = server.get(&format!("/v1/events?after={}&limit=2", listed[3])).json();
    assert_eq!(rest["data"][0]["id"], listed[4]);
    assert_eq!(rest["nextCursor"], Value::Null);
    let first = server.get("/v1/events?limit=2&type=post.queued,post.canceled").json();
    assert_eq!(first["data"][1]["type"], "post.canceled");
    assert_eq!(first["nextCursor"], listed[3]);
}

#[test]
fn an_account_whose_token_ends_soon_is_told_of_and_renewed_though_nobody_publishes() {
    let folder = tempfile::tempdir().expect("room");
    // Upkeep as it comes, but for looking every second.
    let upkeep = folder.path().join("often/upkeep");
    std::fs::create_dir_all(&upkeep).expect("room");
    let text = include_str!("../workflows/upkeep/refresh-credentials.toml");
    let often = text.replace("cron = \"30 * * * * *\"", "cron = \"* * * * * *\"");
    assert_ne!(often, text);
    std::fs::write(upkeep.join("refresh-credentials.toml"), often).expect("room");
    let pinterest = Pinterest::open(&[]);
    let mut settings = pinterest.settings();
    settings.push(format!("workflows.dir={}", folder.path().join("often").display()));
    settings.push(REACH.to_owned());
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = start(&folder.path().join("data"), &settings);
    let receiver = Receiver::open();
    let (_, secret) = hook(&server, &receiver.base, &["token.expiring", "token.revoked"]);
    pinterest.shorten_next(2);
    let connected = pinterest.connect(&server);
    assert_eq!(connected.status, 201, "{}", connected.json());
    let ends = connected.json()["tokenExpiresAt"].clone();
    until("it is renewed", || pinterest.count("POST /v5/oauth/token") == 2);
    until("it is told", || !receiver.heard().is_empty());
    let id = connected.json()["id"].as_str().expect("an id").to_owned();
    let shown = || server.get(&format!("/v1/accounts/{id}")).json()["tokenExpiresAt"].clone();
    until("it is kept", || shown() != ends);
    let heard = receiver.heard();
    let (event, kind) = (heard[0].event(), heard[0].kind());
    assert!(signed(&secret, &heard[0]));
    assert_eq!((kind.as_str(), heard.len()), ("token.expiring", 1), "{event}");
    let data = &event["data"];
    assert_eq!((&data["accountId"], &data["tokenExpiresAt"]), (&json!(id), &ends));
    let listed = server.get("/v1/events?type=token.expiring,token.revoked").json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
}

#[test]
fn an_endpoint_that_is_told_to_refuse_answers_whole() {
    let folder = tempfile::tempdir().expect("room");
    for status in [200_u16, 400, 404, 410, 500, 503] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args(["webhooks", "listen", "--address", "127.0.0.1:0", "--answer"]);
        command.arg(status.to_string()).current_dir(folder.path()).stdout(Stdio::piped());
        let mut listener = command.spawn().expect("the binary is built");
        let mut lines = BufReader::new(listener.stdout.take().expect("it is piped")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let said = line();
        let base = said.strip_prefix("listening on ").expect("where");
        let headers = [("X-Letmepost-Event", "post.published"), ("X-Request-Id", "mine-1")];
        let answer = support::send(base, None, "POST", "/", &headers, b"{\"n\":1}");
        let answer = answer.expect("it answers");
        assert_eq!((answer.status, answer.body.as_slice()), (status, b"{}".as_slice()));
        assert_eq!(answer.header("content-length"), Some("2"), "{}", answer.head);
        assert_eq!(answer.header("x-request-id"), Some("mine-1"), "{}", answer.head);
        assert_eq!(line(), "post.published {\"n\":1}");
        listener.kill().expect("it runs");
        listener.wait().expect("it ends");
    }
}

#[test]
fn what_fails_is_tried_again_under_the_same_event_and_then_given_up() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[REACH, &hasty(folder.path())]);
    let receiver = Receiver::answering(|path, nth| match (path, nth) {
        ("/wobbly", 0 | 1) => 503,
        ("/down", _) => 500,
        ("/moved", _) => 302,
        ("/wrong", _) => 404,
        ("/gone", _) => 410,
        _ => 200,
    });
    let names = ["wobbly", "down", "moved", "wrong", "gone"];
    let made = names.map(|name| hook(&server, &format!("{}/{name}", receiver.base), &[]).0);
    server.post(TO_SANDBOX);
    let log = |n: usize| server.get(&format!("{HOOKS}/{}/deliveries", made[n])).json();
    let count = |n: usize| log(n)["data"].as_array().map_or(0, Vec::len);
    until("all are done", || (0..5).map(count).collect::<Vec<_>>() == [3, 3, 3, 1, 1]);
    let wobbly = receiver.on_path("/wobbly");
    assert!(wobbly.iter().all(|one| one.id() == wobbly[0].id()), "one event");
    assert_ne!(
        wobbly[0].header("x-letmepost-delivery-id"),
        wobbly[1].header("x-letmepost-delivery-id"),
        "another delivery"
    );
    let newest = &log(0)["data"][0];
    assert_eq!((&newest["ok"], &newest["attempt"]), (&json!(true), &json!(3)));
    let failed = &log(1)["data"][2];
    assert_eq!((&failed["status"], &failed["responseBody"]), (&json!(500), &json!("oops")));
    let shown = |n: usize| server.get(&format!("{HOOKS}/{}", made[n])).json();
    assert_eq!(shown(0)["lastFailureReason"], Value::Null);
    assert!(shown(0)["lastDeliveryAt"].is_string());
    assert_eq!(shown(3)["lastFailureReason"], "the endpoint answered 404");
    assert_eq!((&shown(3)["active"], &shown(4)["active"]), (&json!(true), &json!(false)));
    // A page of the log at a time.
    let first = server.get(&format!("{HOOKS}/{}/deliveries?limit=2", made[1])).json();
    let cursor = first["nextCursor"].as_str().expect("more");
    let rest = server.get(&format!("{HOOKS}/{}/deliveries?limit=2&cursor={cursor}", made[1]));
    assert_eq!(rest.json()["data"][0]["attempt"], 1);
    assert_eq!(rest.json()["nextCursor"], Value::Null);
}

#[test]
fn a_receiver_that_was_down_gets_everything_after_a_kill_too() {
    let folder = tempfile::tempdir().expect("room");
    let data = folder.path().join("data");
    let settings = [REACH, &hasty(folder.path())];
    // Nobody listens there yet.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let server = start(&data, &settings);
    let (id, secret) = hook(&server, &format!("http://{address}/late"), &[]);
    for _ in 0..3 {
        server.post(TO_SANDBOX);
    }
    let deliveries = format!("{HOOKS}/{id}/deliveries");
    until("an attempt failed", || {
        server.get(&deliveries).json()["data"][0]["errorName"] == "TypeError"
    });
    let events = server.get("/v1/events").json();
    server.kill();
    let server = start(&data, &settings);
    until("it was given up", || {
        let log = server.get(&deliveries).json();
        log["data"].as_array().is_some_and(|log| log.len() >= 9)
    });
    let receiver = Receiver::on(TcpListener::bind(address).expect("the same port"), |_, _| 200);
    let all = send(&server, "POST", &format!("{HOOKS}/{id}/redeliver"), &json!({ "after": null }));
    assert_eq!((all.status, all.rule()), (400, "after".to_owned()));
    let after = events["data"][0]["id"].as_str().expect("an id");
    let asked = json!({ "after": after });
    let range = send(&server, "POST", &format!("{HOOKS}/{id}/redeliver"), &asked);
    assert_eq!(range.json(), json!({ "redelivered": 2, "nextAfter": null }));
    let one = json!({ "eventId": after });
    let one = send(&server, "POST", &format!("{HOOKS}/{id}/redeliver"), &one);
    assert_eq!(one.json()["redelivered"], 1);
    until("all three arrive", || receiver.heard().len() == 3);
    let mut ids: Vec<String> = receiver.heard().iter().map(Heard::id).collect();
    ids.sort();
    let known = events["data"].as_array().expect("a list").iter();
    let known: Vec<&str> = known.map(|event| event["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, known, "the same ids as before the kill");
    assert!(receiver.heard().iter().all(|heard| signed(&secret, heard)));
    let none = json!({ "eventId": "evt_00000000000000000000000000" });
    let none = send(&server, "POST", &format!("{HOOKS}/{id}/redeliver"), &none);
    assert_eq!((none.status, none.rule()), (404, "event.unknown".to_owned()));
}

#[test]
fn a_slow_endpoint_delays_nobody_else() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[REACH]);
    let receiver = Receiver::answering(|path, _| if path == "/never" { 0 } else { 200 });
    hook(&server, &format!("{}/never", receiver.base), &[]);
    hook(&server, &format!("{}/quick", receiver.base), &[]);
    // More than the slow one has slots for.
    for _ in 0..30 {
        server.post(TO_SANDBOX);
    }
    until("the quick one has heard all", || receiver.on_path("/quick").len() == 30);
    let waiting = receiver.on_path("/never").len();
    assert!(waiting <= 8, "{waiting} at once");
}

#[test]
fn endpoints_are_made_changed_tested_and_removed() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[REACH]);
    let receiver = Receiver::answering(|path, _| if path == "/broken" { 500 } else { 200 });
    for (body, rule) in [
        (json!({}), "url"),
        (json!({ "url": "ftp://e.org/a" }), "url"),
        (json!({ "url": "https://e.org", "events": null }), "events"),
        (json!({ "url": "https://e.org", "events": ["post.queued", "x"] }), "events.1"),
        (json!({ "url": "https://e.org", "description": "a".repeat(501) }), "description"),
        (json!([]), "body"),
    ] {
        let answer = send(&server, "POST", HOOKS, &body);
        assert_eq!((answer.status, answer.rule()), (400, rule.to_owned()), "{body}");
    }
    // A URL is echoed to the byte: clients compare texts.
    let url = format!("{}/Hook?a=%20b", receiver.base);
    let asked = json!({ "url": url, "events": ["post.failed", "post.failed"] }).to_string();
    let key = [("Idempotency-Key", "make-1")];
    let made = server.send("POST", HOOKS, &key, asked.as_bytes());
    let again = server.send("POST", HOOKS, &key, asked.as_bytes());
    assert_eq!((made.status, &made.body), (201, &again.body), "the same secret again");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let made = made.json();
    assert_eq!((&made["url"], &made["events"]), (&json!(url), &json!(["post.failed"])));
    let id = made["id"].as_str().expect("an id");
    let path = format!("{HOOKS}/{id}");
    assert_eq!(server.get(HOOKS).json()["data"].as_array().map(Vec::len), Some(1));
    assert!(server.get(&path).json()["signingSecret"].is_null(), "shown once");
    let patched = json!({ "url": format!("{}/broken", receiver.base), "description": "ours" });
    assert_eq!(send(&server, "PATCH", &path, &patched).json()["description"], "ours");
    let cleared = send(&server, "PATCH", &path, &json!({ "description": null }));
    assert_eq!(cleared.json()["description"], Value::Null);
    assert_eq!(send(&server, "PATCH", &path, &json!({ "unknown": 1 })).rule(), "body");
    let test = format!("{path}/test");
    let tested = server.send("POST", &test, &[], b"").json();
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(false), &json!(500)));
    assert_eq!(tested["responseBody"], "oops");
    let sent = receiver.on_path("/broken")[0].event();
    assert_eq!(tested["sentEvent"], sent);
    assert_eq!(sent["type"], "post.published");
    let wrong = send(&server, "POST", &test, &json!({ "type": "post.liked" }));
    assert_eq!((wrong.status, wrong.rule()), (400, "type".to_owned()));
    let own = json!({ "type": "token.revoked", "data": { "a": 1 } });
    assert_eq!(send(&server, "POST", &test, &own).json()["sentEvent"]["data"], json!({ "a": 1 }));
    let removed = server.send("DELETE", &path, &[], b"");
    assert_eq!(removed.json(), json!({ "id": id, "deleted": true }));
    assert_eq!(server.get(&path).status, 404);
    assert_eq!(server.get(&format!("{HOOKS}/nonsense")).status, 404);
}

#[test]
fn a_replaced_secret_goes_on_signing_beside_its_successor() {
    let folder = tempfile::tempdir().expect("room");
    let data = folder.path().join("data");
    let server = start(&data, &[REACH]);
    let receiver = Receiver::open();
    let (id, old) = hook(&server, &format!("{}/", receiver.base), &[]);
    let rotate = format!("{HOOKS}/{id}/rotate-secret");
    let new = server.send("POST", &rotate, &[("Idempotency-Key", "r")], b"").json();
    let new = new["signingSecret"].as_str().expect("a secret").to_owned();
    assert_ne!(old, new);
    server.post(TO_SANDBOX);
    until("it arrives", || receiver.heard().len() == 1);
    let heard = &receiver.heard()[0];
    assert!(signed(&new, heard));
    let key = hmac::Key::new(hmac::HMAC_SHA256, old.as_bytes());
    let tag = hmac::sign(&key, &heard.body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(heard.header("x-letmepost-signature-previous"), format!("sha256={hex}"));
    assert_eq!(heard.header("webhook-signature").split(' ').count(), 2);
    // Neither secret stands anywhere on disk as it is, the kept replies included.
    let mut files = vec![data];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("readable");
            files.extend(inside.map(|entry| entry.expect("readable").path()));
        } else if let Ok(bytes) = std::fs::read(&path) {
            for secret in [&old, &new] {
                let plain = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!plain, "{}", path.display());
            }
        }
    }
}

#[test]
fn what_must_not_be_reached_is_not_and_says_which_switch_opens_it() {
    let folder = tempfile::tempdir().expect("room");
    let server = start(&folder.path().join("data"), &[]);
    let receiver = Receiver::open();
    let (id, _) = hook(&server, &format!("{}/", receiver.base), &[]);
    let tested = server.send("POST", &format!("{HOOKS}/{id}/test"), &[], b"").json();
    assert_eq!((&tested["status"], &tested["errorName"]), (&json!(0), &json!("SsrfBlockedError")));
    server.post(TO_SANDBOX);
    until("the reason is shown", || {
        let shown = server.get(&format!("{HOOKS}/{id}")).json();
        let why = shown["lastFailureReason"].as_str().unwrap_or_default().to_owned();
        why.contains("webhooks.allow_private")
    });
    assert_eq!(receiver.heard().len(), 0);
}
