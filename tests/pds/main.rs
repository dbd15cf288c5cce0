//! Publishing to a real Bluesky host on loopback. Needs `tests/pds/install` once; without it every
//! test passes and one line says that they were skipped.

mod host;
mod identity;
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host::{Host, Login, host};
use proxy::Proxy;
use serde_json::{Value, json};
use support::{Answer, Server, start, until};

const SETTINGS: &[&str] = &["upstream.allow_private=true"];
const COMPLETE: &str = "/v1/accounts/connect/bluesky/complete";
/// One grey pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA\
                   AABJRU5ErkJggg==";

/// A server with an account connected.
struct Rig {
    host: &'static Host,
    server: Server,
    data: PathBuf,
    account: String,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// `None` where there is no host. The server speaks to `base`, or to the host itself.
    fn new(base: Option<&str>) -> Option<Self> {
        Self::with(base, |_| Vec::new())
    }

    /// As `new`, with settings of its own for which files may be laid in the folder given.
    fn with(base: Option<&str>, own: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let host = host()?;
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let spoken_to = base.unwrap_or(&host.base);
        let mut own = own(folder.path());
        own.push(format!("bluesky.plc_url={}", host.directory(spoken_to)));
        let settings: Vec<&str> =
            SETTINGS.iter().copied().chain(own.iter().map(String::as_str)).collect();
        let server = start(&data, &settings);
        let answer = connect(&server, &host.ada, spoken_to);
        assert_eq!(answer.status, 201, "{}", answer.json());
        let account = text(&answer.json()["id"]);
        Some(Self { host, server, data, account, _folder: folder })
    }

    /// A request on the account, with these members beside its target.
    fn body(&self, text: &str, members: Value) -> Value {
        let mut body = json!({ "targets": [{ "accountId": self.account }], "text": text });
        for (name, value) in members.as_object().expect("members") {
            body[name] = value.clone();
        }
        body
    }

    /// Publishes now; gives the one result, which must be a success.
    #[track_caller]
    fn publish(&self, body: &Value) -> Value {
        let answer = self.server.post(&body.to_string());
        let batch = answer.json();
        assert_eq!((answer.status, &batch["status"]), (200, &json!("published")), "{batch}");
        batch["results"][0].clone()
    }

    /// The record that a result says it became.
    #[track_caller]
    fn record(&self, result: &Value) -> Value {
        self.host.record(&text(&result["uri"]))["value"].clone()
    }
}

fn connect(server: &Server, login: &Login, base: &str) -> Answer {
    let body = json!({
        "identifier": login.handle,
        "appPassword": login.app_password,
        "pdsUrl": base,
    });
    server.send("POST", COMPLETE, &[], body.to_string().as_bytes())
}

#[track_caller]
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn in_a_moment() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = i64::try_from(now.expect("after 1970").as_millis()).expect("it fits");
    fanfare::model::Timestamp::from_millis(millis + 1_500).to_string()
}

