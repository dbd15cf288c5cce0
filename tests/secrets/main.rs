//! Whatever is secret is told once, to whom it is for, and stands nowhere else: not in the log at
//! its most talkative, not in the journal or any other answer, and not on the disk in clear. With a
//! real Bluesky host and a real OAuth server where they are installed (`tests/pds/install`,
//! `tests/oauth/install`).

#[path = "../pds/host.rs"]
#[expect(dead_code, reason = "a part of the rig is used here")]
mod host;
mod life;
#[path = "../oauth/provider.rs"]
#[expect(dead_code, reason = "a part of the rig is used here")]
mod provider;
#[path = "../support/receiver.rs"]
#[expect(dead_code, reason = "a part of the rig is used here")]
mod receiver;
#[path = "../support/mod.rs"]
mod support;
mod tap;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use life::Life;
use provider::Provider;
use receiver::Receiver;
use serde_json::{Value, json};
use support::{Answer, send, text, until};
use tap::Tap;

/// A password that no host takes, and a code that no platform gave.
const PASSWORD: &str = "zqxj-kvbw-zqxj-kvbw";
const CODE: &str = "a-code-that-nobody-gave-zqxjkvbw";
/// A key that was never made.
const NO_KEY: &str = "lmp_live_zqxjkvbwzqxjkvbwzqxjkvbwzqxjkvbw";
/// What signs for the app at Meta.
const META: &str = "meta-s3cret-zqxjkvbw";

/// A server, what it was told, and what it said.
struct Rig {
    life: Life,
    owner: String,
    /// What is secret, with a name for whoever must be told that it was found.
    secrets: Vec<(String, String)>,
    /// Every answer and every output, with the request or the command that it came for.
    heard: Vec<(String, String)>,
}

impl Rig {
    fn keep(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 8, "{name} is no secret: {secret:?}");
        self.secrets.push((name.to_owned(), secret.to_owned()));
    }

    fn ask_as(&mut self, key: Option<&str>, request: &str, body: &Value) -> Answer {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let sent = if body.is_null() { String::new() } else { body.to_string() };
        let answer = send(&self.life.base, key, method, path, &[], sent.as_bytes()).expect("heard");
        let whole = format!("{}\n{}", answer.head, String::from_utf8_lossy(&answer.body));
        self.heard.push((request.to_owned(), whole));
        answer
    }

    fn ask(&mut self, request: &str, body: &Value) -> Answer {
        let owner = self.owner.clone();
        self.ask_as(Some(&owner), request, body)
    }

    #[track_caller]
    fn good(&mut self, request: &str, body: &Value) -> Value {
        let answer = self.ask(request, body);
        assert!(answer.status < 300, "{request}: {}", answer.json());
        answer.json()
    }

    /// A request whose answer shows a secret this once.
    #[track_caller]
    fn reveals(&mut self, request: &str, body: &Value, member: &str) -> (Value, String) {
        let value = self.good(request, body);
        let pointed = value.pointer(member).and_then(Value::as_str);
        let secret = pointed.unwrap_or_else(|| panic!("no {member} in {value}")).to_owned();
        let (_, said) = self.heard.last_mut().expect("it was heard");
        assert_eq!(said.matches(&secret).count(), 1, "{request} shows it once");
        *said = said.replace(&secret, "(shown once)");
        self.keep(&format!("{member} of {request}"), &secret);
        (value, secret)
    }

    fn cli(&mut self, args: &[&str]) -> String {
        let output = support::cli(&self.life.data, args);
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        self.heard.push((format!("fanfare {}", args.join(" ")), said.concat()));
        said.concat()
    }
}

/// The forms in which a text may be written down.
fn forms(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let escaped = json!(secret).to_string().trim_matches('"').to_owned();
    let numbers = format!("{:?}", secret.as_bytes());
    let numbers = numbers.trim_matches(['[', ']']).to_owned();
    vec![secret.to_owned(), form, escaped, STANDARD.encode(secret), numbers]
}

