//! Backups of the real binary: made while it works, restored elsewhere, and gone on from.
//!
//! The platform's side is not restored with a server: what landed there stays. So each test that
//! restores carries the sandbox's log over from the folder that was lost.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, Server, cli, from_now, landed, landings, rows, start, text, until};

const OPEN: &[&str] = &["rate_limit.points=0"];
/// When a post is due that has to be accepted and backed up before.
const LATER: Duration = Duration::from_secs(4);

/// A folder with a server in it.
struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a backup of what lies in `data`, whether or not a server runs there.
    fn back_up(&self, data: &str) -> PathBuf {
        let made = done(cli(&self.path(data), &["backup", "create", "--json"]));
        assert_eq!(made["findings"], json!([]));
        PathBuf::from(text(&made, "path"))
    }

    /// Restores to another folder, and carries the platform's side over from `lost`.
    fn restore(&self, backup: &Path, lost: &str, to: &str, more: &[&str]) -> Value {
        let (from, place) = (backup.display().to_string(), self.path(to).display().to_string());
        let args = ["backup", "restore", &from, "--to", &place, "--json"];
        let restored = done(cli(&self.path(to), &[&args, more].concat()));
        let log = |data: &str| self.path(data).join("sandbox/landings.log");
        std::fs::copy(log(lost), log(to)).expect("the platform's side stays as it is");
        restored
    }

    fn verify_journals(&self, data: &str) {
        let verified = cli(&self.path(data), &["journal", "verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
}

#[track_caller]
fn done(output: Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn target(class: &str) -> Value {
    json!({ "platform": "sandbox", "options": { "platform": "sandbox", "class": class } })
}

fn scheduled(class: &str, due_in: Duration) -> Value {
    let (targets, due) = ([target(class)], from_now(due_in));
    json!({ "targets": targets, "text": format!("{class} {due}"), "scheduledAt": due })
}

#[track_caller]
fn accept(server: &Server, body: &Value) -> String {
    let answer = server.post(&body.to_string());
    assert_eq!(answer.status, 202, "{:?}", answer.json());
    text(&answer.json()["results"][0], "postId").to_owned()
}

fn post(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/posts/{id}")).json()
}

fn settles(server: &Server, id: &str) -> Value {
    until(&format!("{id} settles"), || {
        let now = post(server, id);
        !matches!(now["status"].as_str(), Some("queued" | "validated" | "publishing"))
    });
    post(server, id)
}

fn is_unknown(post: &Value) -> bool {
    post["status"] == "failed" && post["error"]["rule"] == "sandbox.publish.outcome_unknown"
}

/// One client: immediate and scheduled posts under keys of its own, until it is told to stop.
fn client(n: u64, base: &str, key: &str, stop: &AtomicBool, answered: &AtomicU64) -> Vec<Told> {
    let mut told = Vec::new();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let own = format!("c{n}-{count}");
        let mut body = json!({ "targets": [target("keyed")], "text": own });
        if count % 3 == 0 {
            body["scheduledAt"] = json!(from_now(Duration::from_secs(30)));
        }
        let body = body.to_string();
        let headers = [("Idempotency-Key", own.as_str())];
        let sent = support::send(base, Some(key), "POST", "/v1/posts", &headers, body.as_bytes());
        let answer = sent.expect("it is answered");
        assert!(matches!(answer.status, 200 | 202), "{:?}", answer.json());
        answered.fetch_add(1, Ordering::Relaxed);
        told.push(Told { key: own, body, answer });
    }
    told
}

/// A request and its first answer.
struct Told {
    key: String,
    body: String,
    answer: Answer,
}

#[test]
fn a_backup_under_load_holds_everything_that_was_answered_before() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|n| {
            let (base, key) = (server.base.clone(), server.key.clone());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || client(n, &base, &key, &stop, &answered))
        })
        .collect();
    until("requests are answered", || answered.load(Ordering::Relaxed) > 300);
    // What can be read by now was durable before the backup began.
    let before: Vec<String> = posts(&server);
    let backup = rig.back_up("data");
    let during = answered.load(Ordering::Relaxed);
    until("requests go on", || answered.load(Ordering::Relaxed) > during + 20);
    stop.store(true, Ordering::Relaxed);
    let told: Vec<Told> =
        clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect();
    server.kill();
    let checked = done(cli(
        &rig.path("data"),
        &["backup", "verify", &backup.display().to_string(), "--json"],
    ));
    assert_eq!(checked["findings"], json!([]));
    let restored = rig.restore(&backup, "data", "elsewhere", &[]);
    assert!(restored["posts"]["ahead"].as_u64() > Some(20), "{restored}");
    rig.verify_journals("elsewhere");
    let again = start(&rig.path("elsewhere"), OPEN);
    let there = posts(&again);
    let lost: Vec<_> = before.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "answered before the backup, and gone: {lost:?}");
    assert!(there.len() < told.len(), "it shows an instant before the end");
    for id in &there {
        // What is scheduled is half a minute away.
        if post(&again, id)["scheduledAt"].is_null() {
            assert_eq!(settles(&again, id)["status"], "published", "{id}");
        }
    }
    let doubled: Vec<_> = there.iter().filter(|id| landed(&again.data, id) > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    for Told { key, body, answer } in &told {
        let id = text(&answer.json()["results"][0], "postId").to_owned();
        if there.contains(&id) && answer.status == 202 {
            let replayed = again.post_with_key(key, body).expect("it answers");
            assert_eq!(replayed.body, answer.body, "{key}: equal keys, equal bytes");
        }
    }
    rig.verify_journals("elsewhere");
}

