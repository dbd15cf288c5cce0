//! The TypeScript SDK: it retries by itself under one key, and makes a class of error of each code.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::support::pinterest::{Pinterest, WHO};
use crate::support::{Answer, Server, after, ask, landings, read_answer, send, until};
use crate::{house, reads, rows, text, uuid, verify};

/// How often it tries again after a network error, a 429 or a 5xx.
const RETRIES: u32 = 3;
/// Its first wait; doubled each time, with anything from half of it to all of it.
const WAIT: Duration = Duration::from_millis(500);
/// What it waits at the most when it is told how long.
const RETRY_AFTER_MAX_S: u64 = 30;

/// What happens to the connection of an attempt once the request is out.
type Break = Box<dyn Fn()>;

/// The client.
struct Sdk {
    base: String,
    key: String,
    /// One for each attempt whose connection breaks: it says when.
    breaks: RefCell<Vec<Break>>,
    /// Every answer that it heard, for the test.
    heard: RefCell<Vec<Answer>>,
}

/// What it throws.
#[derive(Debug)]
struct Thrown {
    class: &'static str,
    rule: String,
    request_id: String,
    retry_after: Option<u64>,
}

impl Sdk {
    fn new(server: &Server) -> Self {
        Self::with(&server.base, &server.key)
    }

    fn with(base: &str, key: &str) -> Self {
        let (breaks, heard) = Default::default();
        Self { base: base.to_owned(), key: key.to_owned(), breaks, heard }
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, None, None).expect(path)
    }

    /// One call with its retries: the same bytes and the same key each time.
    fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value, Thrown> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let key = key.map_or_else(uuid, str::to_owned);
        let mut headers =
            vec![("Accept", "application/json"), ("User-Agent", "letmepost-sdk-ts/0.2.0")];
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        if method != "GET" {
            headers.push(("Idempotency-Key", &key));
        }
        let mut wait = WAIT / 2;
        for attempt in 0..=RETRIES {
            let answer = self.exchange(method, path, &headers, text.as_bytes());
            let told = answer.as_ref().ok().and_then(retry_after);
            match answer {
                Ok(answer) if answer.status < 400 => {
                    return Ok(if answer.body.is_empty() { Value::Null } else { answer.json() });
                }
                Ok(answer) if !(answer.status == 429 || answer.status >= 500) => {
                    return Err(thrown(&answer));
                }
                Ok(answer) if attempt == RETRIES => return Err(thrown(&answer)),
                Err(problem) if attempt == RETRIES => panic!("the network is gone: {problem}"),
                Ok(_) | Err(_) => {}
            }
            after(told.map_or(wait, |secs| Duration::from_secs(secs.min(RETRY_AFTER_MAX_S))));
            wait *= 2;
        }
        unreachable!("the last attempt returns")
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut stream = ask(&self.base, Some(&self.key), method, path, headers, body)?;
        if let Some(moment) = self.breaks.borrow_mut().pop() {
            moment();
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        let answer = read_answer(&mut stream)?;
        self.heard.borrow_mut().push(answer.clone());
        Ok(answer)
    }
}

fn retry_after(answer: &Answer) -> Option<u64> {
    answer.header("retry-after")?.parse().ok()
}

/// The class of an error: by its code, or by the status where there is no envelope.
fn thrown(answer: &Answer) -> Thrown {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = &body["error"];
    let class = match (error["code"].as_str(), answer.status) {
        (Some("validation_failed"), _) => "ValidationError",
        (Some("preflight_failed"), _) => "PreflightError",
        (Some("platform_auth_failed"), _) => "PlatformAuthError",
        (Some("platform_rejected"), _) => "PlatformRejectedError",
        (Some("platform_unavailable"), _) => "PlatformUnavailableError",
        (Some("platform_not_enabled"), _) => "PlatformNotEnabledError",
        (Some("unauthenticated"), _) => "UnauthenticatedError",
        (Some("unauthorized"), _) => "UnauthorizedError",
        (Some("not_found"), _) => "NotFoundError",
        (Some("idempotency_conflict"), _) => "IdempotencyConflictError",
        (Some("rate_limited"), _) => "RateLimitedError",
        (Some("internal_error"), _) => "InternalError",
        (_, status) => panic!("a {status} without an envelope leaves the class to guesswork"),
    };
    let own = error["requestId"].as_str();
    Thrown {
        class,
        rule: error["rule"].as_str().unwrap_or_default().to_owned(),
        request_id: own.or(answer.header("x-request-id")).unwrap_or_default().to_owned(),
        retry_after: retry_after(answer),
    }
}

