//! Section 17.5: what Meta asks of whoever has an app there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::model::{Account, AccountId, Platform};
use fanfare::store::{Key, Record, Sled, Store as _, Write};
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{Answer, Server, from_now, rows, send, start, text};
use crate::{COMPLETE, DAY};

/// The secrets of two apps, as the settings say them.
const SETTINGS: [&str; 2] =
    ["oauth.facebook.client_secret=first s3cret", "oauth.threads.client_secret=second s3cret"];
const FIRST: &str = "first s3cret";
const SECOND: &str = "second s3cret";
const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
const DELETE: &str = "/data-deletion/meta";
const DEAUTH: &str = "/deauth/meta";

/// A server with accounts at Meta, each with a post that waits.
struct Rig {
    server: Server,
    folder: tempfile::TempDir,
}

impl Rig {
    /// No platform of Meta's can be connected yet: accounts of the sandbox are made into theirs
    /// while no server runs.
    fn new(accounts: &[(Platform, &str, Value)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let server = start(&data, &[]);
        let connect = |n: usize| {
            let body = json!({ "name": format!("n{n}") }).to_string();
            let (_, path) = COMPLETE.split_once(' ').expect("a method and a path");
            let made = server.send("POST", path, &[], body.as_bytes()).json();
            let waits = json!({ "targets": [{ "accountId": made["id"] }], "text": "x",
                "scheduledAt": from_now(DAY) });
            assert_eq!(server.post(&waits.to_string()).status, 202);
            text(&made, "id").parse::<AccountId>().expect("an id")
        };
        let made: Vec<AccountId> = (0..accounts.len()).map(connect).collect();
        server.kill();
        let store = Sled::open(&data.join("store")).expect("nobody holds it");
        let epoch = store.begin_epoch().expect("an epoch");
        for (id, (platform, own, settings)) in made.into_iter().zip(accounts) {
            let key = Key::Account(id);
            let Ok(Some(Record::Account(old))) = store.get(&key) else { panic!("it is there") };
            let account = Account {
                platform: *platform,
                platform_account_id: (*own).to_owned(),
                settings: settings.to_string(),
                ..old
            };
            store.commit(epoch, &[Write::Put(key, Record::Account(account))]).expect("room");
        }
        store.flush().expect("kept");
        drop(store);
        Self { server: start(&data, &SETTINGS), folder }
    }

    fn call(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(&self.server.base, None, "POST", path, headers, body.as_bytes()).expect("heard")
    }

    /// As Meta calls.
    fn told(&self, path: &str, signed: &str) -> Answer {
        self.call(path, &FORM, &format!("signed_request={signed}"))
    }

    /// The connected accounts but for the sandbox's own, as their platforms know them.
    fn connected(&self) -> Vec<String> {
        let all = self.server.get("/v1/accounts").json();
        let name =
            |one: &Value| format!("{} {}", text(one, "platform"), text(one, "platformAccountId"));
        let mut names: Vec<String> = rows(&all).iter().map(name).collect();
        names.retain(|name| name != "sandbox sandbox");
        names.sort();
        names
    }

    fn posts(&self, status: &str) -> usize {
        rows(&self.server.get(&format!("/v1/posts?status={status}")).json()).len()
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        rows(&self.server.get(&format!("/v1/events?type={kind}")).json()).to_vec()
    }

    fn page(&self, query: &str) -> String {
        let path = format!("/data-deletion/status{query}");
        let answer = send(&self.server.base, None, "GET", &path, &[], b"").expect("heard");
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.header(name), Some(value));
        }
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        String::from_utf8(answer.body).expect("UTF-8")
    }
}

/// As Meta's documentation says: `base64url(HMAC-SHA256(payload))` `.` `payload`, where the payload
/// is base64url too.
fn signed(secret: &str, payload: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, payload.as_bytes()));
    format!("{tag}.{payload}")
}

