//! Connecting accounts by consent at a real OAuth provider on loopback. Needs `tests/oauth/install`
//! once; without it the tests that need it pass, and one line says that they were skipped.

mod access;
mod ahead;
mod house;
mod provider;
mod states;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provider::{Provider, provider};
use serde_json::{Value, json};
use support::{Answer, Server, send, start};

/// A server that is set up for X and LinkedIn.
struct Rig {
    provider: &'static Provider,
    server: Server,
    data: PathBuf,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// `None` where there is no provider.
    fn new(settings: &[&str]) -> Option<Self> {
        let provider = provider()?;
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mut all = vec!["upstream.allow_private=true".to_owned()];
        for platform in ["twitter", "linkedin"] {
            let (id, secret) = Provider::app(platform);
            all.push(format!("oauth.{platform}.client_id={id}"));
            all.push(format!("oauth.{platform}.client_secret={secret}"));
            for (name, url) in provider.addresses(platform) {
                all.push(format!("oauth.{platform}.{name}={url}"));
            }
        }
        all.extend(settings.iter().map(|one| (*one).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let server = start(&data, &all);
        Some(Self { provider, server, data, _folder: folder })
    }

    /// Begins a connect; gives its descriptor.
    #[track_caller]
    fn begin(&self, platform: &str, body: &Value) -> Value {
        let path = format!("/v1/accounts/connect/{platform}");
        let answer = self.server.send("POST", &path, &[], body.to_string().as_bytes());
        let value = answer.json();
        assert_eq!((answer.status, &value["state"]), (200, &json!("live")), "{value}");
        assert_eq!(value["platform"], platform);
        value["descriptor"].clone()
    }

    /// Begins a connect and consents; gives the descriptor and the path to come back by.
    #[track_caller]
    fn consented(&self, platform: &str, who: &str, body: &Value) -> (Value, String) {
        let descriptor = self.begin(platform, body);
        let url = self.provider.consent(&text(&descriptor["authorizationUrl"]), who);
        let path = url.strip_prefix(&self.server.base).expect("back to the server").to_owned();
        (descriptor, path)
    }

    /// Comes back, as a browser does: without a key.
    fn come_back(&self, path: &str) -> Answer {
        send(&self.server.base, None, "GET", path, &[], b"").expect("the server answers")
    }

    fn complete(&self, platform: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let path = format!("/v1/accounts/connect/{platform}/complete");
        self.server.send("POST", &path, headers, body.to_string().as_bytes())
    }

    /// The accounts of a platform.
    fn accounts(&self, platform: &str) -> Vec<Value> {
        let all = self.server.get("/v1/accounts").json();
        let all = all["data"].as_array().expect("a list").clone();
        all.into_iter().filter(|account| account["platform"] == platform).collect()
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A member of the query of an address.
fn member(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse("http://h").and_then(|base| base.join(url)).expect("an address");
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// What a client completes a connect with after it caught the person itself.
fn brought_back(descriptor: &Value, path: &str) -> Value {
    json!({
        "code": member(path, "code"),
        "state": member(path, "state"),
        "redirectUri": descriptor["redirectUri"],
        "codeVerifier": descriptor["codeVerifier"],
    })
}

#[test]
fn a_person_consents_and_the_account_is_there() {
    let Some(rig) = Rig::new(&[]) else { return };
    let redirect = |platform| format!("{}/v1/accounts/oauth/{platform}/callback", rig.server.base);
    for (platform, id, name) in
        [("twitter", "x-ida", "ida"), ("linkedin", "ida", "ida of the test")]
    {
        let (descriptor, path) = rig.consented(platform, "ida", &json!({}));
        assert_eq!(descriptor["kind"], "oauth");
        assert_eq!(descriptor["redirectUri"], redirect(platform));
        let url = text(&descriptor["authorizationUrl"]);
        let scopes = member(&url, "scope").expect("scopes");
        let scopes: Vec<&str> = scopes.split(' ').collect();
        assert_eq!(descriptor["scopes"], json!(scopes));
        assert_eq!(member(&url, "state"), descriptor["state"].as_str().map(str::to_owned));
        // The proof goes with X alone, and what it is made of stays here.
        assert_eq!(descriptor["codeVerifier"].is_string(), platform == "twitter");
        assert_eq!(member(&url, "code_challenge").is_some(), platform == "twitter");
        if let Some(verifier) = descriptor["codeVerifier"].as_str() {
            assert!(!url.contains(verifier) && !path.contains(verifier));
        }
        let page = rig.come_back(&path);
        let shown = String::from_utf8_lossy(&page.body).into_owned();
        assert_eq!(page.status, 200, "{shown}");
        assert!(shown.contains(&format!("{platform}: {name} is connected")), "{shown}");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let accounts = rig.accounts(platform);
        assert_eq!(accounts.len(), 1);
        assert_eq!(accounts[0]["platformAccountId"], id);
        assert_eq!(accounts[0]["displayName"], name);
        assert!(accounts[0]["tokenExpiresAt"].is_string(), "{}", accounts[0]);
        // Once more: the same account, renewed.
        let (_, path) = rig.consented(platform, "ida", &json!({}));
        assert_eq!(rig.come_back(&path).status, 200);
        let again = rig.accounts(platform);
        assert_eq!((again.len(), &again[0]["id"]), (1, &accounts[0]["id"]));
    }
    assert_eq!(rig.accounts("twitter")[0]["profileId"], rig.accounts("linkedin")[0]["profileId"]);
}

#[test]
fn a_state_is_good_for_one_connect() {
    let dashboard = ["server.dashboard_url=http://dash.example/"];
    let Some(rig) = Rig::new(&dashboard) else { return };
    let (_, path) = rig.consented("twitter", "una", &json!({}));
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let racing: Vec<_> = (0..4).map(|_| scope.spawn(|| rig.come_back(&path))).collect();
        racing.into_iter().map(|one| one.join().expect("it answers")).collect()
    });
    let mut told: Vec<&str> = answers.iter().filter_map(|one| one.header("location")).collect();
    told.sort_unstable();
    let used = "http://dash.example/accounts?connect_error=invalid_state_used&platform=twitter";
    let won = "http://dash.example/accounts?connected=twitter&accounts=1";
    assert_eq!(told, [used, used, used, won]);
    assert!(answers.iter().all(|one| one.status == 302));
    assert_eq!(rig.come_back(&path).header("location"), Some(used));
    assert_eq!(rig.accounts("twitter").len(), 1);
    assert_eq!(rig.provider.count("una authorization_code"), 1);
}

#[test]
fn people_are_sent_where_they_may_be_and_told_what_went_wrong() {
    let settings =
        ["server.dashboard_url=http://dash.example", "server.trusted_origins=https://app.example"];
    let Some(rig) = Rig::new(&settings) else { return };
    let location = |path: &str| {
        let answer = rig.come_back(path);
        assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.body));
        answer.header("location").expect("a location").to_owned()
    };
    let connected = "connected=twitter&accounts=1";
    for (asked, expected) in [
        ("https://app.example/done?tab=2", format!("https://app.example/done?tab=2&{connected}")),
        ("http://dash.example/x#top", format!("http://dash.example/x?{connected}#top")),
        ("https://evil.example/", format!("http://dash.example/accounts?{connected}")),
        ("https://app.example.evil.example/", format!("http://dash.example/accounts?{connected}")),
        ("javascript:alert(1)", format!("http://dash.example/accounts?{connected}")),
    ] {
        let (_, path) = rig.consented("twitter", "vera", &json!({ "returnTo": asked }));
        assert_eq!(location(&path), expected, "{asked}");
        // What is not allowed is dropped before anything is signed.
        let state = member(&path, "state").expect("a state");
        let payload = URL_SAFE_NO_PAD.decode(state.split('.').next().expect("a part"));
        let payload: Value = serde_json::from_slice(&payload.expect("base64")).expect("JSON");
        assert_eq!(payload["returnTo"].is_null(), expected.contains("/accounts?"), "{payload}");
    }
    // A person who says no goes where they wanted to be, too.
    let body = json!({ "returnTo": "https://app.example/" });
    let (_, path) = rig.consented("twitter", "nobody", &body);
    let denied = "connect_error=access_denied&platform=twitter";
    assert_eq!(location(&path), format!("https://app.example/?{denied}"));

    let callback = "/v1/accounts/oauth/twitter/callback";
    let descriptor = rig.begin("twitter", &json!({}));
    let state = text(&descriptor["state"]);
    let (payload, tag) = state.split_once('.').expect("two parts");
    let other = text(&rig.begin("linkedin", &json!({}))["state"]);
    let other_tag = other.split_once('.').expect("two parts").1;
    for (query, error) in [
        ("error=a%20b&code=c&state=s".to_owned(), "a+b"),
        (format!("state={state}"), "missing_params"),
        ("code=c".to_owned(), "missing_params"),
        (String::new(), "missing_params"),
        (format!("code=c&state={payload}"), "invalid_state_malformed"),
        (format!("code=c&state=x.{tag}"), "invalid_state_malformed"),
        (format!("code=c&state={payload}.{other_tag}"), "invalid_state_bad_signature"),
        (format!("code=c&state={other}"), "platform_mismatch"),
    ] {
        let expected =
            format!("http://dash.example/accounts?connect_error={error}&platform=twitter");
        assert_eq!(location(&format!("{callback}?{query}")), expected);
    }
    // What the platform says to the code is told in full.
    let told = location(&format!("{callback}?code=made-up&state={state}"));
    assert_eq!(member(&told, "connect_error").as_deref(), Some("platform_auth_failed"));
    assert_eq!(member(&told, "connect_rule").as_deref(), Some("twitter.oauth.code_exchange"));
    assert!(member(&told, "connect_message").is_some_and(|text| text.contains("code")));
    assert!(member(&told, "connect_remediation").is_some_and(|text| text.contains("again")));

    let answer = rig.come_back("/v1/accounts/oauth/myspace/callback?code=c&state=s");
    assert_eq!((answer.status, answer.rule().as_str()), (400, "platform"));
    assert_eq!(rig.accounts("twitter").len(), 1);
}

#[test]
fn the_page_shows_nothing_that_a_stranger_wrote() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &[]);
    let page = |query: &str| {
        let path = format!("/v1/accounts/oauth/twitter/callback?{query}");
        let answer = send(&server.base, None, "GET", &path, &[], b"").expect("it answers");
        assert_eq!(answer.status, 400);
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    assert!(page("error=access_denied").contains("twitter answered: access_denied. Begin"));
    let shown = page("error=%3Cscript%3Ealert(1)%3C/script%3E%20call%20555");
    assert!(!shown.contains("script") && !shown.contains("555"), "{shown}");
    assert!(page("code=c&state=s").contains("not one that this server made"));
}