fn to_sandbox(text: &str, options: Value) -> Value {
    let mut options = options;
    options["platform"] = json!("sandbox");
    json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": text })
}

#[test]
fn a_lost_answer_is_made_good_by_its_own_retry() {
    let (_folder, server) = house(&[]);
    let landed = |said: &str| {
        let all = landings(&server.data);
        all.iter().filter(|landing| landing["text"] == said).count()
    };
    for moment in ["at once", "while it is published", "after it has landed"] {
        let (base, key) = (server.base.clone(), server.key.clone());
        let (data, said) = (server.data.clone(), moment.to_owned());
        let breaks: Break = Box::new(move || match said.as_str() {
            "at once" => {}
            "while it is published" => until("it is published", || {
                let path = "/v1/posts?status=publishing";
                let page = send(&base, Some(&key), "GET", path, &[], b"").expect("heard");
                !rows(&page.json()).is_empty()
            }),
            _ => until("it lands", || landings(&data).iter().any(|one| one["text"] == said)),
        });
        let sdk = Sdk::new(&server);
        sdk.breaks.borrow_mut().push(breaks);
        let body = to_sandbox(moment, json!({ "latencyMs": 600 }));
        let mine = uuid();
        let made = sdk.call("POST", "/v1/posts", Some(&body), Some(&mine)).expect(moment);
        assert_eq!((text(&made, "status"), landed(moment)), ("published", 1), "{moment}");
        reads(&made["results"][0], "accountId:text platform:text postId:text uri:text");
        let again = sdk.call("POST", "/v1/posts", Some(&body), Some(&mine)).expect(moment);
        let heard = sdk.heard.borrow();
        assert_eq!((again, &heard[0].body), (made, &heard[1].body), "{moment}");
        if moment != "at once" {
            assert_eq!(heard[0].header("idempotency-replayed"), Some("true"), "{moment}");
        }
        assert_eq!(landed(moment), 1, "{moment}");
    }
}

#[test]
fn a_lost_answer_to_a_change_is_made_good_as_well() {
    let (_folder, server) = house(&[]);
    let sdk = Sdk::new(&server);
    let broken = |done: Break| sdk.breaks.borrow_mut().push(done);
    let gone = |path: String| -> Break {
        let (base, key) = (server.base.clone(), server.key.clone());
        Box::new(move || {
            until("it is gone", || {
                let got = send(&base, Some(&key), "GET", &path, &[], b"").expect("heard");
                got.status == 404
            });
        })
    };
    let hook = json!({ "url": "http://127.0.0.1:9/hook" });
    let made = sdk.call("POST", "/v1/webhook-endpoints", Some(&hook), None).expect("made");
    let connect = "/v1/accounts/connect/sandbox/complete";
    let body = json!({ "name": "second" });
    broken(Box::new(|| {}));
    let account = sdk.call("POST", connect, Some(&body), None).expect("connected");
    for path in [
        format!("/v1/webhook-endpoints/{}", text(&made, "id")),
        format!("/v1/accounts/{}", text(&account, "id")),
    ] {
        broken(gone(path.clone()));
        let deleted = sdk.call("DELETE", &path, None, None).expect("the first answer again");
        assert_eq!(deleted["deleted"], true, "{path}");
    }
    let key = json!({ "name": "once" });
    broken(Box::new(|| {}));
    sdk.call("POST", "/v1/api-keys", Some(&key), None).expect("minted");
    let keys = sdk.get("/v1/api-keys");
    let named = rows(&keys).iter().filter(|one| one["name"] == "once").count();
    assert_eq!(named, 1, "a retry mints no second key");
}