fn of(user: &str) -> Value {
    json!({ "algorithm": "HMAC-SHA256", "expires": 0, "issued_at": now(), "user_id": user })
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[track_caller]
fn bare(answer: &Answer, status: u16, word: &str) {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!((answer.status, body), (status, format!("{{\"error\":\"{word}\"}}")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-request-id").is_some());
}

#[test]
fn a_person_is_forgotten_as_their_accounts_are_removed() {
    let rig = Rig::new(&[
        (Platform::Facebook, "person", json!({})),
        (Platform::Instagram, "person", json!({})),
        (Platform::Threads, "person", json!({})),
        (Platform::Facebook, "a-page", json!({ "metaUserId": "person" })),
        (Platform::Facebook, "somebody", json!({ "metaUserId": "else" })),
        (Platform::Linkedin, "person", json!({ "metaUserId": "person" })),
    ]);
    assert_eq!((rig.connected().len(), rig.posts("queued")), (6, 6));
    let answer = rig.told(DELETE, &signed(FIRST, &of("person")));
    let value = answer.json();
    assert_eq!(answer.status, 200, "{value}");
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(2), "{value}");
    let code = text(&value, "confirmation_code");
    assert!(code.starts_with("lmp_") && code.len() == 40, "{code}");
    let url = format!("{}/data-deletion/status?code={code}", rig.server.base);
    assert_eq!(text(&value, "url"), url);
    // Once it is confirmed it is done, also after a kill at that very moment.
    let Rig { server, folder } = rig;
    server.kill();
    let rig = Rig { server: start(&folder.path().join("data"), &SETTINGS), folder };
    assert_eq!(rig.connected(), ["facebook somebody", "linkedin person"]);
    assert_eq!((rig.posts("canceled"), rig.posts("queued")), (4, 2));
    assert_eq!(rig.events("post.canceled").len(), 4, "each is told");
    let page = rig.page(&format!("?code={code}"));
    assert!(page.contains(&format!("Request {code} is done.")), "{page}");
    // Meta's apps have secrets of their own, and JSON is understood as well.
    let body = json!({ "signed_request": signed(SECOND, &of("somebody")) });
    let answer = rig.call(DELETE, &JSON, &body.to_string());
    assert_eq!(answer.status, 200);
    assert_eq!(rig.connected(), ["linkedin person"]);
    // Who is not known is forgotten already.
    let again = rig.told(DELETE, &signed(FIRST, &of("person")));
    assert_eq!(again.status, 200);
    assert_ne!(text(&again.json(), "confirmation_code"), code, "each request has its own");
    assert_eq!(rig.connected(), ["linkedin person"]);
}

#[test]
fn a_removed_app_is_told_and_takes_nothing_along() {
    let rig = Rig::new(&[
        (Platform::Threads, "person", json!({})),
        (Platform::Instagram, "somebody", json!({})),
    ]);
    for _ in 0..2 {
        let answer = rig.told(DEAUTH, &signed(SECOND, &of("person")));
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"".as_slice()));
    }
    let told = rig.events("token.revoked");
    assert_eq!(told.len(), 1, "once: {told:?}");
    let data = &told[0]["data"];
    assert_eq!((text(data, "platform"), text(data, "platformAccountId")), ("threads", "person"));
    assert_eq!(text(data, "reason"), "the person removed the app at Meta");
    assert_eq!(rig.connected(), ["instagram somebody", "threads person"]);
    assert_eq!(rig.posts("queued"), 2, "they wait for a new connect");
    // An old call that somebody sends again says nothing of what was connected since.
    let mut old = of("somebody");
    old["issued_at"] = json!(now() - 3_600);
    for path in [DEAUTH, DELETE] {
        assert_eq!(rig.told(path, &signed(FIRST, &old)).status, 200, "{path}");
    }
    assert_eq!(rig.events("token.revoked").len(), 1);
    assert_eq!(rig.connected(), ["instagram somebody", "threads person"]);
}

