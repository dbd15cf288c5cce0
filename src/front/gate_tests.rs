//! The gate and the sandbox behind it, on real sockets.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::body::Bodies;
use super::drain::Drain;
use super::gate::{Api, Gate};
use super::house::{House, has, limits, ready, rest};
use super::mcp::Mcp;
use super::media_door::MediaDoor;
use super::openapi::Description;
use super::reply::{self, Words};
use super::sandbox::{Landings, SandboxDoor};
use crate::engine::{self, Health, Input};
use crate::media::{Media, MediaLinks};
use crate::model::{Millis, Now, Secret, Timestamp};
use crate::store::Memory;

fn now() -> Now {
    Arc::new(|| Timestamp::from_millis(1_700_000_000_000))
}

/// A door behind which there is no file.
fn no_files() -> MediaDoor {
    let folder = tempfile::tempdir().expect("a folder");
    let media = Media::open(folder.path().join("media"), Arc::new(|| 1)).expect("it opens");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[1; 32]);
    MediaDoor {
        links: MediaLinks::new(key, "http://localhost".to_owned()),
        media: Arc::new(media),
        store: Arc::new(Memory::new()),
    }
}

/// A gate whose API panics, and whose engine answers each question about its health with `health`.
fn gate(health: Option<Health>) -> House {
    let api: Api = Arc::new(|_| Box::pin(async { panic!("a mistake") }));
    with_api(health, api)
}

/// Nobody comes back from a platform.
fn nobody() -> Api {
    Arc::new(|_| Box::pin(async { panic!("nobody was sent to a platform") }))
}

fn with_api(health: Option<Health>, api: Api) -> House {
    House::open(limits(), move |words| {
        let (engine, mut mailbox) = engine::mailbox();
        tokio::spawn(async move {
            while let Some(input) = mailbox.inputs.recv().await {
                if let (Input::Health(ticket), Some(health)) = (input, health) {
                    let _ = ticket.send(health);
                }
            }
        });
        open(words, engine, None, api).into_service()
    })
}

fn open(
    words: Arc<Words>,
    engine: engine::Handle,
    sandbox: Option<Arc<SandboxDoor>>,
    api: Api,
) -> Gate {
    let description = Description::new(&words.links.base);
    let bodies = Bodies::new(1 << 20, 1 << 20, Millis(60_000));
    let mcp = Mcp::new(Arc::clone(&words), bodies, Arc::clone(&api), &description);
    let ready = ready(&engine);
    let (files, drain) = (no_files(), Arc::default());
    let (callback, meta) = (nobody(), nobody());
    Gate { words, engine, sandbox, files, ready, api, mcp, description, callback, meta, drain }
}

fn sandbox(dir: &std::path::Path) -> House {
    let landings = Landings::open(dir, now()).expect("a log");
    House::open(limits(), move |words| {
        let token = Secret::new("token");
        let door = SandboxDoor::new(landings, &token, "http://localhost", false);
        let (engine, _) = engine::mailbox();
        let api: Api = Arc::new(|_| Box::pin(async { reply::json(200, "{}") }));
        open(words, engine, Some(Arc::new(door)), api).into_service()
    })
}

fn healthy() -> Option<Health> {
    let last_turn = Timestamp::from_millis(0);
    Some(Health { last_turn, next_timer: None, running: 0, ready: 0, hot: 0 })
}