#[test]
fn a_client_completes_with_the_right_proof_and_once() {
    let Some(rig) = Rig::new(&[]) else { return };
    let (descriptor, path) = rig.consented("twitter", "wilma", &json!({}));
    let good = brought_back(&descriptor, &path);
    for (field, rule) in [
        ("code", "code"),
        ("state", "state"),
        ("redirectUri", "redirectUri"),
        ("codeVerifier", "codeVerifier"),
    ] {
        let mut body = good.clone();
        body[field] = json!("");
        let answer = rig.complete("twitter", &[], &body);
        assert_eq!((answer.status, answer.rule().as_str()), (400, rule));
    }
    let mut body = good.clone();
    body["redirectUri"] = json!("no URL");
    assert_eq!(rig.complete("twitter", &[], &body).rule(), "redirectUri");
    let refused = |platform: &str, body: &Value| {
        let answer = rig.complete(platform, &[], body);
        assert_eq!((answer.status, answer.rule().as_str()), (400, "state"), "{body}");
    };
    refused("linkedin", &good);
    body = good.clone();
    body["state"] = json!(format!("{}x", text(&good["state"])));
    refused("twitter", &body);

    // None of that has used the state up.
    let key = [("Idempotency-Key", "connect wilma")];
    let first = rig.complete("twitter", &key, &good);
    assert_eq!(first.status, 201, "{}", first.json());
    assert_eq!(first.json()["platformAccountId"], "x-wilma");
    let again = rig.complete("twitter", &key, &good);
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    refused("twitter", &good);
    assert_eq!(rig.provider.count("wilma authorization_code"), 1);

    let (descriptor, path) = rig.consented("twitter", "wilma", &json!({}));
    let mut wrong = brought_back(&descriptor, &path);
    wrong["codeVerifier"] = json!("w".repeat(43));
    let answer = rig.complete("twitter", &[], &wrong);
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["code"]), (401, &json!("platform_auth_failed")), "{error}");
    assert_eq!(error["rule"], "twitter.oauth.code_exchange");
    assert_eq!(error["platformResponse"]["body"]["error"], "invalid_grant");
    // The code could be tried again with the right proof; the state cannot.
    refused("twitter", &brought_back(&descriptor, &path));

    let (descriptor, path) = rig.consented("twitter", "wilma", &json!({}));
    let renewed = rig.complete("twitter", &[], &brought_back(&descriptor, &path));
    assert_eq!((renewed.status, &renewed.json()["id"]), (200, &first.json()["id"]));
}