#[test]
fn each_code_is_thrown_as_its_own_class() {
    let (_folder, server) = house(&[]);
    let sdk = Sdk::new(&server);
    let reader = json!({ "name": "reader", "scopes": ["posts:read"] });
    let reader = sdk.call("POST", "/v1/api-keys", Some(&reader), None).expect("made");
    let reader = Sdk::with(&server.base, text(&reader, "key"));
    let stranger = Sdk::with(&server.base, &format!("lmp_live_{}", "x".repeat(32)));
    let good = to_sandbox("hi", json!({}));
    let mine = uuid();
    sdk.call("POST", "/v1/posts", Some(&good), Some(&mine)).expect("published");
    let long = to_sandbox(&"a".repeat(3_001), json!({}));
    let nobody = "/v1/accounts/00000000-0000-0000-0000-000000000000";
    let (posts, hooks) = ("/v1/posts", "/v1/webhook-endpoints");
    let empty = json!({});
    let other = to_sandbox("other", json!({}));
    let (some_empty, some_long, some_good) = (Some(&empty), Some(&long), Some(&good));
    let rows = [
        (&sdk, "POST", posts, some_empty, "ValidationError", "targets"),
        (&sdk, "POST", posts, some_long, "PreflightError", "sandbox.text.max_chars"),
        (&sdk, "GET", "/v1/posts/post_x", None, "NotFoundError", ""),
        (&sdk, "GET", "/v1/posts?limit=0", None, "ValidationError", "limit"),
        (&sdk, "GET", nobody, None, "NotFoundError", ""),
        (&sdk, "GET", "/v1/nothing", None, "NotFoundError", "http.route"),
        (&sdk, "POST", hooks, some_empty, "ValidationError", "url"),
        (&sdk, "DELETE", "/v1/api-keys/x", None, "NotFoundError", ""),
        (&sdk, "POST", "/v1/accounts/connect/x", None, "ValidationError", "platform"),
        (&reader, "POST", posts, some_good, "UnauthorizedError", "api_key.scope"),
        (&reader, "GET", hooks, None, "UnauthorizedError", "api_key.scope"),
        (&stranger, "GET", posts, None, "UnauthenticatedError", ""),
        (&stranger, "POST", posts, some_empty, "UnauthenticatedError", ""),
    ];
    for (sdk, method, path, body, class, rule) in rows {
        let thrown = sdk.call(method, path, body, None).expect_err(path);
        assert_eq!((thrown.class, thrown.rule.as_str()), (class, rule), "{method} {path}");
        assert!(thrown.request_id.starts_with("req_"), "{thrown:?}");
    }
    let thrown = sdk.call("POST", posts, Some(&other), Some(&mine)).expect_err("another body");
    assert_eq!(
        (thrown.class, thrown.rule.as_str()),
        ("IdempotencyConflictError", "idempotency_key.body_mismatch")
    );
}

#[test]
fn it_waits_as_long_as_a_limit_says() {
    let (_folder, server) = house(&["rate_limit.points=1", "rate_limit.window_ms=1000"]);
    let sdk = Sdk::new(&server);
    sdk.get("/v1/accounts");
    let body = to_sandbox("hi", json!({}));
    let made = sdk.call("POST", "/v1/posts", Some(&body), None).expect("after a while");
    assert_eq!(text(&made, "status"), "published");
    let heard = sdk.heard.borrow();
    let refused = heard.iter().find(|answer| answer.status == 429).expect("it was refused first");
    let thrown = thrown(refused);
    assert_eq!((thrown.class, thrown.retry_after), ("RateLimitedError", Some(1)));
}

