//! `fanfare selftest` as an operator runs it: beside their own server, in their own data folder.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use fanfare::model::{Millis, Timestamp};
use fanfare::selftest::{Finding, Options, run};
use fanfare::upstream::{HttpUpstream, UpstreamOptions};
use serde_json::Value;
use support::{rows, start, until};

fn selftest(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.arg("selftest").args(args).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The folders of selftests in a folder.
fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let ours = |path: &PathBuf| {
        path.file_name().is_some_and(|it| it.to_string_lossy().starts_with("selftest-"))
    };
    paths.filter(ours).collect()
}

#[test]
fn it_holds_beside_a_running_server_and_touches_nothing_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = start(&data, &[]);
    let accounts = server.get("/v1/accounts").json();
    let tortured = selftest(&["--torture", "5s", "--json", "--data-dir"])
        .arg(&data)
        .current_dir(folder.path())
        // Settings of the operator's server are not those of the one that is tortured.
        .env("FANFARE_SANDBOX_ENABLED", "false")
        .env("FANFARE_SERVER_LISTEN", server.base.strip_prefix("http://").expect("plain HTTP"))
        .env(
            "FANFARE_SECRET_KEY",
            "0000000000000000000000000000000000000000000000000000000000000001",
        )
        .output()
        .expect("the binary is built");
    assert_eq!(tortured.status.code(), Some(0), "{}", said(&tortured));
    let report: Value = serde_json::from_slice(&tortured.stdout).expect("JSON");
    assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    assert_eq!(report["kept"], Value::Null);
    for count in ["rounds", "kills", "stops", "accepted", "landed", "records"] {
        assert!(report[count].as_u64().is_some_and(|count| count > 0), "{count}: {report}");
    }
    assert_eq!(report["posts"]["published"].as_u64().map(|_| ()), Some(()));
    assert_eq!(folders(&data), Vec::<PathBuf>::new());
    // The operator's own server went on, and knows of nothing.
    assert_eq!(server.get("/v1/accounts").json(), accounts);
    assert!(rows(&server.get("/v1/posts").json()).is_empty());
    assert!(support::landings(&data).is_empty());
}

#[test]
fn a_stop_ends_the_server_and_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let scratch = tempfile::tempdir().expect("a folder");
        let place = scratch.path().join("made for it");
        let mut child = selftest(&["--torture", "10m", "--in"])
            .arg(&place)
            .current_dir(scratch.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        until("a server runs", || {
            let listens = folders(&place).pop().is_some_and(|it| it.join("data/listen").exists());
            listens && is_at_work(&place)
        });
        let us = child.id().to_string();
        assert!(Command::new("kill").args([signal, &us]).status().expect("kill").success());
        until("it ends", || child.try_wait().expect("its state").is_some());
        let output = child.wait_with_output().expect("its words");
        assert_eq!(output.status.code(), Some(1), "{signal}: {}", said(&output));
        assert!(said(&output).contains("was stopped"), "{}", said(&output));
        until("the server is gone", || !place.exists() && !is_at_work(&place));
    }
}

#[test]
fn a_kill_ends_the_server_with_it_even_where_that_is_stopped() {
    for stopped in [false, true] {
        let scratch = tempfile::tempdir().expect("a folder");
        let mut child = selftest(&["--torture", "10m", "--in"])
            .arg(scratch.path())
            .current_dir("/")
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary is built");
        let signal = |signal: &str, id: &str| {
            Command::new("kill").args([signal, id]).stderr(Stdio::null()).status().expect("kill")
        };
        until("a server runs", || {
            let listens =
                folders(scratch.path()).pop().is_some_and(|it| it.join("data/listen").exists());
            // It may be killed as well before it is stopped; then the next one is.
            let at_work = at_work(scratch.path());
            listens
                && !at_work.is_empty()
                && (!stopped || at_work.iter().all(|id| signal("-STOP", id).success()))
        });
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        until("the server is gone", || !is_at_work(scratch.path()));
    }
}

/// The processes that work below this folder.
fn at_work(folder: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("processes can be listed");
    let here = processes.flatten().filter(|process| {
        let at = std::fs::read_link(process.path().join("cwd"));
        at.is_ok_and(|at| at.starts_with(folder))
    });
    here.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// Whether any process works below this folder.
fn is_at_work(folder: &Path) -> bool {
    !at_work(folder).is_empty()
}

#[test]
fn a_span_that_proves_nothing_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    for (span, words) in [
        ("0s", "from 5s to 1h"),
        ("4999ms", "from 5s to 1h"),
        ("61m", "from 5s to 1h"),
        ("99999999999999999999d", "is no span"),
        ("soon", "is no span"),
        ("60", "is no span"),
        ("-5s", "--torture"),
    ] {
        let output = selftest(&["--torture", span]).current_dir(folder.path()).output();
        let output = output.expect("the binary is built");
        assert_eq!(output.status.code(), Some(2), "{span}: {}", said(&output));
        assert!(said(&output).contains(words), "{span}: {}", said(&output));
    }
    let bare = selftest(&[]).current_dir(folder.path()).output().expect("the binary is built");
    assert_eq!(bare.status.code(), Some(2), "{}", said(&bare));
    let nothing_made = std::fs::read_dir(folder.path()).expect("it is there").next().is_none();
    assert!(nothing_made);
}

#[test]
fn a_server_that_loses_what_it_published_is_found_and_its_folder_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    // Published on a platform of its own, where nobody counts: as good as lost.
    let script = format!(
        "#!/bin/sh\nsed -i '/^url/d; /^token/d' config.toml\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_fanfare")
    );
    let program = folder.path().join("astray");
    std::fs::write(&program, script).expect("room");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("ours");
    let now: fanfare::model::Now = Arc::new(|| {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("fits"))
    });
    let outward = UpstreamOptions {
        allow_private: false,
        media_allow_private: false,
        webhooks_allow_private: false,
        allow_crash: false,
    };
    let upstream = HttpUpstream::new(outward, Arc::clone(&now)).expect("TLS");
    let options = Options {
        program,
        folder: folder.path().join("below"),
        span: Millis::from_secs(5),
        seed: 5,
        now,
        dice: Arc::new(|| 7),
        upstream: Arc::new(upstream),
        tricks: None,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_keep, never) = tokio::sync::watch::channel(false);
    let report = runtime.block_on(run(options, never)).expect("it comes to a report");
    let published = report.posts.get("published").copied().unwrap_or(0);
    let lost =
        |one: &&Finding| matches!(one, Finding::Lost(what) if what.ends_with("did not land"));
    assert!(published > 0 && report.landed == 0, "{report:?}");
    assert_eq!(report.findings.iter().filter(lost).count() as u64, published);
    let kept = report.kept.expect("the folder is kept");
    assert!(kept.starts_with(folder.path()) && kept.join("data/store").is_dir());
}