#[track_caller]
fn scan(secrets: &[(String, String)], place: &str, bytes: &[u8]) {
    for (name, secret) in secrets {
        for form in forms(secret) {
            let found = bytes.windows(form.len()).any(|at| at == form.as_bytes());
            assert!(!found, "{name} stands in {place}");
        }
    }
}

/// Every file below a folder but for those that are made to hold a secret.
fn files(folder: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let entry = entry.expect("it can be read");
        let kind = entry.file_type().expect("it has one");
        let name = entry.file_name().into_string().expect("a name of ours");
        if kind.is_dir() {
            files(&entry.path(), out);
        } else if kind.is_file() && !["initial-key", "secret-key"].contains(&name.as_str()) {
            out.push((name, std::fs::read(entry.path()).expect("it can be read")));
        }
    }
}

fn settings(provider: Option<(&Provider, &Tap)>) -> Vec<String> {
    let mut all: Vec<String> = [
        "upstream.allow_private=true",
        "webhooks.allow_private=true",
        "oauth.pinterest.client_id=dead-app",
        "oauth.pinterest.client_secret=dead-s3cret-zqxjkvbw",
        "oauth.pinterest.token_url=http://127.0.0.1:9/token",
    ]
    .map(str::to_owned)
    .into();
    all.push(format!("oauth.facebook.client_secret={META}"));
    if let Some((provider, tap)) = provider {
        for platform in ["twitter", "linkedin"] {
            let (id, secret) = Provider::app(platform);
            all.push(format!("oauth.{platform}.client_id={id}"));
            all.push(format!("oauth.{platform}.client_secret={secret}"));
            for (name, url) in provider.addresses(platform) {
                let url = match name {
                    "authorize_url" => url,
                    _ => url.replace(&provider.base, &tap.base),
                };
                all.push(format!("oauth.{platform}.{name}={url}"));
            }
        }
    }
    all
}

/// A connect by consent at the real provider, and one that fails there.
fn consent(rig: &mut Rig, provider: &Provider, tap: &Tap) {
    for platform in ["twitter", "linkedin"] {
        let (id, secret) = Provider::app(platform);
        rig.keep("the app's secret", &secret);
        let both = [&id, &secret].map(|text| forms(text)[1].clone()).join(":");
        rig.keep("the app's header", &STANDARD.encode(both));
        for good in [true, false] {
            let request = format!("POST /v1/accounts/connect/{platform}");
            let proof = "/descriptor/codeVerifier";
            let begun = match platform {
                "twitter" => rig.reveals(&request, &Value::Null, proof).0,
                _ => rig.good(&request, &Value::Null),
            };
            let address = text(&begun["descriptor"], "authorizationUrl");
            let back = provider.consent(address, "ida");
            let path = back.strip_prefix(&rig.life.base).expect("back to the server");
            let code = path.split("code=").nth(1).and_then(|rest| rest.split('&').next());
            let code = code.expect("a code").to_owned();
            rig.keep("a code", &code);
            let path = if good { path.to_owned() } else { path.replace(&code, CODE) };
            let status = rig.ask_as(None, &format!("GET {path}"), &Value::Null).status;
            assert_eq!(status, if good { 200 } else { 400 }, "{platform}");
        }
    }
    let tokens = tap.tokens();
    assert!(tokens.len() >= 4, "{tokens:?}");
    tokens.iter().for_each(|token| rig.keep("a token of a consent", token));
}

/// An account at the real host: connected, published on, and renewed.
fn bluesky(rig: &mut Rig, host: &host::Host, tap: &Tap) {
    let login = &host.ada;
    rig.keep("the app password", &login.app_password);
    let body = json!({ "identifier": login.handle, "appPassword": login.app_password,
        "pdsUrl": tap.base });
    let made = rig.good("POST /v1/accounts/connect/bluesky/complete", &body);
    let post = |said: &str| json!({ "targets": [{ "accountId": made["id"] }], "text": said });
    assert_eq!(rig.good("POST /v1/posts", &post("hello"))["status"], "published");
    host.forget_sessions();
    assert_eq!(rig.good("POST /v1/posts", &post("again"))["status"], "published");
    let mut reply = post("to nobody");
    let parent = format!("at://{}/app.bsky.feed.post/3kaaaaaaaaa2a", login.did);
    reply["targets"][0]["options"] = json!({ "platform": "bluesky", "replyToUri": parent,
        "replyToCid": "bafyreicn3z6mawshgtaqi5hx32devo5ocqp4zmszleqxpsku6trl747z6a" });
    let failed = rig.ask("POST /v1/posts", &reply);
    assert_eq!(failed.json()["status"], "failed", "{}", failed.json());
    let tokens = tap.tokens();
    assert!(tokens.len() >= 4, "{tokens:?}");
    tokens.iter().for_each(|token| rig.keep("a token of a session", token));
}