#[test]
fn what_it_reads_of_posts_and_accounts_is_there() {
    let (_folder, server) = house(&[]);
    let sdk = Sdk::new(&server);
    let accounts = sdk.get("/v1/accounts");
    let account = &rows(&accounts)[0];
    let members = "id:text profileId:text platform:text platformAccountId:text displayName:text? \
                   tokenExpiresAt:time? createdAt:time updatedAt:time";
    reads(account, members);
    let (id, profile) = (text(account, "id"), text(account, "profileId"));
    assert_eq!(&sdk.get(&format!("/v1/accounts/{id}")), account);
    let narrowed = sdk.get(&format!("/v1/accounts?profileId={profile}"));
    assert_eq!(rows(&narrowed).len(), 1);
    let made = sdk.call("POST", "/v1/posts", Some(&to_sandbox("hi", json!({}))), None);
    let made = made.expect("published");
    reads(&made, "id:text status:text createdAt:time results:list");
    let failed = to_sandbox("no", json!({ "faults": ["rejected"] }));
    let failed = sdk.call("POST", "/v1/posts", Some(&failed), None).expect("a 200");
    reads(&failed["results"][0]["error"], "code:text message:text remediation:text");
    let members = "id:text profileId:text accountId:text account:object platform:text status:text \
                   text:text mediaRefs:list scheduledAt:time? publishedAt:time? platformUri:text? \
                   platformCid:text? error:object? createdAt:time updatedAt:time";
    let query = "?platform=sandbox&platform=bluesky&status=published&status=rejected&limit=1";
    let first = sdk.get(&format!("/v1/posts{query}"));
    reads(&first, "data:list nextCursor:text");
    let next = sdk.get(&format!("/v1/posts{query}&cursor={}", text(&first, "nextCursor")));
    reads(&next, "data:list nextCursor:text?");
    assert_eq!((rows(&next).len(), &next["nextCursor"]), (1, &Value::Null));
    for post in [&rows(&first)[0], &rows(&next)[0]] {
        reads(post, members);
        let whole = sdk.get(&format!("/v1/posts/{}", text(post, "id")));
        reads(&whole, members);
        let attempt = &whole["attempts"][0];
        reads(attempt, "id:text attemptNumber:number startedAt:time finishedAt:time?");
        reads(attempt, "succeeded:flag? errorCode:text? errorMessage:text?");
    }
    let errors = sdk.get("/v1/posts?errorCode=platform_rejected&errorCode=internal_error");
    assert_eq!(rows(&errors).len(), 1);
    let asked = sdk.call("POST", "/v1/accounts/connect/bluesky", None, None).expect("described");
    reads(&asked, "platform:text state:text descriptor:object");
    reads(&asked["descriptor"], "kind:text helpText:text fields:list");
    for field in asked["descriptor"]["fields"].as_array().expect("fields") {
        reads(field, "name:text label:text type:text required:flag");
    }
}

#[test]
fn what_it_reads_of_boards_is_there() {
    let pinterest = Pinterest::open(&["Charts"]);
    let settings = pinterest.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (_folder, server) = house(&settings);
    let sdk = Sdk::new(&server);
    let asked = sdk.call("POST", "/v1/accounts/connect/pinterest", None, None).expect("described");
    reads(&asked["descriptor"], "kind:text authorizationUrl:text state:text redirectUri:text");
    let body = json!({ "code": WHO, "state": asked["descriptor"]["state"],
        "redirectUri": asked["descriptor"]["redirectUri"] });
    let complete = "/v1/accounts/connect/pinterest/complete";
    let account = sdk.call("POST", complete, Some(&body), None).expect("connected");
    reads(&account["pinterest"], "defaultBoardId:text? defaultBoardName:text?");
    let path = format!("/v1/accounts/{}/pinterest", text(&account, "id"));
    let boards = sdk.get(&format!("{path}/boards"));
    reads(&boards, "data:list defaultBoardId:text?");
    reads(&rows(&boards)[0], "id:text name:text privacy:text?");
    // The answer to the first attempt is lost between us and the SDK: its retry gets that answer.
    sdk.breaks.borrow_mut().push(Box::new(|| {}));
    let body = json!({ "name": "Cats", "setAsDefault": true });
    let made = sdk.call("POST", &format!("{path}/boards"), Some(&body), None).expect("made");
    reads(&made, "id:text name:text privacy:text? existing:flag");
    reads(&made, "defaultBoardId:text defaultBoardName:text");
    assert_eq!((&made["existing"], pinterest.names().len()), (&json!(false), 2));
    let body = json!({ "boardId": rows(&boards)[0]["id"] });
    let chosen = sdk.call("PATCH", &format!("{path}/default-board"), Some(&body), None);
    reads(&chosen.expect("chosen"), "id:text defaultBoardId:text defaultBoardName:text");
    for (method, rest, body, class, rule) in [
        ("POST", "boards", json!({}), "ValidationError", "name"),
        (
            "PATCH",
            "default-board",
            json!({ "boardId": "1" }),
            "NotFoundError",
            "pinterest.board.unknown",
        ),
    ] {
        let thrown = sdk.call(method, &format!("{path}/{rest}"), Some(&body), None);
        let thrown = thrown.expect_err("refused");
        assert_eq!((thrown.class, thrown.rule.as_str()), (class, rule));
    }
}