#[test]
fn a_limited_key_does_not_renew_what_another_profile_has() {
    let Some(rig) = Rig::new(None) else { return };
    let Rig { host, server, .. } = &rig;
    let made = |path: &str, body: Value| {
        let answer = server.send("POST", path, &[], body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()
    };
    let profile = text(&made("/v1/profiles", json!({ "name": "theirs" }))["id"]);
    let key = json!({ "name": "k", "scopes": ["admin"], "profileId": profile });
    let limited = text(&made("/v1/api-keys", key)["key"]);
    let connect = |login: &Login| {
        let body = json!({
            "identifier": login.handle,
            "appPassword": login.app_password,
            "pdsUrl": host.base,
        });
        let body = body.to_string();
        let sent =
            support::send(&server.base, Some(&limited), "POST", COMPLETE, &[], body.as_bytes());
        sent.expect("heard")
    };
    let before = server.get("/v1/accounts").json();
    let refused = connect(&host.ada);
    let error = &refused.json()["error"];
    let said = (refused.status, error["rule"].as_str());
    assert_eq!(said, (404, Some("api_key.profile_scope")), "{error}");
    assert!(!error.to_string().contains(&rig.account), "{error}");
    assert_eq!(server.get("/v1/accounts").json(), before, "nothing of it has changed");
    // The password of the account goes on publishing where it is.
    rig.publish(&rig.body("still here", json!({})));
    let own = connect(&host.grace);
    assert_eq!((own.status, &own.json()["profileId"]), (201, &json!(profile)));
    assert_eq!(connect(&host.grace).status, 200);
}

#[test]
fn an_account_is_connected_renewed_and_its_secrets_are_sealed() {
    let Some(rig) = Rig::new(None) else { return };
    let Rig { host, server, .. } = &rig;
    let again = connect(server, &host.ada, &host.base);
    assert_eq!((again.status, &again.json()["id"]), (200, &json!(rig.account)));
    assert_eq!(again.json()["platformAccountId"], json!(host.ada.did));
    assert_eq!(again.json()["displayName"], json!(host.ada.handle));

    let wrong = Login { app_password: "abcd-abcd-abcd-abcd".into(), ..host.ada.clone() };
    let refused = connect(server, &wrong, &host.base);
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (401, &json!("platform_auth_failed")), "{error}");
    assert!(text(&error["remediation"]).contains("app password"), "{error}");

    let nowhere = connect(server, &host.ada, "http://127.0.0.1:9");
    let error = &nowhere.json()["error"];
    assert_eq!((nowhere.status, &error["code"]), (503, &json!("platform_unavailable")), "{error}");

    let listed = server.get("/v1/accounts").json();
    let ours = |account: &&Value| account["id"] == json!(rig.account);
    let accounts = listed["data"].as_array().expect("a list");
    assert_eq!(accounts.iter().filter(ours).count(), 1, "{listed}");

    let everything = bytes_below(&rig.data);
    let holds = |text: &str| everything.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(holds(&host.ada.did), "the account itself can be found, so the search works");
    assert!(!holds(&host.ada.app_password), "an app password lies open on the disk");
    // Every token of a session begins like this.
    assert!(!holds("eyJ0eXAiOi"), "a token lies open on the disk");
}

/// All bytes of all files of a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
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

#[test]
fn the_command_line_connects_with_and_without_a_server() {
    let Some(host) = host() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let directory = format!("bluesky.plc_url={}", host.plc);
    let connect = |identifier: &str, password: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.args(["accounts", "connect", "bluesky", "--identifier", identifier, "--json"]);
        command.args(["--pds-url", &host.base, "--set", SETTINGS[0]]);
        command.args(["--set", &directory, "--data-dir"]).arg(&data);
        // As the README says: the password is given in the environment.
        command.env("FANFARE_APP_PASSWORD", password).current_dir(folder.path());
        command.output().expect("the binary is built")
    };
    let told = |output: &std::process::Output| -> Value {
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let (ada, grace) = (&host.ada, &host.grace);
    let offline = told(&connect(&ada.handle, &ada.app_password));
    assert_eq!(
        (&offline["platformAccountId"], &offline["created"]),
        (&json!(ada.did), &json!(true))
    );
    let server = start(&data, &[SETTINGS[0], &directory]);
    let again = told(&connect(&ada.handle, &ada.app_password));
    assert_eq!((&again["id"], &again["created"]), (&offline["id"], &json!(false)));
    assert_eq!(told(&connect(&grace.handle, &grace.app_password))["created"], true);
    let refused = connect(&ada.handle, "abcd-efgh-ijkl-mnop");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("app password"));
    assert_eq!(server.get("/v1/accounts").json()["data"].as_array().map(Vec::len), Some(3));
}

#[test]
fn an_account_that_changed_its_handle_signs_in_again() {
    let Some(host) = host() else { return };
    let _alone = host.alone();
    let folder = tempfile::tempdir().expect("a folder");
    let directory = format!("bluesky.plc_url={}", host.plc);
    let server = start(&folder.path().join("data"), &[SETTINGS[0], &directory]);
    let account = connect(&server, &host.edna, &host.base).json()["id"].clone();
    host.rename_edna();
    host.forget_sessions();
    let body = json!({ "targets": [{ "accountId": account }], "text": "under another name" });
    let batch = server.post(&body.to_string()).json();
    assert_eq!(batch["status"], "published", "{batch}");
    assert_eq!(host.posts(&host.edna, "under another name").len(), 1);
}