/// The id of every post there is.
fn posts(server: &Server) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/posts?limit=200{cursor}")).json();
        found.extend(rows(&page).iter().map(|post| text(post, "id").to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[test]
fn what_went_out_since_the_backup_does_not_go_out_again() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    let upload = upload(&server);
    let ids = ["keyed", "readable", "blind"].map(|class| {
        let mut body = scheduled(class, LATER);
        if class != "blind" {
            body["firstComment"] = json!({ "text": format!("under {class}") });
            body["media"] = json!([{ "mediaId": upload, "kind": "image" }]);
        }
        accept(&server, &body)
    });
    let backup = rig.back_up("data");
    for id in &ids {
        assert_eq!(settles(&server, id)["status"], "published", "by the first server");
    }
    let landed_before = landings(&server.data).len();
    server.kill();
    let restored = rig.restore(&backup, "data", "elsewhere", &[]);
    let expected = json!({ "ahead": 0, "repeated": 1, "readBack": 1, "held": 1, "ended": 0 });
    assert_eq!(restored["posts"], expected);
    let again = start(&rig.path("elsewhere"), OPEN);
    let [keyed, readable, blind] = ids.each_ref().map(|id| settles(&again, id));
    assert_eq!((&keyed["status"], &readable["status"]), (&json!("published"), &json!("published")));
    assert!(is_unknown(&blind), "{blind}");
    let after: Vec<Value> = landings(&again.data).split_off(landed_before);
    assert_eq!(after, [] as [Value; 0], "neither a post nor a comment landed again");
    let said = rig.path("elsewhere");
    let story = done(cli(&said, &["batch", "journal", &ids[1], "--json"])).to_string();
    assert!(story.contains(r#""event":"restored""#) && story.contains("backupOf"), "{story}");
    let held = done(cli(&said, &["batch", "list", "--held", "--json"]));
    assert_eq!(rows(&held).len(), 1);
    let ruled = cli(&said, &["batch", "rule", &ids[2], "published"]);
    assert!(ruled.status.success(), "{}", String::from_utf8_lossy(&ruled.stderr));
    assert_eq!(post(&again, &ids[2])["status"], "published");
    rig.verify_journals("elsewhere");
}

#[test]
fn what_did_not_go_out_goes_out_once() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    let ids = ["keyed", "readable", "blind"].map(|class| accept(&server, &scheduled(class, LATER)));
    let backup = rig.back_up("data");
    let lost_at = from_now(Duration::ZERO);
    server.kill();
    assert_eq!(landings(&rig.path("data")).len(), 0, "it was lost before they were due");
    // Told when the server was lost, nothing is in doubt.
    let sure = rig.restore(&backup, "data", "sure", &["--lost-at", &lost_at]);
    assert_eq!(sure["posts"]["ahead"], 3, "{sure}");
    let first = start(&rig.path("sure"), OPEN);
    for id in &ids {
        assert_eq!(settles(&first, id)["status"], "published");
        assert_eq!(landed(&first.data, id), 1);
    }
    first.kill();
    // Not told, and restored after they were due, whatever may have been sent is.
    let unsure = rig.restore(&backup, "data", "unsure", &[]);
    let expected = json!({ "ahead": 0, "repeated": 1, "readBack": 1, "held": 1, "ended": 0 });
    assert_eq!(unsure["posts"], expected);
    let second = start(&rig.path("unsure"), OPEN);
    let [keyed, readable, blind] = ids.each_ref().map(|id| settles(&second, id));
    assert_eq!((&keyed["status"], &readable["status"]), (&json!("published"), &json!("published")));
    assert!(is_unknown(&blind), "{blind}");
    let counts = ids.each_ref().map(|id| landed(&second.data, id));
    assert_eq!(counts, [1, 1, 0]);
    rig.verify_journals("unsure");
}

#[test]
fn what_was_under_way_is_in_doubt() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    let slow = |class: &str| {
        let options = json!({ "platform": "sandbox", "class": class, "latencyMs": 3_000 });
        let targets = json!([{ "platform": "sandbox", "options": options }]);
        json!({ "targets": targets, "text": format!("slow {class}") }).to_string()
    };
    let asking: Vec<_> = ["keyed", "readable", "blind"]
        .map(|class| {
            support::ask(
                &server.base,
                Some(&server.key),
                "POST",
                "/v1/posts",
                &[],
                slow(class).as_bytes(),
            )
            .expect("it is sent")
        })
        .into();
    until("all are being published", || {
        rows(&server.get("/v1/posts?status=publishing").json()).len() == 3
    });
    let backup = rig.back_up("data");
    for mut one in asking {
        let answer = support::read_answer(&mut one).expect("it is answered");
        assert_eq!(answer.json()["status"], "published");
    }
    let ids = posts(&server);
    server.kill();
    let restored = rig.restore(&backup, "data", "elsewhere", &[]);
    let expected = json!({ "ahead": 0, "repeated": 1, "readBack": 1, "held": 1, "ended": 0 });
    assert_eq!(restored["posts"], expected);
    let again = start(&rig.path("elsewhere"), OPEN);
    for id in &ids {
        let now = settles(&again, id);
        assert!(now["status"] == "published" || is_unknown(&now), "{now}");
        assert_eq!(landed(&again.data, id), 1);
    }
    rig.verify_journals("elsewhere");
}

/// Signature and header of a PNG of 3 by 2 pixels.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

fn upload(server: &Server) -> String {
    let head = "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
                Content-Type: image/png\r\n\r\n";
    let body = [head.as_bytes(), PNG, b"\r\n--xYz--\r\n"].concat();
    let kind = ("Content-Type", "multipart/form-data; boundary=xYz");
    let answer = server.send("POST", "/v1/media", &[kind], &body);
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    text(&answer.json(), "id").to_owned()
}

#[test]
fn uploads_keys_and_the_command_line_go_along() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    let key = server.key.clone();
    let id = upload(&server);
    let mut body = scheduled("keyed", Duration::from_secs(3_600));
    body["media"] = json!([{ "mediaId": id, "kind": "image" }]);
    let queued = accept(&server, &body);
    let aside = rig.path("aside.backup");
    let place = aside.display().to_string();
    done(server.cli(&["backup", "create", "--to", &place, "--json"]));
    let twice = server.cli(&["backup", "create", "--to", &place]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("there is a file already"));
    server.kill();
    // With no server running the same command opens the store itself.
    let usual = rig.back_up("data");
    assert_eq!(usual.parent(), Some(rig.path("data/backups").as_path()));
    let occupied = cli(
        &rig.path("data"),
        &["backup", "restore", &place, "--to", &rig.path("data").display().to_string()],
    );
    assert_eq!(occupied.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&occupied.stderr).contains("none is ever overwritten"));
    let to = rig.path("elsewhere").display().to_string();
    let told = cli(&rig.path("elsewhere"), &["backup", "restore", &place, "--to", &to]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && said.contains("Never start a second server"), "{said}");
    let again = start(&rig.path("elsewhere"), OPEN);
    assert_eq!(again.key, key, "the key of before opens the new one");
    let url = again.get("/v1/media").json();
    let listed = rows(&url)[0].clone();
    assert_eq!(text(&listed, "id"), id);
    let path = text(&listed, "url").strip_prefix(&again.base).expect("an address of this server");
    let file = support::send(&again.base, None, "GET", path, &[], b"").expect("an answer");
    assert_eq!((file.status, file.body.as_slice()), (200, PNG));
    let used = again.send("DELETE", &format!("/v1/media/{id}"), &[], b"");
    assert_eq!(used.status, 409, "a post that waits needs it: {:?}", used.json());
    assert_eq!(post(&again, &queued)["status"], "queued");
}