/// Connects that come to nothing, with what they were tried with.
fn failures(rig: &mut Rig) {
    rig.keep("a password that was refused", PASSWORD);
    rig.keep("a code that was refused", CODE);
    rig.keep("the secret of an app that cannot be reached", "dead-s3cret-zqxjkvbw");
    rig.keep("the secret of the app at Meta", META);
    rig.keep("a key that is none", NO_KEY);
    let body = json!({ "identifier": "me.test", "appPassword": PASSWORD,
        "pdsUrl": "http://127.0.0.1:9" });
    let dead = rig.ask("POST /v1/accounts/connect/bluesky/complete", &body);
    assert_eq!(dead.status, 503, "{}", dead.json());
    let begun = rig.good("POST /v1/accounts/connect/pinterest", &Value::Null);
    let descriptor = &begun["descriptor"];
    let body = json!({ "code": CODE, "state": descriptor["state"],
        "redirectUri": descriptor["redirectUri"] });
    let dead = rig.ask("POST /v1/accounts/connect/pinterest/complete", &body);
    assert_eq!(dead.status, 503, "{}", dead.json());
    let unknown = rig.ask_as(Some(NO_KEY), "GET /v1/posts", &Value::Null);
    assert_eq!(unknown.status, 401);
    let stranger =
        rig.ask_as(None, "POST /data-deletion/meta", &json!({ "signed_request": "x.y" }));
    assert_eq!(stranger.status, 400);
}