#[test]
fn links_mentions_and_tags_point_at_the_right_bytes() {
    let Some(rig) = Rig::new(None) else { return };
    let (grace, link) = (&rig.host.grace, "https://example.com/a?b=c");
    let said = format!("👩‍🚀 héllo @{} and @nobody.test: {link} #schön", grace.handle);
    let record = rig.record(&rig.publish(&rig.body(&said, json!({}))));
    assert_eq!(record["text"], json!(said));
    let facets = record["facets"].as_array().expect("facets");
    let found: Vec<(String, Value)> = facets
        .iter()
        .map(|facet| {
            let place = |name: &str| {
                usize::try_from(facet["index"][name].as_u64().expect("a place")).expect("it fits")
            };
            let slice = said.get(place("byteStart")..place("byteEnd")).expect("whole characters");
            (slice.to_owned(), facet["features"][0].clone())
        })
        .collect();
    let feature = |kind: &str, name: &str, value: &str| {
        let kind = format!("app.bsky.richtext.facet#{kind}");
        json!({ "$type": kind, name: value })
    };
    let mut expected = vec![
        (format!("@{}", grace.handle), feature("mention", "did", &grace.did)),
        (link.to_owned(), feature("link", "uri", link)),
        ("#schön".to_owned(), feature("tag", "tag", "schön")),
    ];
    for one in found {
        let place = expected.iter().position(|other| *other == one);
        expected.remove(place.unwrap_or_else(|| panic!("{one:?} was not to be pointed at")));
    }
    assert!(expected.is_empty(), "not pointed at: {expected:?}");
}

#[test]
fn an_image_arrives_with_its_description_and_its_size() {
    let Some(rig) = Rig::new(None) else { return };
    let media = json!([{ "kind": "image", "bytesBase64": PNG, "altText": "one grey pixel" }]);
    let result = rig.publish(&rig.body("an image", json!({ "media": media })));
    let embed = &rig.record(&result)["embed"];
    assert_eq!(embed["$type"], "app.bsky.embed.images");
    let [image] = embed["images"].as_array().expect("images").as_slice() else {
        panic!("one image was sent: {embed}")
    };
    assert_eq!(image["alt"], "one grey pixel");
    assert_eq!(image["aspectRatio"], json!({ "width": 1, "height": 1 }));
    assert_eq!(image["image"]["mimeType"], "image/png");
    let kept = rig.host.blob(&rig.host.ada, &text(&image["image"]["ref"]["$link"]));
    assert_eq!(kept, STANDARD.decode(PNG).expect("base64"));
}

#[test]
fn a_reply_knows_its_parent_and_the_root_of_its_thread() {
    let Some(rig) = Rig::new(None) else { return };
    let reference = |result: &Value| json!({ "uri": result["uri"], "cid": result["cid"] });
    let reply = |words: &str, parent: &Value| {
        let options = json!({
            "platform": "bluesky",
            "replyToUri": parent["uri"],
            "replyToCid": parent["cid"],
        });
        let mut body = rig.body(words, json!({}));
        body["targets"][0]["options"] = options;
        body
    };
    let root = rig.publish(&rig.body("a thread", json!({})));
    let first = rig.publish(&reply("a reply", &root));
    let second = rig.publish(&reply("a reply to the reply", &first));
    let expected = json!({ "root": reference(&root), "parent": reference(&root) });
    assert_eq!(rig.record(&first)["reply"], expected);
    let expected = json!({ "root": reference(&root), "parent": reference(&first) });
    assert_eq!(rig.record(&second)["reply"], expected);

    let mut gone = root;
    gone["uri"] = json!(format!("at://{}/app.bsky.feed.post/3aaaaaaaaaaaa", rig.host.ada.did));
    let answer = rig.server.post(&reply("a reply to nothing", &gone).to_string()).json();
    assert_eq!(answer["status"], "failed", "{answer}");
    let error = &answer["results"][0]["error"];
    assert_eq!(error["rule"], "bluesky.reply.parent_unknown", "{answer}");
    assert!(rig.host.posts(&rig.host.ada, "a reply to nothing").is_empty());
}