#[test]
fn a_spoilt_backup_is_refused_and_nothing_is_made_of_it() {
    let rig = Rig::new();
    let server = start(&rig.path("data"), OPEN);
    accept(&server, &scheduled("keyed", Duration::from_secs(3_600)));
    let backup = rig.back_up("data");
    server.kill();
    let mut bytes = std::fs::read(&backup).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&backup, bytes).expect("written");
    let place = backup.display().to_string();
    let verified = cli(&rig.path("data"), &["backup", "verify", &place]);
    assert_eq!(verified.status.code(), Some(4));
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(said.contains("use another backup"), "{said}");
    let to = rig.path("elsewhere");
    let restored = cli(&to, &["backup", "restore", &place, "--to", &to.display().to_string()]);
    assert_eq!(restored.status.code(), Some(1));
    let left: Vec<_> = std::fs::read_dir(rig.folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing but the data folder: {left:?}");
}

/// A folder of workflows in which backups are made every second.
fn every_second(rig: &Rig) -> String {
    let folder = rig.path("workflows/upkeep");
    std::fs::create_dir_all(&folder).expect("a folder");
    let task = "task = \"backup\"\ncron = \"* * * * * *\"\ncopies = 2\npage = 100\n";
    std::fs::write(folder.join("backup.toml"), task).expect("written");
    format!("workflows.dir={}", rig.path("workflows").display())
}

