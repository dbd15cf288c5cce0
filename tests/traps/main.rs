//! The traps that the reference falls into, as section 20 of the contract numbers them: `table.rs`
//! says which test holds each, and the other files hold what no other test does.

mod memory;
mod races;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::{Server, start};

/// A server with its sandbox account.
fn house(settings: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings: Vec<&str> =
        settings.iter().copied().chain(["webhooks.allow_private=true"]).collect();
    let server = start(&folder.path().join("data"), &settings);
    (folder, server)
}

fn from_now(span: Duration) -> String {
    let at = (SystemTime::now() + span).duration_since(UNIX_EPOCH).expect("after 1970");
    let ms = i64::try_from(at.as_millis()).expect("fits");
    fanfare::model::Timestamp::from_millis(ms).to_string()
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[track_caller]
fn rows(value: &Value) -> &[Value] {
    value["data"].as_array().unwrap_or_else(|| panic!("no list in {value}"))
}
