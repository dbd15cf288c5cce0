//! The rules of the house, held by a test: floors, bans, and sizes.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the ground up. A room may use those before it on lower floors; within a floor, only
/// the rooms named as its own.
const FLOORS: [&[(&str, &[&str])]; 7] = [
    &[("model", &[])],
    &[
        ("preflight", &[]),
        ("workflow", &[]),
        ("machine", &["workflow"]),
        ("wire", &["workflow"]),
        ("platforms", &["preflight"]),
    ],
    &[("store", &[]), ("upstream", &[]), ("media", &[])],
    &[
        ("engine", &[]),
        ("accounts", &["engine"]),
        ("courier", &["engine", "accounts"]),
        ("upkeep", &["engine"]),
    ],
    &[("admission", &[]), ("control", &[])],
    &[("front", &[]), ("cli", &[])],
    &[("config", &[]), ("app", &["config"])],
];

/// Words that stand in no file but these, with what to use instead.
const BANS: [(&str, &[&str], &str); 9] = [
    ("sled::", &["src/store/"], "go through the `Store` trait"),
    ("reqwest::", &["src/upstream/client.rs"], "go through `Upstream`"),
    ("hyper::", &["src/front/"], "HTTP is the front's"),
    ("SystemTime::now", &["src/app.rs"], "take the time as an argument"),
    ("Instant::now", &["src/app.rs", "src/engine/shell.rs"], "take the time as an argument"),
    (concat!("to", "do!("), &[], "finish it"),
    (concat!("unimpl", "emented!("), &[], "finish it"),
    (concat!("#[al", "low("), &[], "use #[expect(…, reason = …)]"),
    (concat!("unbounded_", "channel"), &[], "give every queue a bound with a reason"),
];

/// Rooms where the order of iteration must be the same everywhere.
const ORDERED: [&str; 7] = [
    "src/model/",
    "src/preflight/",
    "src/workflow/",
    "src/machine/",
    "src/wire/",
    "src/platforms/",
    "src/engine/",
];

/// Pure rooms know no runtime.
const PURE: [&str; 6] = ["model", "preflight", "workflow", "machine", "wire", "platforms"];

const FILE_LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;

struct Source {
    path: String,
    text: String,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source of ours");
                let path = path.strip_prefix(root).expect("below the root");
                out.push(Source { path: path.display().to_string(), text });
            }
        }
    }
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn room_of(path: &str) -> Option<&str> {
    path.strip_prefix("src/")?.split(['/', '.']).next()
}

fn floor_of(room: &str) -> Option<(usize, &'static [&'static str])> {
    FLOORS.iter().enumerate().find_map(|(floor, rooms)| {
        rooms.iter().find(|(name, _)| *name == room).map(|(_, own)| (floor, *own))
    })
}

/// Lines that are code: comments and what follows `#[cfg(test)]` do not count.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests]
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn upward(source: &Source) -> Vec<String> {
    let Some(room) = room_of(&source.path) else { return Vec::new() };
    let Some((floor, own)) = floor_of(room) else { return Vec::new() };
    let mut out = Vec::new();
    for (n, line) in code(&source.text) {
        for part in line.split("crate::").skip(1) {
            let used: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some((other, _)) = floor_of(&used) else { continue };
            let fits = used == room || other < floor || own.contains(&used.as_str());
            if !fits {
                out.push(format!("{}:{n}: {room} uses {used}, which is not below it", source.path));
            }
        }
    }
    out
}

fn banned(source: &Source) -> Vec<String> {
    let mut out = Vec::new();
    // Tests may look at the clock and hold what they like.
    if source.path.ends_with("_tests.rs") || source.path.contains("/tests/") {
        return out;
    }
    for (n, line) in code(&source.text) {
        for (word, allowed, instead) in BANS {
            let here = allowed.iter().any(|path| source.path.starts_with(path));
            if line.contains(word) && !here {
                out.push(format!("{}:{n}: {word} stands here; {instead}", source.path));
            }
        }
        let hashed = line.contains("HashMap") || line.contains("HashSet");
        if hashed && ORDERED.iter().any(|path| source.path.starts_with(path)) {
            out.push(format!("{}:{n}: a hash map has no order; use a BTreeMap", source.path));
        }
        let pure = room_of(&source.path).is_some_and(|room| PURE.contains(&room));
        if pure && (line.contains("tokio::") || line.contains("async fn")) {
            out.push(format!("{}:{n}: a pure room awaits nothing", source.path));
        }
    }
    out
}

