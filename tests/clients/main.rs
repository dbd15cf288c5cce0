//! The clients of letmepost.dev, against the real binary over real sockets.
//!
//! They are not to be had as packages, so each file does exactly what one of them does: the
//! requests it sends, the members it reads, and the branch it takes on them.

mod cli;
mod make;
mod n8n;
mod pipedream;
#[path = "../support/receiver.rs"]
mod receiver;
mod sdk;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use ring::hmac;
use serde_json::Value;
use support::{Server, from_now, rows, start, text};

/// Receivers of webhooks stand beside the server here, as an n8n of one's own does.
const BESIDE: &str = "webhooks.allow_private=true";

/// A server with its sandbox account.
fn house(settings: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings: Vec<&str> = settings.iter().copied().chain([BESIDE]).collect();
    let server = start(&folder.path().join("data"), &settings);
    (folder, server)
}

/// A UUID that no other request of this run has.
fn uuid() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("11111111-2222-4333-8444-{:012x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The check of a delivery that all these clients share: HMAC-SHA256 over the raw body with the
/// whole secret, compared with the header with or without its prefix.
fn verify(secret: &str, header: &str, body: &[u8]) -> bool {
    let hex = header.strip_prefix("sha256=").unwrap_or(header);
    let digits =
        |place: usize| hex.get(place..place + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let tag: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    !secret.is_empty() && tag.is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
}

/// Whether members are there with the type that a client reads them as: `name:kind`, where a `?`
/// allows null. A member that is left out is not null.
#[track_caller]
fn reads(value: &Value, members: &str) {
    for member in members.split_whitespace() {
        let (name, kind) = member.split_once(':').expect("a name and a kind");
        let found = value.get(name).unwrap_or_else(|| panic!("{name} is missing in {value}"));
        let (kind, nullable) = match kind.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        let fits = match kind {
            "text" => found.is_string(),
            "time" => found.as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')),
            "number" => found.is_u64(),
            "flag" => found.is_boolean(),
            "list" => found.is_array(),
            "object" => found.is_object(),
            other => panic!("{other} is no kind"),
        };
        assert!(fits || (nullable && found.is_null()), "{name} is no {kind} in {value}");
    }
}

#[test]
fn the_check_of_a_delivery_is_the_contracts() {
    let tag = "51426af50a41dd7ff2cd3f116594734766d4018d15d6fb07169aee5d2959adf5";
    let body = br#"{"a":1}"#;
    assert!(verify("whsec_test", &format!("sha256={tag}"), body));
    assert!(verify("whsec_test", tag, body));
    assert!(!verify("whsec_test", tag, br#"{"a":2}"#));
    assert!(!verify("", tag, body) && !verify("whsec_test", "", body));
}