#[test]
fn a_limited_key_does_not_renew_what_another_profile_has() {
    let Some(rig) = Rig::new(&[]) else { return };
    let base = &rig.server.base;
    let ask = |key: &str, path: &str, body: &Value| {
        send(base, Some(key), "POST", path, &[], body.to_string().as_bytes()).expect("heard")
    };
    let owner = rig.server.key.clone();
    let made = |path: &str, body: Value| {
        let answer = ask(&owner, path, &body);
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()
    };
    let profile = text(&made("/v1/profiles", json!({ "name": "theirs" }))["id"]);
    let key = json!({ "name": "k", "scopes": ["admin"], "profileId": profile });
    let limited = text(&made("/v1/api-keys", key)["key"]);
    let (_, path) = rig.consented("twitter", "ida", &json!({}));
    assert_eq!(rig.come_back(&path).status, 200);
    let before = rig.accounts("twitter");
    // Whoever begins with a limited key is limited when they come back without any.
    let begun = |who: &str| {
        let begun = ask(&limited, "/v1/accounts/connect/twitter", &json!({})).json();
        let url = rig.provider.consent(&text(&begun["descriptor"]["authorizationUrl"]), who);
        let path = url.strip_prefix(base).expect("back to the server").to_owned();
        (begun["descriptor"].clone(), path)
    };
    let (_, path) = begun("ida");
    let page = rig.come_back(&path);
    let said = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!(page.status, 400, "{said}");
    assert!(said.contains("may not act on"), "{said}");
    let complete = "/v1/accounts/connect/twitter/complete";
    let (descriptor, path) = begun("ida");
    let answer = ask(&limited, complete, &brought_back(&descriptor, &path));
    let error = &answer.json()["error"];
    let said = (answer.status, error["rule"].as_str());
    assert_eq!(said, (404, Some("api_key.profile_scope")), "{error}");
    let theirs = text(&before[0]["profileId"]);
    for known in [text(&before[0]["id"]), text(&before[0]["displayName"]), theirs] {
        assert!(!error.to_string().contains(&known), "{error}");
    }
    assert_eq!(rig.accounts("twitter"), before, "nothing of it has changed");
    // An account that nobody has goes to the key's own profile, on either way.
    let (_, path) = begun("joe");
    assert_eq!(rig.come_back(&path).status, 200);
    let (descriptor, path) = begun("joe");
    let renewed = ask(&limited, complete, &brought_back(&descriptor, &path));
    assert_eq!((renewed.status, &renewed.json()["profileId"]), (200, &json!(profile)));
}