fn sizes(source: &Source) -> Vec<String> {
    let mut out = Vec::new();
    let lines: Vec<&str> = source.text.lines().collect();
    if lines.len() > FILE_LINES_MAX {
        out.push(format!("{}: {} lines, at most {FILE_LINES_MAX}", source.path, lines.len()));
    }
    for (n, line) in lines.iter().enumerate() {
        if line.chars().count() > LINE_CHARS_MAX && !line.contains("https://") {
            out.push(format!("{}:{}: over {LINE_CHARS_MAX} characters", source.path, n + 1));
        }
    }
    let mut start: Option<(usize, usize)> = None;
    for (n, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let begins = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(super) fn ",
            "pub(super) async fn ",
            "pub const fn ",
            "const fn ",
        ]
        .iter()
        .any(|begin| words.starts_with(begin));
        if begins && !words.ends_with(';') {
            start = Some((n, indent));
        }
        if let Some((first, at)) = start
            && indent == at
            && words == "}"
        {
            let length = n - first + 1;
            if length > FUNCTION_LINES_MAX {
                let place = first + 1;
                out.push(format!("{}:{place}: a function of {length} lines", source.path));
            }
            start = None;
        }
    }
    out
}

fn docs(source: &Source) -> Vec<String> {
    let documented = source.text.starts_with("//!");
    if documented { Vec::new() } else { vec![format!("{}: opens without a doc", source.path)] }
}

fn sleeps(source: &Source) -> Vec<String> {
    let word = concat!("sle", "ep(");
    let found = source.text.lines().enumerate().filter(|(_, line)| line.contains(word));
    found.map(|(n, _)| format!("{}:{}: wait on a fact instead", source.path, n + 1)).collect()
}

fn report(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn arrows_point_down() {
    report(sources("src").iter().flat_map(upward).collect());
}

#[test]
fn banned_words_stand_nowhere() {
    report(sources("src").iter().flat_map(banned).collect());
}

#[test]
fn files_lines_and_functions_stay_small() {
    let all = sources("src").into_iter().chain(sources("tests"));
    report(all.collect::<Vec<_>>().iter().flat_map(sizes).collect());
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = sources("src").into_iter().chain(sources("tests")).chain(sources("benches"));
    report(all.collect::<Vec<_>>().iter().flat_map(docs).collect());
}

#[test]
fn tests_wait_on_facts() {
    report(sources("tests").iter().flat_map(sleeps).collect());
}

/// A check that cannot fail checks nothing.
#[test]
fn every_check_finds_what_it_is_for() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let found = |check: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        check(&source(path, text)).len()
    };
    assert_eq!(found(upward, "src/model/a.rs", "use crate::store::Key;"), 1);
    assert_eq!(found(upward, "src/store/a.rs", "use crate::upstream::X;"), 1);
    assert_eq!(found(upward, "src/store/a.rs", "use crate::model::Id;"), 0);
    assert_eq!(found(upward, "src/engine/a.rs", "// crate::front"), 0);
    assert_eq!(found(banned, "src/engine/core.rs", "let t = Instant::now();"), 1);
    assert_eq!(found(banned, "src/engine/shell.rs", "let t = Instant::now();"), 0);
    assert_eq!(found(banned, "src/cli/a.rs", "use sled::Db;"), 1);
    assert_eq!(found(banned, "src/machine/a.rs", "use std::collections::HashMap;"), 1);
    assert_eq!(found(banned, "src/wire/a.rs", "async fn f() {}"), 1);
    assert_eq!(found(sizes, "src/a.rs", &"x\n".repeat(501)), 1);
    assert_eq!(found(sizes, "src/a.rs", &"x".repeat(101)), 1);
    let long = format!("fn f() {{\n{}}}\n", "    x;\n".repeat(70));
    assert_eq!(found(sizes, "src/a.rs", &long), 1);
    assert_eq!(found(docs, "src/a.rs", "use x;"), 1);
    assert_eq!(found(sleeps, "tests/a.rs", concat!("thread::sle", "ep(d);")), 1);
}