#[test]
fn a_first_comment_stands_under_its_post() {
    let Some(rig) = Rig::new(None) else { return };
    let members = json!({ "firstComment": { "text": "see https://example.com" } });
    let result = rig.publish(&rig.body("a post with a comment", members));
    let comment = rig.host.record(&text(&result["firstCommentUri"]));
    assert_eq!(comment["cid"], result["firstCommentCid"]);
    let comment = &comment["value"];
    assert_eq!(comment["text"], "see https://example.com");
    assert_eq!(comment["facets"][0]["index"], json!({ "byteStart": 4, "byteEnd": 23 }));
    let post = json!({ "uri": result["uri"], "cid": result["cid"] });
    assert_eq!(comment["reply"], json!({ "root": post, "parent": post }));
}

#[test]
fn attempts_that_overlap_renew_a_session_once() {
    let Some(host) = host() else { return };
    let _alone = host.alone();
    let wire = Proxy::start(&host.base);
    let Some(rig) = Rig::with(Some(&wire.base), many_at_once) else { return };
    host.expire_access();
    wire.gather_puts(8);
    let several: Vec<_> = (0..8).map(|n| rig.body(&format!("overlapped {n}"), json!({}))).collect();
    std::thread::scope(|scope| {
        for body in &several {
            scope.spawn(|| rig.publish(body));
        }
    });
    let calls = wire.calls();
    assert_eq!(count(&calls, "server.refreshSession"), 1, "{calls:?}");
    for n in 0..8 {
        assert_eq!(host.posts(&host.ada, &format!("overlapped {n}")).len(), 1);
    }
    // Each was refused with the old session, and then taken.
    assert_eq!(count(&calls, "repo.putRecord"), 16, "{calls:?}");
}

/// The built-in workflow takes an account's posts one by one, which would hide whether a session is
/// renewed by one at a time; this one lets them all go at once.
fn many_at_once(folder: &Path) -> Vec<String> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/publish/bluesky.toml");
    let built_in = std::fs::read_to_string(built_in).expect("it is there");
    let changed = built_in.replace("account_slots = 1\n", "account_slots = 8\n");
    assert_ne!(changed, built_in, "the built-in workflow serves one post at a time");
    let publish = folder.join("workflows/publish");
    std::fs::create_dir_all(&publish).expect("a folder");
    std::fs::write(publish.join("bluesky.toml"), changed).expect("a file");
    let workflows = folder.join("workflows");
    vec![format!("workflows.dir={}", workflows.display())]
}

/// How often a method was called.
fn count(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| call.as_str() == format!("com.atproto.{name}")).count()
}

#[test]
fn a_session_that_is_over_is_renewed_once_and_one_that_was_ended_is_made_anew() {
    let Some(host) = host() else { return };
    let _alone = host.alone();
    let wire = Proxy::start(&host.base);
    let Some(rig) = Rig::new(Some(&wire.base)) else { return };
    rig.publish(&rig.body("before", json!({})));
    assert_eq!(count(&wire.calls(), "server.refreshSession"), 0);

    host.expire_access();
    let several: Vec<_> = (0..5).map(|n| rig.body(&format!("renewed {n}"), json!({}))).collect();
    std::thread::scope(|scope| {
        for body in &several {
            scope.spawn(|| rig.publish(body));
        }
    });
    let calls = wire.calls();
    assert_eq!(count(&calls, "server.refreshSession"), 1, "{calls:?}");
    assert_eq!(count(&calls, "server.createSession"), 0, "{calls:?}");
    for n in 0..5 {
        assert_eq!(host.posts(&host.ada, &format!("renewed {n}")).len(), 1);
    }

    host.forget_sessions();
    rig.publish(&rig.body("made anew", json!({})));
    let calls = wire.calls();
    assert_eq!(count(&calls, "server.createSession"), 1, "{calls:?}");
    assert_eq!(host.posts(&host.ada, "made anew").len(), 1);
}

#[test]
fn a_kill_between_send_and_answer_leaves_one_record() {
    for scheduled in [false, true] {
        killed_between_send_and_answer(scheduled);
    }
}

