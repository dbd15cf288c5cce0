//! The served description against the server that serves it: Schemathesis makes requests from it,
//! sound and unsound, and holds every answer to what it says. `install` next to this file installs
//! Schemathesis.

#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::pinterest::Pinterest;
use support::{Server, launch};

/// Chooses the requests; the same seed makes the same ones.
const SEED: &str = "7";
/// Requests made up for each operation, beside those that its description makes by itself. With
/// these it takes about a minute.
const EXAMPLES_MAX: &str = "15";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi")
}

fn post(server: &Server, path: &str, body: &Value) -> Value {
    let answer = server.send("POST", path, &[], body.to_string().as_bytes());
    assert!((200..300).contains(&answer.status), "{path}: {:?}", answer.json());
    answer.json()
}

fn ids(server: &Server, path: &str, bodies: impl IntoIterator<Item = Value>) -> Vec<Value> {
    bodies.into_iter().map(|body| post(server, path, &body)["id"].clone()).collect()
}

/// Posts in every state, and their batches.
fn posts(server: &Server, account: &Value) -> Vec<Value> {
    let suffering = |faults: &[&str]| {
        let options = json!({ "platform": "sandbox", "class": "blind", "faults": faults });
        json!({ "targets": [{ "accountId": account, "options": options }], "text": "suffers" })
    };
    let mut bodies = vec![
        json!({ "targets": [{ "accountId": account }], "text": "goes out" }),
        suffering(&["rejected"]),
        suffering(&["timeout_after_send"]),
    ];
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 30)).to_string();
    bodies.extend((0..6).map(|n| {
        let text = format!("waits {n}");
        json!({ "targets": [{ "accountId": account }], "text": text, "scheduledAt": later })
    }));
    let mut known = Vec::new();
    for body in bodies {
        let batch = post(server, "/v1/posts", &body);
        known.push(batch["results"][0]["postId"].clone());
        known.push(batch["id"].clone());
    }
    known
}

/// What exists, by the beginning of the paths that name it.
fn known_ids(server: &Server, account: &Value, pinterest: &Value) -> Value {
    let named =
        |start: &'static str| (0..3).map(move |n| json!({ "name": format!("{start}-{n}") }));
    let hook = json!({ "url": format!("{}/nobody-listens", server.base) });
    let connect = "/v1/accounts/connect/sandbox/complete";
    json!({
        "/v1/posts/": posts(server, account),
        "/v1/accounts/{id}/pinterest": [pinterest],
        "/v1/accounts/{id}": ids(server, connect, named("account")),
        "/v1/profiles/": ids(server, "/v1/profiles", named("profile")),
        "/v1/api-keys/": ids(server, "/v1/api-keys", named("key")),
        "/v1/webhook-endpoints/": ids(server, "/v1/webhook-endpoints", [hook.clone(), hook]),
        "/sandbox/posts/": ["1", "2"],
    })
}

#[test]
fn every_answer_is_as_described() {
    let schemathesis = folder().join(".venv/bin/schemathesis");
    if !folder().join(".venv/.installed").exists() {
        // Written past the test runner, which would swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the test of the API's description, because tests/openapi/install was not run"
        );
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let pinterest = Pinterest::open(&["Charts"]);
    let mut settings = pinterest.settings();
    let own = ["rate_limit.points=0", "engine.sync_wait_ms=1000", "oauth.facebook.client_secret=s"];
    settings.extend(own.map(str::to_owned));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut program = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    // The hosts that are made up here exist nowhere, and some resolvers leave such names without an
    // answer.
    program.env("RES_OPTIONS", "timeout:1 attempts:1");
    let server = launch(program, &scratch.path().join("data"), &settings).expect("it starts");
    let account = server.get("/v1/accounts").json()["data"][0]["id"].clone();
    let key = server.get("/v1/api-keys").json()["data"][0]["id"].clone();
    let connected = pinterest.connect(&server).json()["id"].clone();
    let known = known_ids(&server, &account, &connected);
    let output = Command::new(schemathesis)
        .arg("--config-file")
        .arg(folder().join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", server.base), "--no-color", "--seed", SEED])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES_MAX])
        .args(["--header", &format!("Authorization: Bearer {}", server.key)])
        .env("SCHEMATHESIS_HOOKS", folder().join("hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("KNOWN_IDS", known.to_string())
        .env(
            "KEPT_IDS",
            json!({ "account": account, "key": key, "pinterest": connected }).to_string(),
        )
        .current_dir(scratch.path())
        .output()
        .expect("an installed Schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    // Not every way to test nothing is a failure to Schemathesis.
    let tested = said.lines().find(|line| line.contains("generated,")).unwrap_or_default();
    let passed = tested.split(", ").nth(1).and_then(|part| part.split(' ').next());
    let passed: u32 = passed.and_then(|count| count.parse().ok()).unwrap_or_default();
    assert!(passed > 1_000, "only {passed} requests were made:\n{said}");
    for asked in ["GET /v5/boards", "POST /v5/boards"] {
        assert!(pinterest.count(asked) > 1, "{asked} was not reached:\n{said}");
    }
    assert_eq!(server.get("/v1/accounts").status, 200, "the server and the key are still good");
}