#[test]
fn what_meta_did_not_sign_is_refused_in_bare_words() {
    let rig = Rig::new(&[(Platform::Facebook, "person", json!({}))]);
    let good = signed(FIRST, &of("person"));
    let (tag, payload) = good.split_once('.').expect("two parts");
    let other = signed(FIRST, &of("somebody"));
    let (_, other) = other.split_once('.').expect("two parts");
    let unsound = json!({ "user_id": "person", "algorithm": "HMAC-MD5" });
    let nobody = json!({ "algorithm": "HMAC-SHA256" });
    for path in [DELETE, DEAUTH] {
        for (headers, body) in [
            (&FORM[..], ""),
            (&FORM, "signed_request="),
            (&FORM, "signed=x"),
            (&FORM, r#"{"signed_request":"x"}"#),
            (&JSON, ""),
            (&JSON, "{"),
            (&JSON, "[]"),
            (&JSON, r#"{"signed_request":7}"#),
            (&[], ""),
        ] {
            bare(&rig.call(path, headers, body), 400, "signed_request_missing");
        }
        for text in [
            "x",
            ".",
            payload,
            &format!("{tag}.{other}"),
            &format!(".{payload}"),
            &signed("another s3cret", &of("person")),
            &signed("", &of("person")),
            &signed(FIRST, &unsound),
            &signed(FIRST, &nobody),
        ] {
            bare(&rig.told(path, text), 400, "signed_request_invalid");
        }
        let long = format!("{}{good}", "x".repeat(16 << 10));
        let refused = rig.told(path, &long);
        bare(&refused, 413, "body_size_max");
        assert_eq!(refused.header("connection"), Some("close"));
        let asked = send(&rig.server.base, None, "OPTIONS", path, &[], b"").expect("heard");
        assert_eq!(asked.status, 204);
        let got = rig.server.get(path);
        crate::refused(&got, 404, "http.route", path);
    }
    assert_eq!(rig.connected(), ["facebook person"]);
    assert_eq!(rig.events("token.revoked"), Vec::<Value>::new());
}

#[test]
fn without_an_app_at_meta_nothing_is_answered_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &["oauth.threads.client_secret="]);
    let rig = Rig { server, folder };
    for body in ["", &format!("signed_request={}", signed("", &of("person")))] {
        let answer = rig.call(DELETE, &FORM, body);
        bare(&answer, 503, "data_deletion_callback_not_configured");
        bare(&rig.call(DEAUTH, &FORM, body), 503, "deauth_callback_not_configured");
    }
    assert!(rig.page("").contains("names no confirmation code"));
}

#[test]
fn the_page_tells_what_it_knows_and_runs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &SETTINGS);
    let rig = Rig { server, folder };
    let page = rig.page("?code=%3Cscript%3E%22%27%26");
    assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;") && !page.contains("<script"), "{page}");
    assert!(page.contains("did not give that code"), "{page}");
    let page = rig.page(&format!("?code={}b", "\u{e4}".repeat(200)));
    assert!(page.contains(&"\u{e4}".repeat(200)) && !page.contains("\u{e4}b"), "{page}");
    for query in ["", "?", "?code=", "?other=x"] {
        assert!(rig.page(query).contains("names no confirmation code"), "{query}");
    }
    let made_up = "lmp_019ac3d2-5b0b-8c41-9f0e-6d2f4c7a1b3e";
    assert!(rig.page(&format!("?code={made_up}")).contains("did not give that code"));
    let given = rig.told(DELETE, &signed(FIRST, &of("nobody"))).json();
    let path = text(&given, "url").strip_prefix(&rig.server.base).expect("here").to_owned();
    let query = path.strip_prefix("/data-deletion/status").expect("the page");
    assert!(rig.page(query).contains("is done"));
    assert!(!rig.page(&format!("{query}0")).contains("is done"));
}
