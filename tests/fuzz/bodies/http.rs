//! Bytes on a connection, answered by the whole house.
//!
//! An input is the bytes of a connection; in it `KEY` stands for a key that may do everything, and
//! `ACCOUNT` for the id of the sandbox's account.

use fanfare::model::Millis;
use serde_json::Value;

use super::faults;
use super::house::{House, Says, block_on};

/// How long the client waits for more before it is given up.
const IDLE: Millis = Millis(120_000);

/// See `ALL`.
pub fn run(input: &[u8]) {
    block_on(async {
        let house = House::build(Says::yes()).await;
        let said = swap(input, b"KEY", house.key.as_bytes());
        let said = swap(&said, b"ACCOUNT", house.account.as_bytes());
        let answers = house.say(&said, IDLE).await;
        // An answer to HEAD says how long a body would be, and has none.
        let heads = input.windows(5).any(|five| five == b"HEAD ");
        check_answers(&answers, heads);
    });
}

fn swap(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Answers are well formed, one after the other, up to the end. With `heads` only the first is
/// looked at, for where it ends cannot be told.
#[track_caller]
pub fn check_answers(bytes: &[u8], heads: bool) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let shown = || String::from_utf8_lossy(rest).into_owned();
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("a head without an end: {}", shown()));
        let head = std::str::from_utf8(&rest[..end]);
        let head = head.unwrap_or_else(|_| panic!("a head that is no text: {}", shown()));
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let version = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
        let status: u16 = version
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {}", shown()));
        let header = |wanted: &str| {
            let pairs = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
            pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
        };
        if status == 100 {
            rest = &rest[end + 4..];
            continue;
        }
        assert_ne!(status, 500, "{}", shown());
        assert!(header("x-request-id").is_some(), "an answer to nobody: {}", shown());
        if heads {
            return;
        }
        let body = &rest[end + 4..];
        let length = header("content-length").map(|text| text.parse::<usize>().expect("a length"));
        let length = match (length, status) {
            (Some(length), _) => length,
            (None, 204 | 304) => 0,
            // It goes to the end of the connection, or comes in chunks.
            (None, _) => return,
        };
        assert!(length <= body.len(), "cut off: {}", shown());
        let (body, next) = body.split_at(length);
        let json = header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if json {
            let value: Value = serde_json::from_slice(body).expect("it says that it is JSON");
            if value["error"].is_object() && value["jsonrpc"].is_null() {
                faults::check_error(&value["error"]);
            }
        }
        rest = next;
    }
}
