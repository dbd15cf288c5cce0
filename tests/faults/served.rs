//! The whole server on a disk that fails: who was answered finds it, who was not is told, and the
//! process ends with words and the right code.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::child::{on_all_processors, scratch};
use crate::dice::Dice;
use crate::shim::{self, ALL_CALLS, EIO, ENOSPC, Failure};
use crate::support::{self, Answer, Server};
use crate::{number, seed};

/// Requests of a run; the disk fails somewhere among them.
const REQUESTS: u64 = 24;
/// The calls that a start and so many requests make, about.
const CALLS: u64 = 260;
const WAYS: [(&str, u32, &str); 5] = [
    (ALL_CALLS, ENOSPC, "sticky"),
    ("W", ENOSPC, "short"),
    ("S", EIO, "once"),
    ("W", EIO, "slow"),
    (ALL_CALLS, EIO, "once"),
];

/// A server whose disk fails as told, or what it said when it did not start. What it says later
/// goes to a file.
fn start_failing(data: &Path, failure: &Failure) -> Result<Server, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" 2>\"$FAULT_SAID\"", "sh", env!("CARGO_BIN_EXE_fanfare")]);
    shell.env("FAULT_SAID", said_in(data));
    shim::failing(shim::between(&mut shell, data), failure);
    support::launch(shell, data, &["rate_limit.points=0"]).map_err(|_| said(data))
}

fn said_in(data: &Path) -> std::path::PathBuf {
    data.with_extension("said")
}

fn said(data: &Path) -> String {
    std::fs::read_to_string(said_in(data)).expect("what it said")
}

/// What a client was answered, and when by some clock.
#[derive(Default)]
pub struct Told {
    /// Batches, each with its post ids.
    batches: Vec<(u64, Value)>,
    uploads: Vec<(u64, Value, Vec<u8>)>,
}

impl Told {
    /// What had been told by then.
    pub fn by(&self, at: u64) -> Self {
        let batches = self.batches.iter().filter(|(when, _)| *when <= at).cloned();
        let uploads = self.uploads.iter().filter(|(when, ..)| *when <= at).cloned();
        Self { batches: batches.collect(), uploads: uploads.collect() }
    }

    pub fn count(&self) -> usize {
        self.batches.len() + self.uploads.len()
    }
}

/// Publishes, schedules and uploads until the server is gone.
pub fn ask(server: &Server, dice: &mut Dice, clock: impl Fn() -> u64) -> Told {
    let mut told = Told::default();
    for n in 0..REQUESTS {
        let answer = if n % 6 == 5 {
            let bytes = format!("file {n} {}", "x".repeat(dice.below(20_000))).into_bytes();
            let answer = upload(server, &bytes);
            if let Ok(answer) = &answer
                && answer.status == 201
            {
                told.uploads.push((clock(), answer.json(), bytes));
            }
            answer
        } else {
            let text = format!("post {n} {}", "x".repeat(dice.below(2_900)));
            let mut body = json!({ "targets": [{ "platform": "sandbox" }], "text": text });
            if n % 2 == 0 {
                body["scheduledAt"] = json!(support::from_now(std::time::Duration::from_secs(900)));
            }
            let answer = server.post_with_key(&format!("key-{n}"), &body.to_string());
            if let Ok(answer) = &answer
                && answer.status < 300
            {
                told.batches.push((clock(), answer.json()));
            }
            answer
        };
        match answer {
            Ok(answer) if answer.status < 300 => {}
            Ok(answer) => is_an_error(&answer),
            // It went away: nobody promised anything.
            Err(_) => return told,
        }
    }
    told
}

fn upload(server: &Server, bytes: &[u8]) -> std::io::Result<Answer> {
    let head = "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
        content-type: text/plain\r\n\r\n";
    let body = [head.as_bytes(), bytes, b"\r\n--cut--\r\n"].concat();
    let kind = [("content-type", "multipart/form-data; boundary=cut")];
    server.try_send("POST", "/v1/media", &kind, &body)
}

