//! Where documents are asked for, and what is believed of them.

use serde_json::{Value, json};

use super::super::identity::{document, is_same_host, read_host};
use crate::model::{Code, Timestamp};
use crate::platforms::Answer;

const DID: &str = "did:plc:abcdefghijklmnopqrstuvw2";

fn heard(status: u16, body: &[u8]) -> Answer {
    let at = Timestamp::from_millis(0);
    Answer::Heard { status, headers: Vec::new(), body: body.to_vec(), at }
}

fn names(endpoint: &str) -> Value {
    json!({ "id": DID, "service": [
        { "id": "#other", "type": "Other", "serviceEndpoint": "https://other.test" },
        { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint },
    ] })
}

#[test]
fn each_kind_of_did_is_asked_for_at_its_place_and_no_other() {
    let url = |did: &str| document(did, "https://plc.test/").ok().map(|request| request.url);
    let check =
        |did: &str, expected: Option<&str>| assert_eq!(url(did).as_deref(), expected, "{did}");
    check(DID, Some("https://plc.test/did:plc:abcdefghijklmnopqrstuvw2"));
    check("did:web:a.example", Some("https://a.example/.well-known/did.json"));
    check("did:web:localhost%3A2583", Some("http://localhost:2583/.well-known/did.json"));
    for bad in [
        "",
        "did:plc:",
        "did:plc:abc",
        "did:plc:abcdefghijklmnopqrstuv/.",
        "did:plc:abcdefghijklmnopqrstuvw1",
        "did:plc:abcdefghijklmnopqrstuvw2x",
        "did:PLC:abcdefghijklmnopqrstuvw2",
        "did:key:z6Mk",
        "did:web:",
        "did:web:a.example:path",
        "did:web:a.example%3A8080",
        "did:web:a.example%2Fx",
        "did:web:a.example/x",
        "did:web:user@a.example",
        "did:web:127.0.0.1",
        "did:web:2130706433",
        "did:web:localhost%3Ax",
        "did:web:a..example",
    ] {
        check(bad, None);
    }
    check(&format!("did:web:{}.example", "a".repeat(300)), None);
}

#[test]
fn a_document_names_the_host_of_its_own_account() {
    let host = |value: &Value| read_host(DID, &heard(200, value.to_string().as_bytes()));
    assert_eq!(host(&names("https://p.test/")).as_deref(), Ok("https://p.test"));
    let mut full = names("http://localhost:2583");
    full["service"][1]["id"] = json!(format!("{DID}#atproto_pds"));
    assert_eq!(host(&full).as_deref(), Ok("http://localhost:2583"));
    let mut others = vec![json!({}), json!([]), json!({ "id": DID }), names("no address")];
    for endpoint in ["ftp://p.test", "https://u@p.test", "https://p.test/x", "https://p.test/?a"] {
        others.push(names(endpoint));
    }
    for (path, value) in [
        ("/id", "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"),
        ("/service/1/type", "Other"),
        ("/service/1/id", "x#atproto_pds"),
    ] {
        let mut other = names("https://p.test");
        *other.pointer_mut(path).expect("there") = json!(value);
        others.push(other);
    }
    for other in others {
        let fault = host(&other).expect_err("no host is believed");
        let said = (fault.code, fault.rule.as_deref(), fault.retryable);
        assert_eq!(said, (Code::PlatformRejected, Some("bluesky.did.document"), false), "{other}");
    }
}

#[test]
fn what_may_pass_is_told_from_what_will_not() {
    let why = || "refused".to_owned();
    for answer in [
        Answer::NotSent { why: why() },
        Answer::MaybeSent { why: why() },
        heard(200, b"<html>"),
        heard(429, b""),
        heard(503, b""),
        heard(302, b""),
    ] {
        let fault = read_host(DID, &answer).expect_err("nothing was learned");
        let said = (fault.code, fault.rule.as_deref(), fault.retryable);
        let expected = (Code::PlatformUnavailable, Some("bluesky.did.unresolved"), true);
        assert_eq!(said, expected, "{answer:?}");
    }
    for status in [404, 410] {
        let fault = read_host(DID, &heard(status, b"{}")).expect_err("there is none");
        assert_eq!((fault.code, fault.retryable), (Code::PlatformRejected, false));
    }
}

#[test]
fn one_host_may_be_written_in_many_ways() {
    for (one, other, same) in [
        ("https://p.test", "https://P.test:443/", true),
        ("http://localhost:80", "http://localhost", true),
        ("https://p.test", "http://p.test", false),
        ("https://p.test", "https://p.test:8443", false),
        ("https://p.test", "https://p.test.evil.test", false),
        ("https://p.test/x", "https://p.test", false),
        ("", "", false),
    ] {
        assert_eq!(is_same_host(one, other), same, "{one} {other}");
    }
}
