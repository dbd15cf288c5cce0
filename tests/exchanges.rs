//! The publishing guide's requests and responses, exchange by exchange, and what happens to
//! requests that are not sound.

mod support;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, Server, from_now, landings, start, until};

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["server.body_bytes_max=1048576"]);
    (folder, server)
}

fn connect(server: &Server, name: &str) -> String {
    let body = json!({ "name": name }).to_string();
    let path = "/v1/accounts/connect/sandbox/complete";
    let answer = server.send("POST", path, &[], body.as_bytes());
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn first_account(server: &Server) -> String {
    let list = server.get("/v1/accounts").json();
    list["data"][0]["id"].as_str().expect("the sandbox is connected").to_owned()
}

fn sandbox(faults: &[&str]) -> Value {
    json!({ "platform": "sandbox", "options": { "platform": "sandbox", "faults": faults } })
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn an_immediate_publish_is_answered_with_its_outcome() {
    let (_folder, server) = server();
    let account = first_account(&server);
    let body = json!({ "targets": [{ "accountId": account }], "text": "shipped" }).to_string();
    let answer = server.post(&body);
    assert_eq!(answer.status, 200);
    let value = answer.json();
    let id = value["id"].as_str().expect("an id");
    assert!(id.starts_with("batch_") && id.len() == 32, "{id}");
    assert_eq!(value["status"], "published");
    assert!(value["createdAt"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')));
    let result = &value["results"][0];
    assert_eq!(result["accountId"], json!(account));
    assert_eq!((&result["platform"], &result["status"]), (&json!("sandbox"), &json!("published")));
    assert!(result["uri"].is_string() && result["cid"].is_string());
    assert!(result.get("error").is_none() && value.get("scheduledAt").is_none());
    let post = result["postId"].as_str().expect("a post id").to_owned();
    let read = server.get(&format!("/v1/posts/{post}")).json();
    assert_eq!(read["platformUri"], result["uri"]);
    assert_eq!(read["attempts"][0]["succeeded"], true);
    assert_eq!(server.get(&format!("/v1/posts/{id}")).json(), value);
    assert_eq!(server.get("/v1/posts").json()["data"][0]["id"], json!(post));
}

#[test]
fn targets_fan_out_with_overrides_of_their_own() {
    let (_folder, server) = server();
    let ids = [first_account(&server), connect(&server, "second"), connect(&server, "third")];
    let body = json!({
        "targets": [
            { "accountId": ids[0], "text": "short" },
            { "accountId": ids[1], "text": "Longer — with paragraphs." },
            { "accountId": ids[2] },
        ],
        "text": "default that the third picks up",
    });
    let value = server.post(&body.to_string()).json();
    assert_eq!(value["status"], "published");
    let order: Vec<&str> = value["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| result["accountId"].as_str().expect("an id"))
        .collect();
    assert_eq!(order, ids, "results stand in the order of targets");
    let mut texts: Vec<String> = landings(&server.data)
        .iter()
        .map(|landing| landing["text"].as_str().expect("a text").to_owned())
        .collect();
    texts.sort();
    assert_eq!(texts, ["Longer — with paragraphs.", "default that the third picks up", "short"]);
}

#[test]
fn the_batch_status_sums_up_its_targets() {
    let (_folder, server) = server();
    let publish = |targets: Value| {
        let answer = server.post(&json!({ "targets": targets, "text": "x" }).to_string());
        assert_eq!(answer.status, 200);
        answer.json()
    };
    let mixed = publish(json!([sandbox(&[]), sandbox(&["rejected"])]));
    assert_eq!(mixed["status"], "partial_failed");
    let error = &mixed["results"][1]["error"];
    assert_eq!(mixed["results"][1]["status"], "rejected");
    for member in [
        "code",
        "message",
        "rule",
        "platformResponse",
        "remediation",
        "docUrl",
        "ruleUrl",
        "requestId",
    ] {
        assert!(!error[member].is_null(), "{member} of {error}");
    }
    for page in ["docUrl", "ruleUrl"] {
        let url = error[page].as_str().expect("a URL");
        let path = url.strip_prefix(&server.base).expect("a page of this server");
        assert_eq!(server.get(path).status, 200, "{url} is served");
    }
    let failed = publish(json!([sandbox(&["rejected"])]));
    assert_eq!(failed["status"], "failed");
    let auth = publish(json!([sandbox(&["auth_expired", "auth_expired"])]));
    assert_eq!(auth["results"][0]["error"]["code"], "platform_auth_failed");
}

#[test]
fn shape_is_checked_for_all_before_anything_is_stored() {
    let (_folder, server) = server();
    let long = "a".repeat(3_001);
    let targets = json!([sandbox(&[]), { "platform": "sandbox", "text": long }]);
    let answer = server.post(&json!({ "targets": targets, "text": "x" }).to_string());
    assert_eq!((answer.status, answer.rule().as_str()), (400, "sandbox.text.max_chars"));
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "preflight_failed");
    assert_eq!(error["platformResponse"]["targetIndex"], 1);
    assert!(landings(&server.data).is_empty());
    assert_eq!(server.get("/v1/posts").json()["data"], json!([]));
}

#[test]
fn a_platform_names_its_only_account_and_no_other() {
    let (_folder, server) = server();
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "x" }).to_string();
    assert_eq!(server.post(&body).status, 200);
    let second = connect(&server, "second");
    let answer = server.post(&body);
    assert_eq!((answer.status, answer.rule().as_str()), (400, "target.account.ambiguous"));
    let error = answer.json()["error"].clone();
    for id in [first_account(&server), second] {
        assert!(error["remediation"].as_str().is_some_and(|text| text.contains(&id)));
        assert!(error["platformResponse"]["candidates"].to_string().contains(&id));
    }
    let none = json!({ "targets": [{ "platform": "twitter" }], "text": "x" }).to_string();
    assert_eq!(server.post(&none).rule(), "target.account.not_connected");
}

#[test]
fn a_scheduled_post_waits_moves_and_goes_out_or_is_canceled() {
    let (_folder, server) = server();
    let at = |secs: u64| from_now(Duration::from_secs(secs));
    let schedule = |when: &str| {
        let body = json!({ "targets": [sandbox(&[])], "text": "later", "scheduledAt": when });
        server.post(&body.to_string())
    };
    let answer = schedule(&at(3_600));
    assert_eq!(answer.status, 202);
    let value = answer.json();
    assert_eq!(
        (&value["status"], &value["results"][0]["status"]),
        (&json!("queued"), &json!("queued"))
    );
    assert!(value["scheduledAt"].is_string());
    let post = value["results"][0]["postId"].as_str().expect("a post id").to_owned();
    let path = format!("/v1/posts/{post}");
    let edit = json!({ "text": "edited", "scheduledAt": at(2) }).to_string();
    let edited = server.send("PATCH", &path, &[], edit.as_bytes());
    assert_eq!((edited.status, &edited.json()["text"]), (200, &json!("edited")));
    until("it goes out", || server.get(&path).json()["status"] == "published");
    assert_eq!(landings(&server.data)[0]["text"], "edited");
    let late = server.send("PATCH", &path, &[], edit.as_bytes());
    assert_eq!((late.status, late.rule().as_str()), (409, "post.status"));
    let value = schedule(&at(3_600)).json();
    let post = value["results"][0]["postId"].as_str().expect("a post id").to_owned();
    let path = format!("/v1/posts/{post}");
    let canceled = server.send("DELETE", &path, &[], b"");
    assert_eq!(canceled.json(), json!({ "id": post, "status": "canceled" }));
    let twice = server.send("DELETE", &path, &[], b"");
    assert_eq!((twice.status, twice.rule().as_str()), (409, "post.status"));
    assert_eq!(schedule(&at(0)).rule(), "scheduledAt.future");
    assert_eq!(schedule("2026-05-08T12:00:00").rule(), "scheduledAt");
    assert_eq!(schedule("9999-01-01T00:00:00Z").rule(), "scheduledAt.max");
    assert_eq!(landings(&server.data).len(), 1);
}

#[test]
fn a_key_covers_the_whole_batch() {
    let (_folder, server) = server();
    let body = json!({ "targets": [sandbox(&[])], "text": "once" }).to_string();
    let send = |body: &str| server.post_with_key("k", body).expect("an answer");
    let (first, second) = (send(&body), send(&body));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.header("idempotency-key"), Some("k"));
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let other = send(&body.replace("once", "twice"));
    assert_eq!((other.status, other.rule().as_str()), (409, "idempotency_key.body_mismatch"));
    assert_eq!(landings(&server.data).len(), 1);
    let bad = |n: &str| server.post_with_key(n, r#"{"targets":[]}"#).expect("an answer");
    let (first, second) = (bad("bad"), bad("bad"));
    assert_eq!((first.status, &first.body), (400, &second.body), "a refusal is kept as well");
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    let long = server.post_with_key(&"k".repeat(256), &body).expect("an answer");
    assert_eq!(long.rule(), "idempotency_key.length");
}

fn check(answer: &Answer, status: u16, rule: &str) {
    let value = answer.json();
    let error = &value["error"];
    assert_eq!(keys(&value), ["error"]);
    assert_eq!((answer.status, error["rule"].as_str().unwrap_or("")), (status, rule), "{value}");
    for member in ["code", "message", "docUrl", "requestId"] {
        assert!(error[member].is_string(), "{member} of {value}");
    }
    assert_eq!(answer.header("x-request-id"), error["requestId"].as_str());
    if status != 404 {
        assert!(error["remediation"].is_string(), "the remedy of {value}");
    }
}

#[test]
fn requests_that_are_not_sound_are_refused_by_name() {
    let (_folder, server) = server();
    let good = json!({ "targets": [sandbox(&[])], "text": "x" });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let many: Vec<Value> =
        (0..26).map(|n| json!({ "platform": "sandbox", "text": n.to_string() })).collect();
    let table = [
        (String::new(), "body.json"),
        ("{".to_owned(), "body.json"),
        ("[]".to_owned(), "body"),
        ("null".to_owned(), "body"),
        ("{}".to_owned(), "targets"),
        (with("targets", json!([])), "targets.required"),
        (with("targets", json!("x")), "targets"),
        (with("targets", json!([{}])), "targets.0.accountId"),
        (with("targets", json!([{ "accountId": "x" }])), "targets.0.accountId"),
        (with("targets", json!([{ "platform": "x" }])), "targets.0.platform"),
        (with("targets", json!(many)), "targets.max"),
        (with("targets", json!([sandbox(&[]), sandbox(&[])])), "targets.duplicate"),
        (with("text", json!("")), "text"),
        (with("text", json!(null)), "text"),
        (with("media", json!({})), "media"),
        (with("media", json!([{ "kind": "image" }])), "media.0"),
        (with("media", json!([{ "kind": "x", "url": "https://e.org" }])), "media.0"),
        (with("media", json!([{ "kind": "image", "url": "ftp://e.org" }])), "media.0.url"),
        (with("media", json!([{ "kind": "image", "mediaId": "x" }])), "media.0.mediaId"),
        (with("media", json!([{ "kind": "image", "bytesBase64": "%" }])), "media.0.bytesBase64"),
        (with("publishNow", json!("true")), "publishNow"),
        (with("scheduledAt", json!(5)), "scheduledAt"),
        (with("scheduled_at", json!("2026-05-08T12:00:00Z")), "scheduledAt"),
        (with("profileId", json!("x")), "profileId"),
    ];
    for (body, rule) in table {
        check(&server.post(&body), 400, rule);
    }
    let both = json!({
        "targets": [sandbox(&[])], "text": "x", "publishNow": true,
        "scheduledAt": "2027-05-08T12:00:00Z",
    });
    check(&server.post(&both.to_string()), 400, "mode_conflict");
    check(&server.send("POST", "/v1/posts", &[], b"\xff\xfe{}"), 400, "body.json");
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    check(&server.post(&deep), 400, "body.depth");
    check(&server.post(&" ".repeat(1_048_577)), 413, "body.size_max");
    check(
        &support::send(&server.base, None, "POST", "/v1/posts", &[], b"{").expect("heard"),
        401,
        "",
    );
    let bad = support::send(&server.base, Some("lmp_live_x"), "GET", "/v1/posts", &[], b"");
    check(&bad.expect("heard"), 401, "");
    check(&server.get("/v1/nothing"), 404, "http.route");
    check(&server.get("/v1/posts/post_nothing"), 404, "");
    check(&server.get("/v1/posts?limit=0"), 400, "limit");
    check(&server.get("/v1/posts?status=x"), 400, "status.0");
    assert!(landings(&server.data).is_empty() && server.post(&good.to_string()).status == 200);
    assert_eq!(server.get("/health").json()["status"], "ok");
}

#[test]
fn scopes_and_revocation_hold_at_the_next_request() {
    let (_folder, server) = server();
    let made = server.cli(&["keys", "create", "--name", "r", "--scope", "posts:read", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let (key, id) = (made["key"].as_str().expect("a key"), made["id"].as_str().expect("an id"));
    let get =
        || support::send(&server.base, Some(key), "GET", "/v1/posts", &[], b"").expect("heard");
    assert_eq!(get().status, 200);
    let post = support::send(&server.base, Some(key), "POST", "/v1/posts", &[], b"{");
    check(&post.expect("heard"), 403, "api_key.scope");
    assert!(server.cli(&["keys", "revoke", id]).status.success());
    assert_eq!(get().status, 401);
    assert_eq!(server.cli(&["keys", "revoke", "x"]).status.code(), Some(3));
    let stored = std::fs::read(server.data.join("store/db")).expect("the store");
    assert!(!stored.windows(key.len()).any(|bytes| bytes == key.as_bytes()), "hashed");
}

#[test]
fn an_operator_rules_on_what_is_held() {
    let (_folder, server) = server();
    let options = json!({ "platform": "sandbox", "class": "blind", "faults": ["garbage"] });
    let targets = json!([{ "platform": "sandbox", "options": options }]);
    let value = server.post(&json!({ "targets": targets, "text": "x" }).to_string()).json();
    let result = &value["results"][0];
    assert_eq!(result["error"]["rule"], "sandbox.publish.outcome_unknown");
    assert_eq!(result["error"]["outcome"], "unknown");
    let post = result["postId"].as_str().expect("a post id");
    let journal = server.cli(&["batch", "journal", post]);
    assert!(String::from_utf8_lossy(&journal.stdout).contains("unknown"));
    let ruled = server.cli(&["batch", "rule", post, "published", "--uri", "sandbox://sandbox/1"]);
    assert!(ruled.status.success(), "{}", String::from_utf8_lossy(&ruled.stderr));
    let now = server.get(&format!("/v1/posts/{post}")).json();
    assert_eq!(
        (&now["status"], &now["platformUri"]),
        (&json!("published"), &json!("sandbox://sandbox/1"))
    );
    assert_eq!(server.cli(&["batch", "rule", post, "failed"]).status.code(), Some(1));
    assert!(server.cli(&["journal", "verify"]).status.success());
}

#[test]
fn a_header_that_never_ends_is_survived() {
    let (_folder, server) = server();
    let host = server.base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.set_read_timeout(Some(support::PATIENCE)).expect("set");
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nx: ");
    let _ = stream.write_all(&vec![b'a'; 2 << 20]);
    if let Ok(answer) = support::read_answer(&mut stream) {
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_slow_publish_is_answered_late_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["engine.sync_wait_ms=300"]);
    let options = json!({ "platform": "sandbox", "latencyMs": 1_500 });
    let targets = json!([{ "platform": "sandbox", "options": options }]);
    let body = json!({ "targets": targets, "text": "slow" }).to_string();
    let first = server.post_with_key("slow", &body).expect("an answer");
    let value = first.json();
    assert_eq!((first.status, &value["status"]), (202, &json!("queued")));
    assert_eq!(value["results"][0]["status"], "publishing");
    let path = format!("/v1/posts/{}", value["id"].as_str().expect("an id"));
    until("it is published", || server.get(&path).json()["status"] == "published");
    let again = server.post_with_key("slow", &body).expect("an answer");
    assert_eq!((again.status, again.body), (202, first.body), "the first answer is the answer");
}

#[test]
fn lists_are_paged_without_gaps_or_repeats() {
    let (_folder, server) = server();
    for n in 0..5 {
        let targets: Vec<Value> =
            (0..3).map(|t| json!({ "platform": "sandbox", "text": format!("{n}.{t}") })).collect();
        assert_eq!(server.post(&json!({ "targets": targets }).to_string()).status, 200);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/posts?limit=4{cursor}")).json();
        let data = page["data"].as_array().expect("posts").clone();
        seen.extend(data.iter().map(|post| post["text"].as_str().expect("a text").to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<String> =
        (0..5).rev().flat_map(|n| (0..3).rev().map(move |t| format!("{n}.{t}"))).collect();
    assert_eq!(seen, expected, "newest first");
    let texts = |query: &str| {
        let found = server.get(&format!("/v1/posts?{query}")).json();
        found["data"].as_array().expect("posts").len()
    };
    assert_eq!(texts("q=3.1"), 1);
    assert_eq!(texts("platform=bluesky"), 0);
    assert_eq!(texts("platform[]=sandbox&status=published"), 15);
    assert_eq!(texts("after=2020-01-01T00:00:00Z&before=2021-01-01T00:00:00Z"), 0);
    assert_eq!(texts("cursor=garbage"), 15);
}

#[test]
fn removing_an_account_cancels_what_waits_for_it() {
    let (_folder, server) = server();
    let account = first_account(&server);
    let body = json!({
        "targets": [{ "accountId": account }], "text": "later",
        "scheduledAt": "2027-05-08T12:00:00Z",
    });
    let value = server.post(&body.to_string()).json();
    let post = value["results"][0]["postId"].as_str().expect("a post id");
    let removed = server.send("DELETE", &format!("/v1/accounts/{account}"), &[], b"");
    assert_eq!(removed.json(), json!({ "id": account, "deleted": true }));
    let now = server.get(&format!("/v1/posts/{post}")).json();
    assert_eq!((&now["status"], &now["account"]), (&json!("canceled"), &Value::Null));
    assert_eq!(now["platform"], "sandbox", "reads survive the account");
    assert_eq!(server.get("/v1/accounts").json()["data"], json!([]));
}

#[test]
fn the_command_line_answers_by_its_exit_codes() {
    let (folder, server) = server();
    let code = |args: &[&str]| server.cli(args).status.code();
    assert_eq!(code(&["keys", "list"]), Some(0));
    assert_eq!(code(&["batch", "rule", "post_01M86HWAEW251QZNNZYHMS76DB", "failed"]), Some(3));
    assert_eq!(code(&["accounts", "connect", "sandbox", "--name", "a b"]), Some(1));
    assert_eq!(code(&["accounts", "connect", "sandbox", "--name", "second"]), Some(0));
    assert_eq!(code(&["keys", "nothing"]), Some(2));
    assert_eq!(code(&["keys", "list", "--set", "server.lisen=x"]), Some(78));
    assert_eq!(code(&["serve", "--set", "server.lisen=x"]), Some(78));
    assert_eq!(code(&["serve", "--listen", "127.0.0.1:0"]), Some(69), "the folder is taken");
    assert_eq!(code(&["workflow", "check"]), Some(0));
    assert_eq!(code(&["workflow", "list", "--json"]), Some(0));
    let bad = folder.path().join("sandbox.toml");
    std::fs::write(&bad, "platform = \"sandbox\"").expect("written");
    let checked = server.cli(&["workflow", "check", bad.to_str().expect("a path")]);
    assert_eq!(checked.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("sandbox.toml"));
    let value = server
        .post(r#"{"targets":[{"accountId":"00000000-0000-0000-0000-000000000000"}],"text":"x"}"#);
    assert_eq!(value.status, 404);
    let account = first_account(&server);
    let body = json!({ "targets": [{ "accountId": account }], "text": "followed" }).to_string();
    let batch = server.post(&body).json()["id"].as_str().expect("an id").to_owned();
    let followed = server.cli(&["batch", "journal", &batch, "--follow", "--json"]);
    assert!(followed.status.success() && !followed.stdout.is_empty(), "it ends with the batch");
    let removed = server.cli(&["accounts", "remove", &account]);
    assert!(removed.status.success());
    assert_eq!(code(&["accounts", "remove", &account]), Some(3));
}