fn is_an_error(answer: &Answer) {
    let error = &answer.json()["error"];
    let words = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    assert!(answer.status >= 400 && words("code") && words("message"), "{answer:?}");
}

/// Everything that was promised is there, on a disk that is well.
pub fn find_all(data: &Path, told: &Told, words: &str) {
    let server = support::start(data, &["rate_limit.points=0"]);
    for (_, batch) in &told.batches {
        let id = support::text(batch, "id");
        let found = server.get(&format!("/v1/posts/{id}"));
        assert_eq!(found.status, 200, "{words}: {id} was promised");
        let found = found.json();
        let results = |value: &Value| value["results"].as_array().expect("results").clone();
        for (before, now) in results(batch).iter().zip(results(&found)) {
            assert_eq!(before["postId"], now["postId"], "{words}");
            if before["status"] == "published" {
                assert_eq!(now["status"], "published", "{words}: {now}");
            }
        }
    }
    for (_, upload, bytes) in &told.uploads {
        let id = support::text(upload, "id");
        let found = server.get(&format!("/v1/media/{id}"));
        assert_eq!(found.status, 200, "{words}: {id} was promised");
        let digest = crate::plan::sha256(bytes).to_string();
        let kept = std::fs::read(data.join("media").join(&digest[..2]).join(&digest));
        assert!(kept.is_ok_and(|kept| kept == *bytes), "{words}: the bytes of {id}");
    }
    let verified = server.cli(&["journal", "verify"]);
    let out = [verified.stdout, verified.stderr].concat();
    assert!(verified.status.success(), "{words}: {}", String::from_utf8_lossy(&out));
}

fn check(failure: &Failure, seed: u64) {
    let folder = scratch();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("room");
    let words = format!("FAULT_SEED={seed}, {failure:?}");
    let mut dice = Dice::of(seed, 40, failure.at);
    let mut told = Told::default();
    match start_failing(&data, failure) {
        Err(said) => {
            let last = said.lines().last().unwrap_or_default();
            assert!(last.starts_with("fanfare: "), "{words}: {said}");
            assert!(!said.contains("panicked"), "{words}: {said}");
        }
        Ok(mut server) => {
            told = ask(&server, &mut dice, || 0);
            // One that is well goes on; one that is not has ended or will.
            if server.try_send("GET", "/livez", &[], b"").is_ok_and(|answer| answer.status == 200) {
                server.terminate();
            }
            let status = server.died();
            let said = said(&data);
            assert!(!said.contains("panicked"), "{words}: {said}");
            if !status.success() {
                assert_eq!(status.code(), Some(70), "{words}: {status}: {said}");
                let last = said.lines().last().unwrap_or_default();
                let promise = "nothing that was confirmed is lost";
                assert!(last.starts_with("fanfare: ") && last.contains(promise), "{words}: {said}");
            }
        }
    }
    find_all(&data, &told, &words);
}

/// Failures that broke a promise once: a start that failed after the engine had begun, and one that
/// failed while the first key was kept.
const REGRESSIONS: [Failure; 3] = [
    Failure { at: 21, on: "W", errno: EIO, mode: "slow" },
    Failure { at: 75, on: ALL_CALLS, errno: EIO, mode: "once" },
    Failure { at: 18, on: "W", errno: ENOSPC, mode: "short" },
];

#[test]
fn what_a_failing_disk_broke_once_holds() {
    on_all_processors(REGRESSIONS.len() as u64, |n| {
        check(&REGRESSIONS[usize::try_from(n).expect("small")], 0);
    });
}

#[test]
fn a_server_on_a_failing_disk_keeps_what_it_answered() {
    let seed = seed();
    let wanted = number("FAULT_SERVED").unwrap_or(80);
    on_all_processors(wanted, |n| {
        let mut dice = Dice::of(seed, 41, n);
        let (on, errno, mode) = WAYS[dice.below(WAYS.len())];
        let calls = if on == ALL_CALLS { CALLS } else { CALLS / 3 };
        let at = 1 + (n * calls + dice.next() % calls) / wanted;
        check(&Failure { at, on, errno, mode }, seed.wrapping_add(n));
    });
}