#[test]
fn what_is_not_set_up_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["oauth.twitter.client_id=only"]);
    let ask = |path: &str, body: &str| {
        let path = format!("/v1/accounts/connect/{path}");
        let answer = server.send("POST", &path, &[], body.as_bytes());
        (answer.status, answer.json()["error"].clone())
    };
    for path in ["twitter", "twitter/complete"] {
        let (status, error) = ask(path, "{}");
        assert_eq!((status, &error["code"]), (403, &json!("platform_not_enabled")), "{error}");
        let remedy = text(&error["remediation"]);
        let callback = format!("{}/v1/accounts/oauth/twitter/callback", server.base);
        for part in ["[oauth.twitter]", "FANFARE_OAUTH_TWITTER_CLIENT_SECRET", &callback] {
            assert!(remedy.contains(part), "{remedy}");
        }
    }
    assert_eq!(ask("facebook", "").0, 403);
    assert_eq!(ask("myspace", "").1["rule"], "platform");
    // A platform without consent is described as before, whatever the body is.
    for body in ["", "{", "[]", r#"{"profileId":7,"returnTo":{}}"#] {
        assert_eq!(ask("bluesky", body).0, 200, "{body}");
    }
    let unknown = r#"{"profileId":"00000000-0000-0000-0000-000000000000"}"#;
    assert_eq!(ask("bluesky", unknown).1["rule"], "profile.unknown");
}

#[test]
fn nothing_secret_lies_open_on_the_disk() {
    let Some(rig) = Rig::new(&[]) else { return };
    let (descriptor, path) = rig.consented("twitter", "xenia", &json!({}));
    assert_eq!(rig.come_back(&path).status, 200);
    let pending = rig.begin("twitter", &json!({}));
    let everything = bytes_below(&rig.data);
    let holds = |text: &str| everything.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(holds("x-xenia"), "the account itself can be found, so the search works");
    for descriptor in [&descriptor, &pending] {
        assert!(!holds(&text(&descriptor["codeVerifier"])), "a code verifier lies open");
    }
    assert!(!holds("s3cret") && !holds("refreshToken") && !holds("accessToken"));
}

/// All bytes of all files of a folder.
fn bytes_below(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => all.extend(bytes_below(&path)),
            Ok(found) if found.is_file() => all.extend(std::fs::read(&path).unwrap_or_default()),
            // A socket, or a file that has just been replaced.
            _ => {}
        }
    }
    all
}
