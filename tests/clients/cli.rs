//! The command line `lmp`: platform names instead of accounts, no retries, and exit codes that
//! scripts branch on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Server, send};
use crate::{from_now, house, reads, rows, text, uuid};

/// Published or queued.
const DONE: i32 = 0;
/// The request failed as a whole.
const ERROR: i32 = 1;
/// A target failed, or is not done.
const PARTLY: i32 = 2;

/// The command line with its config file.
struct Lmp {
    base: String,
    key: String,
    profile: Option<String>,
}

/// How a command ended: its exit code and what it printed.
type Ended = (i32, Vec<String>);

/// What `lmp post` is given.
#[derive(Default)]
struct Post<'a> {
    text: &'a str,
    platforms: &'a [&'a str],
    comment: Option<&'a str>,
    schedule: Option<&'a str>,
}

impl Lmp {
    fn new(server: &Server) -> Self {
        Self { base: server.base.clone(), key: server.key.clone(), profile: None }
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mine = uuid();
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut headers = vec![("Accept", "application/json")];
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        if method != "GET" {
            headers.push(("Idempotency-Key", &mine));
        }
        send(&self.base, Some(&self.key), method, path, &headers, text.as_bytes()).expect("heard")
    }

    /// `path` with what the command asks for, and the profile that is in use.
    fn at(&self, path: &str, asked: &[(&str, &str)]) -> String {
        let own = self.profile.iter().map(|id| ("profileId", id.as_str()));
        let pairs = asked.iter().copied().chain(own);
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Logs in with a key, because no browser flow is offered; says whether the key was taken.
    fn login(base: &str, key: &str) -> bool {
        let flow = send(base, None, "GET", "/oauth2/authorize", &[], b"").expect("heard");
        assert_eq!(flow.status, 404, "anything else starts a browser flow that is not there");
        let lmp = Self { base: base.to_owned(), key: key.to_owned(), profile: None };
        !matches!(lmp.exchange("GET", "/v1/accounts", None).status, 401 | 403)
    }

    fn post(&self, asked: &Post<'_>) -> Ended {
        let targets: Vec<Value> =
            asked.platforms.iter().map(|platform| json!({ "platform": platform })).collect();
        let mut body = json!({ "text": asked.text, "targets": targets });
        if let Some(comment) = asked.comment {
            body["firstComment"] = json!({ "text": comment });
        }
        if let Some(schedule) = asked.schedule {
            body["scheduledAt"] = json!(schedule);
        }
        if let Some(profile) = &self.profile {
            body["profileId"] = json!(profile);
        }
        self.ended(&self.exchange("POST", "/v1/posts", Some(&body)))
    }

    /// A batch as it is printed, or the error that there is instead.
    fn ended(&self, answer: &Answer) -> Ended {
        let value = answer.json();
        if answer.status >= 400 {
            let error = &value["error"];
            return (ERROR, vec![format!("{}: {}", text(error, "code"), text(error, "message"))]);
        }
        let status = text(&value, "status");
        let mut lines = vec![format!("{} {status}", text(&value, "id"))];
        for result in value["results"].as_array().expect("results") {
            let platform = text(result, "platform");
            lines.push(match text(result, "status") {
                "published" => format!("{platform} published {}", text(result, "uri")),
                "queued" => format!("{platform} queued {}", text(result, "postId")),
                other => {
                    let code = result["error"]["code"].as_str().unwrap_or(other);
                    let message = result["error"]["message"].as_str().unwrap_or_default();
                    format!("{platform} failed {code} {message}")
                }
            });
        }
        (if matches!(status, "published" | "queued") { DONE } else { PARTLY }, lines)
    }
}

#[test]
fn it_logs_in_with_a_key_because_no_browser_flow_is_offered() {
    let (_folder, server) = house(&[]);
    let made = server.cli(&["keys", "create", "--name", "w", "--scope", "posts:write", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert!(Lmp::login(&server.base, &server.key));
    assert!(Lmp::login(&server.base, text(&made, "key")), "whatever it may do");
    assert!(!Lmp::login(&server.base, "lmp_live_unknown"));
    assert!(!Lmp::login(&server.base, "nonsense"));
}

#[test]
fn its_exit_code_tells_what_became_of_a_post() {
    let (_folder, server) = house(&["engine.sync_wait_ms=200"]);
    let lmp = Lmp::new(&server);
    let post = |said: &str, schedule: Option<&str>| {
        lmp.post(&Post { text: said, platforms: &["sandbox"], schedule, ..Post::default() })
    };
    let (code, lines) = post("hi", None);
    assert_eq!(code, DONE, "{lines:?}");
    assert!(lines[0].ends_with(" published") && lines[1].starts_with("sandbox published sandbox:"));
    let tomorrow = from_now(Duration::from_secs(86_400));
    let (code, lines) = post("later", Some(&tomorrow));
    assert_eq!((code, lines[1].starts_with("sandbox queued post_")), (DONE, true), "{lines:?}");
    let local = tomorrow.replace(".000Z", "").replace('Z', "");
    for (schedule, expected) in [
        (tomorrow.replace('Z', "+02:00").as_str(), DONE),
        (local.as_str(), ERROR),
        ("tomorrow", ERROR),
        ("2020-01-01T00:00:00Z", ERROR),
    ] {
        let (code, lines) = post("when", Some(schedule));
        assert_eq!(code, expected, "{schedule}: {lines:?}");
        assert!(code == DONE || lines[0].starts_with("validation_failed: "), "{lines:?}");
    }
    // What it cannot ask for itself, it still has to print.
    let answered = |options: Value| {
        let target = json!({ "platform": "sandbox", "options": options });
        let body =
            json!({ "targets": [target, { "platform": "sandbox", "text": "fine" }], "text": "x" });
        lmp.ended(&lmp.exchange("POST", "/v1/posts", Some(&body)))
    };
    let (code, lines) = answered(json!({ "platform": "sandbox", "faults": ["rejected"] }));
    assert_eq!(code, PARTLY);
    assert!(lines[1].starts_with("sandbox failed platform_rejected "), "{lines:?}");
    let (code, lines) = answered(json!({ "platform": "sandbox", "latencyMs": 2_000 }));
    assert_eq!((code, lines[1].as_str()), (DONE, "sandbox failed publishing "), "{lines:?}");
    let (code, lines) = lmp.post(&Post { text: "x", platforms: &["bluesky"], ..Post::default() });
    assert_eq!(code, ERROR);
    assert!(lines[0].starts_with("validation_failed: "), "{lines:?}");
}

#[test]
fn a_scheduled_post_with_a_comment_goes_out_with_it() {
    let (_folder, server) = house(&[]);
    let lmp = Lmp::new(&server);
    let soon = from_now(Duration::from_millis(2_500));
    let asked = Post { text: "hi", platforms: &["sandbox"], comment: Some("c"), ..Post::default() };
    let (code, lines) = lmp.post(&Post { schedule: Some(&soon), ..asked });
    assert_eq!(code, DONE, "{lines:?}");
    let id = lines[1].rsplit(' ').next().expect("an id").to_owned();
    let read = || server.get(&format!("/v1/posts/{id}")).json();
    crate::support::until("it goes out", || read()["status"] == "published");
    assert!(read()["firstCommentUri"].is_string(), "{}", read());
}

#[test]
fn what_it_lists_can_be_printed() {
    let (_folder, server) = house(&[]);
    let mut lmp = Lmp::new(&server);
    let profiles = lmp.exchange("GET", "/v1/profiles", None).json();
    reads(&rows(&profiles)[0], "id:text name:text createdAt:time isDefault:flag");
    lmp.profile = Some(text(&rows(&profiles)[0], "id").to_owned());
    let accounts = lmp.exchange("GET", &lmp.at("/v1/accounts", &[]), None).json();
    let members = "id:text platform:text displayName:text? platformAccountId:text createdAt:time";
    assert_eq!(rows(&accounts).len(), 1, "what `whoami` counts");
    reads(&rows(&accounts)[0], members);
    for n in 0..3 {
        let said = format!("post {n}");
        let asked = Post { text: &said, platforms: &["sandbox"], ..Post::default() };
        assert_eq!(lmp.post(&asked).0, DONE);
    }
    let asked = [("limit", "2"), ("status", "published,failed"), ("platform", "sandbox,bluesky")];
    let page = lmp.exchange("GET", &lmp.at("/v1/posts", &asked), None).json();
    assert_eq!(rows(&page).len(), 2);
    reads(
        &rows(&page)[0],
        "id:text platform:text status:text text:text publishedAt:time? createdAt:time",
    );
    let asked = [asked.as_slice(), &[("cursor", text(&page, "nextCursor"))]].concat();
    let rest = lmp.exchange("GET", &lmp.at("/v1/posts", &asked), None).json();
    assert_eq!((rows(&rest).len(), &rest["nextCursor"]), (1, &Value::Null));
    let id = text(&rows(&rest)[0], "id");
    let read = lmp.exchange("GET", &lmp.at(&format!("/v1/posts/{id}"), &[]), None);
    assert_eq!((read.status, text(&read.json(), "text")), (200, "post 0"));
    let account = text(&rows(&accounts)[0], "id");
    let gone = lmp.exchange("DELETE", &lmp.at(&format!("/v1/accounts/{account}"), &[]), None);
    assert_eq!(gone.status, 200);
}
