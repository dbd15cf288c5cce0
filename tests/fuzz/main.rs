//! Every input of the committed corpora, through the very bodies that the fuzzer runs. `run` beside
//! this file is the fuzzer.

mod bodies;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The inputs of a corpus, in order.
fn corpus(name: &str) -> Vec<PathBuf> {
    let folder = folder().join("corpus").join(name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Runs a body on its corpus; a panic names the input.
fn replay(name: &str) {
    let (_, body) = bodies::ALL.into_iter().find(|(known, _)| *known == name).expect("a body");
    let inputs = corpus(name);
    assert!(inputs.len() > 5, "only {} inputs for {name}", inputs.len());
    for path in inputs {
        let bytes = std::fs::read(&path).expect("an input can be read");
        let ran = std::panic::catch_unwind(|| body(&bytes));
        assert!(ran.is_ok(), "{} breaks a promise", path.display());
    }
}

#[test]
fn answers_of_platforms() {
    replay("answers");
}

#[test]
fn the_operators_socket() {
    replay("control");
}

#[test]
fn rich_text() {
    replay("facets");
}

#[test]
fn bytes_on_a_connection() {
    replay("http");
}

#[test]
fn bodies_and_queries() {
    replay("json");
}

#[test]
fn people_who_come_back() {
    replay("oauth");
}

#[test]
fn stored_records() {
    replay("records");
}

#[test]
fn instants() {
    replay("times");
}

#[test]
fn forms() {
    replay("uploads");
}

#[test]
fn workflows_and_cron() {
    replay("workflows");
}

#[test]
fn every_body_has_a_target_and_no_input_is_large() {
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("it can be read");
    let manifest = read(folder().join("Cargo.toml"));
    let mut total = 0;
    for (name, _) in bodies::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "no target {name}");
        let target = read(folder().join(format!("targets/{name}.rs")));
        assert!(target.contains(&format!("bodies::{name}::run")), "{target}");
        for path in corpus(name) {
            total += path.metadata().expect("it is there").len();
        }
    }
    assert!(total < 1 << 20, "{total} bytes of corpora");
}

/// The versions in a lock file, by name: a crate may be there in several.
fn locked(path: PathBuf) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(path).expect("it can be read");
    let lock: toml::Table = text.parse().expect("it is TOML");
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("a list") {
        let member = |name: &str| package[name].as_str().expect("a text").to_owned();
        versions.entry(member("name")).or_default().push(member("version"));
    }
    versions
}

/// Else the fuzzer would look at another program than the one that is shipped, and would build all
/// of it anew.
#[test]
fn the_fuzzer_runs_on_the_dependencies_that_are_shipped() {
    let shipped = locked(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"));
    let mut shared = 0;
    for (name, versions) in locked(folder().join("Cargo.lock")) {
        if let Some(known) = shipped.get(&name) {
            assert!(versions.iter().all(|one| known.contains(one)), "{name}: {versions:?}");
            shared += 1;
        }
    }
    assert!(shared > 100, "only {shared} crates are shared");
}