fn get(house: &House, path: &str) -> String {
    house.say(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
}

fn post(house: &House, token: &str, body: &Value) -> String {
    let body = body.to_string();
    let head = format!(
        "POST /sandbox/v1/posts HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    house.say(format!("{head}{body}").as_bytes())
}

fn body(text: &str) -> Value {
    let body = text.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn what_is_for_anybody_needs_no_key() {
    let house = gate(healthy());
    let health = get(&house, "/health");
    has(&health, &["HTTP/1.1 200", "x-request-id: req_", "x-ratelimit-limit: 6000"]);
    assert!(health.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{health}");
    let head = house.say(b"HEAD /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    has(&head, &["HTTP/1.1 200", "content-length: 15"]);
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(body(&get(&house, "/"))["name"], "Fanfare");
    for page in ["/errors", "/errors/not_found", "/preflight", "/preflight/targets-3-text"] {
        has(&get(&house, page), &["HTTP/1.1 200", "content-type: text/html", "vary: Accept"]);
        let head = format!("GET {page} HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n");
        let text = house.say(format!("{head}connection: close\r\n\r\n").as_bytes());
        has(&text, &["content-type: application/json"]);
        assert!(body(&text).is_object(), "{text}");
    }
    for nowhere in
        ["/nope", "/v1/nope", "/v1/posts/", "/errors/nope", "/preflight/nope", "/sandbox/v1/posts"]
    {
        has(&get(&house, nowhere), &["HTTP/1.1 404", "http.route", "\"requestId\":\"req_"]);
    }
}

#[test]
fn an_engine_that_is_gone_is_not_healthy() {
    let house = House::open(limits(), |words| {
        let (engine, _) = engine::mailbox();
        let api: Api = Arc::new(|_| Box::pin(async { reply::json(200, "{}") }));
        open(words, engine, None, api).into_service()
    });
    has(&get(&house, "/health"), &["HTTP/1.1 503", "unhealthy", "the engine did not answer"]);
}

#[test]
fn a_panic_is_a_500_and_the_connection_survives() {
    let house = gate(healthy());
    let text = house.say(
        b"GET /v1/posts HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\n\r\n\
          GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    has(&text, &["HTTP/1.1 500", "server.panic", "\"requestId\":\"mine\"", "HTTP/1.1 200"]);
}

#[test]
fn a_client_that_hangs_up_changes_nothing() {
    let (began, mut began_heard) = mpsc::unbounded_channel();
    let (ended, mut ended_heard) = mpsc::unbounded_channel();
    let (go, may_go) = watch::channel(false);
    let api: Api = Arc::new(move |_| {
        let (began, ended, mut go) = (began.clone(), ended.clone(), may_go.clone());
        Box::pin(async move {
            let _ = began.send(());
            let _ = go.wait_for(|go| *go).await;
            let _ = ended.send(());
            reply::json(200, "{}")
        })
    });
    let mut house = with_api(healthy(), api);
    let mut client = house.connect();
    client.write_all(b"POST /v1/posts HTTP/1.1\r\nhost: a\r\n\r\n").expect("open");
    began_heard.blocking_recv().expect("it began");
    client.shutdown(std::net::Shutdown::Both).expect("hang up");
    // The server has seen the end of the connection before the handler goes on.
    drop(client);
    has(&get(&house, "/health"), &["HTTP/1.1 200"]);
    go.send_replace(true);
    ended_heard.blocking_recv().expect("it went on to its end");
    assert_eq!(house.close(), 0);
}

#[test]
fn while_it_drains_the_api_is_closed_and_the_sandbox_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let landings = Landings::open(dir.path(), now()).expect("a log");
    let drain: Arc<Drain> = Arc::default();
    let shared = Arc::clone(&drain);
    let house = House::open(limits(), move |words| {
        let door = SandboxDoor::new(landings, &Secret::new("token"), "http://localhost", false);
        let (engine, _) = engine::mailbox();
        let api: Api = Arc::new(|_| Box::pin(async { reply::json(200, "{}") }));
        let sandbox = Some(Arc::new(door));
        Gate { drain: shared, ..open(words, engine, sandbox, api) }.into_service()
    });
    has(&get(&house, "/v1/posts"), &["HTTP/1.1 200"]);
    drain.begin();
    let text = house.say(b"GET /v1/posts HTTP/1.1\r\nhost: a\r\n\r\n");
    has(&text, &["HTTP/1.1 503", "server.stopping", "retry-after: 2", "connection: close"]);
    has(&get(&house, "/health"), &["HTTP/1.1 503", "the server is stopping"]);
    let ask = json!({"post": "post_1", "account": "a", "kind": "post"});
    has(&post(&house, "token", &ask), &["HTTP/1.1 200"]);
}

#[test]
fn the_sandbox_lands_once_a_key_and_shows_no_id_of_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let house = sandbox(dir.path());
    let ask = json!({
        "key": "post_1", "post": "post_1", "account": "tester", "kind": "post", "parent": null,
        "text": "hello \u{1f44b}", "media": [{"kind": "image", "ref": "ab", "altText": "a"}],
        "latencyMs": 1, "fault": null, "createdAt": "2026-05-16T12:00:00.000Z",
    });
    let first = body(&post(&house, "token", &ask));
    assert_eq!(first["uri"], "sandbox://tester/1");
    assert_eq!(first["url"], "http://localhost/sandbox/posts/1");
    assert_eq!(body(&post(&house, "token", &ask)), first);
    has(&post(&house, "other", &ask), &["HTTP/1.1 401", "unauthorized"]);
    let request = "GET /sandbox/v1/posts?account=tester&since=2020-01-01T00:00:00Z HTTP/1.1\r\n\
                   host: a\r\n\
                   authorization: Bearer token\r\nconnection: close\r\n\r\n";
    let text = house.say(request.as_bytes());
    assert!(!text.contains("post_1"), "{text}");
    let posts = &body(&text)["posts"];
    assert_eq!(posts.as_array().map(Vec::len), Some(1));
    assert_eq!(posts[0]["text"], "hello \u{1f44b}");
    assert_eq!(posts[0]["media"], 1);
    assert_eq!(posts[0]["uri"], first["uri"]);
    assert_eq!(posts[0]["kind"], "post");
}

#[test]
fn the_sandbox_suffers_what_it_is_asked_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let house = sandbox(dir.path());
    let ask = |fault: &str| {
        let post_id = format!("post_{fault}");
        let ask = json!({
            "key": null, "post": post_id, "account": "a", "kind": "post", "fault": fault,
        });
        post(&house, "token", &ask)
    };
    let landed = || std::fs::read_to_string(dir.path().join("landings.log")).expect("the log");
    has(&ask("rate_limited"), &["HTTP/1.1 429", "retry-after: 1"]);
    has(&ask("unavailable"), &["HTTP/1.1 503"]);
    has(&ask("rejected"), &["HTTP/1.1 422", "\"error\":\"rejected\""]);
    has(&ask("auth_expired"), &["HTTP/1.1 401", "auth_expired"]);
    has(&ask("crash_after_send"), &["HTTP/1.1 400", "sandbox.allow_crash"]);
    has(&ask("no_such_fault"), &["HTTP/1.1 400", "malformed"]);
    assert_eq!(landed(), "");
    assert_eq!(ask("timeout_after_send"), "");
    assert!(landed().contains("post_timeout_after_send"), "{}", landed());
    has(&ask("garbage"), &["HTTP/1.1 200", "<html>garbage"]);
    assert!(landed().contains("post_garbage"), "{}", landed());
}

#[test]
fn an_upload_is_answered_with_its_digest() {
    let dir = tempfile::tempdir().expect("a folder");
    let house = sandbox(dir.path());
    let mut client = house.connect();
    let head = "POST /sandbox/v1/uploads HTTP/1.1\r\nhost: a\r\nauthorization: Bearer token\r\n\
                connection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}1\r\na\r\n2\r\nbc\r\n0\r\n\r\n").as_bytes()).expect("open");
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    has(&rest(&mut client), &["HTTP/1.1 200", digest]);
    let huge = "POST /sandbox/v1/uploads HTTP/1.1\r\nhost: a\r\nauthorization: Bearer token\r\n\
                content-length: 104857601\r\n\r\n";
    has(&house.say(huge.as_bytes()), &["HTTP/1.1 413"]);
}