/// Keys, an endpoint, and posts that do and do not go out.
fn work(rig: &mut Rig, hook: &Receiver) -> Vec<String> {
    for prefix in ["lmp_live_", "lmp_test_"] {
        let body = json!({ "name": "k", "prefix": prefix, "scopes": ["posts:write", "admin"] });
        let (_, key) = rig.reveals("POST /v1/api-keys", &body, "/key");
        let post = json!({ "targets": [{ "platform": "sandbox" }], "text": prefix });
        assert_eq!(rig.ask_as(Some(&key), "POST /v1/posts", &post).status, 200);
    }
    let made = support::cli(&rig.life.data, &["keys", "create", "--name", "cli", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    rig.keep("a key made on the command line", text(&made, "key"));
    let endpoint = json!({ "url": format!("{}/hook", hook.base) });
    let (made, _) = rig.reveals("POST /v1/webhook-endpoints", &endpoint, "/signingSecret");
    let path = format!("/v1/webhook-endpoints/{}", text(&made, "id"));
    rig.reveals(&format!("POST {path}/rotate-secret"), &Value::Null, "/signingSecret");
    let options = json!({ "platform": "sandbox", "class": "blind", "faults": ["rejected"] });
    let refused =
        json!({ "targets": [{ "platform": "sandbox", "options": options }], "text": "refused" });
    let batch = rig.good("POST /v1/posts", &refused);
    let doubtful = options.to_string().replace("rejected", "timeout_after_send");
    let doubtful: Value = serde_json::from_str(&doubtful).expect("JSON");
    let body =
        json!({ "targets": [{ "platform": "sandbox", "options": doubtful }], "text": "unknown" });
    let other = rig.good("POST /v1/posts", &body);
    until("every event is told", || hook.heard().len() >= 2);
    rig.good(&format!("POST {path}/test"), &Value::Null);
    rig.good(&format!("GET {path}/deliveries"), &Value::Null);
    [batch, other].map(|batch| text(&batch, "id").to_owned()).into()
}

/// Everything that can be read.
fn read_all(rig: &mut Rig, batches: &[String]) {
    for list in ["accounts", "profiles", "api-keys", "webhook-endpoints", "events", "media"] {
        rig.good(&format!("GET /v1/{list}"), &Value::Null);
    }
    let posts = rig.good("GET /v1/posts?limit=200", &Value::Null);
    for post in support::rows(&posts) {
        rig.good(&format!("GET /v1/posts/{}", text(post, "id")), &Value::Null);
    }
    rig.good("GET /v1/sandbox/timeline", &Value::Null);
    for batch in batches {
        for args in [["batch", "show", batch], ["batch", "journal", batch]] {
            let said = rig.cli(&args);
            assert!(said.contains("sandbox"), "{args:?}: {said}");
        }
    }
    for args in [
        &["batch", "list"][..],
        &["keys", "list"],
        &["accounts", "list"],
        &["webhooks", "list"],
        &["journal", "verify"],
    ] {
        rig.cli(args);
    }
}

#[test]
fn a_secret_is_told_once_and_stands_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let provider = provider::provider().map(|it| (it, Tap::on(&it.base)));
    let mut settings = settings(provider.as_ref().map(|(provider, tap)| (*provider, tap)));
    let host = host::host().map(|it| (it, Tap::on(&it.base)));
    if let Some((host, tap)) = &host {
        settings.push(format!("bluesky.plc_url={}", host.directory(&tap.base)));
    }
    let life = Life::begin(&data, 1, &settings);
    let file = |name: &str| {
        let text = std::fs::read_to_string(data.join(name)).expect("it is there");
        text.trim().to_owned()
    };
    let mut rig = Rig { life, owner: file("initial-key"), secrets: vec![], heard: vec![] };
    let owner = rig.owner.clone();
    rig.keep("the first key", &owner);
    rig.keep("the key of the seals", &file("secret-key"));

    let hook = Receiver::answering(|_, n| if n == 0 { 500 } else { 204 });
    failures(&mut rig);
    let batches = work(&mut rig, &hook);
    if let Some((provider, tap)) = &provider {
        consent(&mut rig, provider, tap);
    }
    if let Some((host, tap)) = &host {
        bluesky(&mut rig, host, tap);
    }
    read_all(&mut rig, &batches);
    rig.life.end();

    // Another life on the same folder, which finds everything again and logs for machines.
    let json = [settings, vec!["log.format=json".to_owned()]].concat();
    let first = std::mem::replace(&mut rig.life, Life::begin(&data, 2, &json));
    read_all(&mut rig, &batches);
    rig.life.end();
    read_all_off(&mut rig, &batches);

    let shown = [&first, &rig.life].map(|life| life.said().contains(&owner));
    assert_eq!(shown, [true, false], "the first key is shown at the first start alone");
    let secrets = &rig.secrets;
    for life in [&first, &rig.life] {
        let log = life.log();
        assert!(log.contains("fanfare"), "it says something: {log}");
        scan(secrets, "the log", log.as_bytes());
        let said = life.said().replace(&owner, "(shown once)");
        scan(secrets, "standard output", said.as_bytes());
    }
    for (what, said) in &rig.heard {
        scan(secrets, &format!("the answer to {what}"), said.as_bytes());
    }
    for heard in hook.heard() {
        scan(secrets, "what an endpoint is told", &heard.body);
        scan(secrets, "what an endpoint is told", format!("{:?}", heard.headers).as_bytes());
    }
    let mut kept = Vec::new();
    files(&data, &mut kept);
    let whole: Vec<u8> = kept.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let found = |text: &str| whole.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(
        found("refused") && found("lmp_live_"),
        "what is no secret is found, so the search works"
    );
    for (name, bytes) in &kept {
        scan(secrets, &format!("the file {name}"), bytes);
    }
}

/// What the command line reads when no server runs.
fn read_all_off(rig: &mut Rig, batches: &[String]) {
    for batch in batches {
        rig.cli(&["batch", "journal", batch]);
    }
    rig.cli(&["journal", "verify"]);
}
