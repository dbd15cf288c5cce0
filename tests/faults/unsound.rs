//! The whole program on a damaged store: the server does not start on what does not hold, and says
//! so; `journal verify` says so too; whatever starts gives what was there.

use std::path::Path;

use serde_json::{Value, json};

use crate::child::{on_all_processors, scratch};
use crate::damage::{copy, damage};
use crate::dice::Dice;
use crate::support::{self, Server};
use crate::{number, seed};

/// The store cannot be opened.
const EXIT_UNAVAILABLE: i32 = 69;

/// A house with posts in it, killed; what it answered about each.
fn fill(data: &Path) -> Vec<Value> {
    let server = support::start(data, &["rate_limit.points=0"]);
    let mut batches = Vec::new();
    for n in 0..30usize {
        let text = format!("post {n} {}", "x".repeat(n * n * 3));
        let mut body = json!({ "targets": [{ "platform": "sandbox" }], "text": text });
        if n.is_multiple_of(2) {
            body["scheduledAt"] = json!(support::from_now(std::time::Duration::from_secs(9_000)));
        }
        let answer = server.post(&body.to_string());
        assert!(answer.status < 300, "{:?}", answer.json());
        batches.push(answer.json());
    }
    let found = batches.iter().map(|batch| read(&server, batch)).collect();
    server.kill();
    found
}

fn read(server: &Server, batch: &Value) -> Value {
    server.get(&format!("/v1/posts/{}", support::text(batch, "id"))).json()
}

/// What is the same wherever the server listens.
fn lasting(batch: &Value) -> Vec<Value> {
    let results = batch["results"].as_array().expect("results");
    let lasting = |one: &Value| json!([one["postId"], one["status"], one["publishedAt"]]);
    results.iter().map(lasting).collect()
}

/// Damages a copy of the house and tries the program on it. Whether it refused.
fn check(sound: &Path, batches: &[Value], seed: u64, n: u64) -> bool {
    let folder = scratch();
    let data = folder.path().join("data");
    copy(sound, &data);
    let story = damage(&data.join("store"), &mut Dice::of(seed, 70, n));
    let words = format!("FAULT_SEED={seed}, damage {n}: {story}");
    let kept = folder.path().join("kept");
    copy(&data, &kept);
    let verified = support::cli(&kept, &["journal", "verify"]);
    let out = [verified.stdout, verified.stderr].concat();
    let out = String::from_utf8_lossy(&out).into_owned();
    assert!(!out.contains("panicked") && !out.trim().is_empty(), "{words}: {out}");
    match support::try_start(&data, &["rate_limit.points=0"]) {
        Err(said) => {
            // Nothing is done on such a store, by no command either.
            let changed = support::cli(&kept, &["profiles", "create", "--name", "another"]);
            let out = String::from_utf8_lossy(&changed.stderr).into_owned();
            assert!(!changed.status.success(), "{words}: a profile was made; {said}");
            assert!(out.contains("restore a backup"), "{words}: {out}");
            let last = said.lines().last().unwrap_or_default();
            assert!(last.starts_with("fanfare: "), "{words}: {said}");
            assert!(last.contains("restore a backup"), "{words}: {said}");
            assert!(!said.contains("panicked"), "{words}: {said}");
            assert!(!verified.status.success(), "{words}: verify is content: {out}; {said}");
            true
        }
        Ok(server) => {
            for batch in batches {
                let found = read(&server, batch);
                assert_eq!(lasting(&found), lasting(batch), "{words}");
            }
            assert!(verified.status.success(), "{words}: verify is not content: {out}");
            false
        }
    }
}

#[test]
fn a_server_does_not_start_on_what_does_not_hold() {
    let seed = seed();
    let folder = scratch();
    let data = folder.path().join("data");
    let batches = fill(&data);
    let wanted = number("FAULT_UNSOUND").unwrap_or(24);
    let refused = std::sync::atomic::AtomicU64::new(0);
    on_all_processors(wanted, |n| {
        if check(&data, &batches, seed, n) {
            refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let refused = refused.into_inner();
    println!("{refused} of {wanted} refused");
    assert!(refused > 0 && refused < wanted, "the damages are all of one kind");
}

#[test]
fn a_server_that_cannot_open_its_store_ends_with_its_own_code() {
    let folder = scratch();
    let data = folder.path().join("data");
    fill(&data);
    std::fs::write(data.join("store/db"), vec![7; 600_000]).expect("room");
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .current_dir(folder.path())
        .output()
        .expect("the binary is built");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(EXIT_UNAVAILABLE), "{said}");
    assert!(said.contains("restore a backup") && said.contains("store"), "{said}");
}