#[test]
fn what_it_reads_of_keys_and_webhooks_is_there() {
    let (_folder, server) = house(&[]);
    let sdk = Sdk::new(&server);
    let asked = json!({ "name": "ci", "prefix": "lmp_test_", "profileId": null });
    let made = sdk.call("POST", "/v1/api-keys", Some(&asked), None).expect("made");
    let members = "id:text name:text prefix:text last4:text scopes:list profileId:text? \
                   createdAt:time";
    reads(&made, members);
    let key = text(&made, "key");
    assert_eq!((key.len(), key.ends_with(text(&made, "last4"))), (41, true), "{made}");
    let listed = sdk.get("/v1/api-keys");
    let one = &rows(&listed)[0];
    reads(one, &format!("{members} lastUsedAt:time? revokedAt:time?"));
    assert_eq!((text(one, "name"), one.get("key")), ("ci", None));
    let path = format!("/v1/api-keys/{}", text(&made, "id"));
    let revoked = sdk.call("DELETE", &path, None, None).expect("revoked");
    reads(&revoked, "id:text revokedAt:time");
    assert_eq!(sdk.call("DELETE", &path, None, None).expect_err("twice").class, "NotFoundError");

    let receiver = Receiver::open();
    let asked = json!({ "url": format!("{}/hook", receiver.base), "events": ["post.published"] });
    let made = sdk.call("POST", "/v1/webhook-endpoints", Some(&asked), None).expect("made");
    let members = "id:text url:text events:list description:text? active:flag \
                   lastDeliveryAt:time? lastFailureReason:text? createdAt:time updatedAt:time";
    reads(&made, &format!("{members} signingSecret:text"));
    let secret = text(&made, "signingSecret");
    assert_eq!((secret.len(), secret.starts_with("whsec_")), (49, true));
    let path = format!("/v1/webhook-endpoints/{}", text(&made, "id"));
    reads(&sdk.get(&path), members);
    let test = format!("{path}/test");
    let tested = sdk.call("POST", &test, Some(&json!({})), None).expect("tested");
    reads(&tested, "delivered:flag status:number durationMs:number responseBody:text?");
    reads(&tested, "deliveryId:text nonRetryable:flag errorName:text? sentEvent:object");
    let heard = &receiver.on_path("/hook")[0];
    let signature = heard.header("x-letmepost-signature");
    assert!(verify(secret, signature, &heard.body));
    assert!(!verify(secret, signature, &[heard.body.as_slice(), b" "].concat()));
    let change = json!({ "active": false });
    let changed = sdk.call("PATCH", &path, Some(&change), None).expect("changed");
    assert_eq!(changed["active"], false);
    let gone = sdk.call("DELETE", &path, None, None).expect("deleted");
    assert_eq!(gone, json!({ "id": text(&made, "id"), "deleted": true }));
    assert!(rows(&sdk.get("/v1/webhook-endpoints")).is_empty());
}