#[test]
fn the_clock_makes_backups_keeps_the_newest_and_says_when_it_cannot() {
    let rig = Rig::new();
    let often = every_second(&rig);
    let dir = rig.path("safe");
    let place = format!("backup.dir={}", dir.display());
    let server = start(&rig.path("data"), &[&often, &place]);
    let listed = || -> Vec<String> {
        let list = done(server.cli(&["backup", "list", "--json", "--set", &place]));
        rows(&list).iter().map(|one| text(one, "path").to_owned()).collect()
    };
    until("two are there", || listed().len() == 2);
    let first = listed();
    until("others took their place", || {
        let now = listed();
        now.len() == 2 && now.iter().all(|path| !first.contains(path))
    });
    assert_eq!(server.get("/readyz").json()["remarks"], json!([]));
    server.kill();
    // A file stands where the folder must be.
    let blocked = format!("backup.dir={}/inside", rig.path("file").display());
    std::fs::write(rig.path("file"), "x").expect("written");
    let server = start(&rig.path("data"), &[&often, &blocked]);
    until("it is said", || {
        let ready = server.get("/readyz");
        let remarks = ready.json()["remarks"].to_string();
        ready.status == 200 && remarks.contains("was not made") && remarks.contains("inside")
    });
    server.kill();
    let server = start(&rig.path("data"), &[&often, &place, "backup.scheduled=false"]);
    let (folder, keep) = (dir.display().to_string(), ["backup", "prune", "--keep", "1", "--in"]);
    let pruned = done(server.cli(&[&keep[..], &[&folder, "--json"]].concat()));
    assert_eq!(pruned["kept"].as_array().map(Vec::len), Some(1), "{pruned}");
    assert_eq!(pruned["newestSound"], pruned["kept"][0]);
    let silent = server.cli(&["backup", "prune"]);
    assert_eq!(silent.status.code(), Some(2), "what is kept must be said");
}