fn killed_between_send_and_answer(scheduled: bool) {
    let Some(host) = host() else { return };
    let wire = Proxy::start(&host.base);
    let Some(rig) = Rig::new(Some(&wire.base)) else { return };
    let words = format!("killed, scheduled {scheduled}");
    let mut body = rig.body(&words, json!({ "firstComment": { "text": format!("{words}: why") } }));
    if scheduled {
        body["scheduledAt"] = json!(in_a_moment());
    }
    let body = body.to_string();
    let Rig { server, data, _folder, .. } = rig;

    wire.arm();
    let (base, key) = (server.base.clone(), server.key.clone());
    let sent = body.clone();
    let waiting = std::thread::spawn(move || {
        let headers = [("Idempotency-Key", "killed")];
        support::send(&base, Some(&key), "POST", "/v1/posts", &headers, sent.as_bytes())
    });
    wire.kept_an_answer();
    assert_eq!(host.posts(&host.ada, &words).len(), 1, "the host has it, and we do not know");
    server.kill();
    let first = waiting.join().expect("a client ends");
    assert_eq!(first.is_ok(), scheduled, "only the scheduled one had its answer already");

    let server = start(&data, SETTINGS);
    let retry = server.post_with_key("killed", &body).expect("it answers");
    if let Ok(first) = first {
        assert_eq!((first.status, &first.body), (202, &retry.body), "equal keys, equal bytes");
    }
    let batch = text(&retry.json()["id"]);
    let mut now = Value::Null;
    until("the batch settles", || {
        now = server.get(&format!("/v1/posts/{batch}")).json();
        now["status"] != "queued"
    });
    assert_eq!(now["status"], "published", "{now}");
    let posts = host.posts(&host.ada, &words);
    assert_eq!(posts.len(), 1, "{posts:?}");
    assert_eq!(posts[0]["uri"], now["results"][0]["uri"]);
    assert_eq!(host.posts(&host.ada, &format!("{words}: why")).len(), 1);
    let journal = server.get(&format!("/v1/posts/{}", text(&now["results"][0]["postId"]))).json();
    let attempts = journal["attempts"].as_array().expect("attempts").len();
    assert!(attempts >= 3, "the lost attempt, its repeat and the comment: {journal}");
}

#[test]
fn a_restored_server_finds_what_went_out_since_its_backup() {
    let Some(rig) = Rig::new(None) else { return };
    let words = "restored #tag @nobody.invalid";
    let mut body = rig.body(words, json!({ "firstComment": { "text": "restored: why" } }));
    let picture = json!({ "kind": "image", "altText": "a pixel", "bytesBase64": PNG });
    body["media"] = json!([picture]);
    body["scheduledAt"] = json!(in_a_moment());
    let accepted = rig.server.post(&body.to_string());
    assert_eq!(accepted.status, 202, "{}", accepted.json());
    let batch = text(&accepted.json()["id"]);
    let Rig { host, server, data, _folder, .. } = rig;
    let backup = _folder.path().join("kept.backup").display().to_string();
    let made = server.cli(&["backup", "create", "--to", &backup]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let settled = |server: &Server| {
        let mut now = Value::Null;
        until("the batch settles", || {
            now = server.get(&format!("/v1/posts/{batch}")).json();
            now["status"] != "queued"
        });
        now
    };
    let first = settled(&server);
    assert_eq!(first["status"], "published", "{first}");
    server.kill();

    let elsewhere = data.with_file_name("elsewhere");
    let to = elsewhere.display().to_string();
    let restored = support::cli(&elsewhere, &["backup", "restore", &backup, "--to", &to]);
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && said.contains("knows a post by its key: 1"), "{said}");
    let again = settled(&start(&elsewhere, SETTINGS));
    assert_eq!(again["status"], "published", "{again}");
    // It began anew, so the record it wanted to put said another time: it found its own there.
    for member in ["uri", "cid", "firstCommentUri"] {
        assert_eq!(again["results"][0][member], first["results"][0][member], "{member}");
    }
    for text in [words, "restored: why"] {
        assert_eq!(host.posts(&host.ada, text).len(), 1, "{text}");
    }
}
