//! The bytes that are sent to Pinterest, and answers as they come from it.

use serde_json::{Value, json};

use super::*;
use crate::model::{Board, BoardPrivacy, Code, Fault, NewBoard, SendOutcome, Timestamp};
use crate::platforms::{Answer, Body};

fn heard(status: u16, body: &str) -> Answer {
    with_headers(status, &[], body)
}

fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Answer::Heard {
        status,
        headers: headers.iter().map(owned).collect(),
        body: body.as_bytes().to_vec(),
        at: Timestamp::from_millis(1_000_000),
    }
}

fn lost() -> Answer {
    Answer::MaybeSent { why: "timed out".to_owned() }
}

fn unsent() -> Answer {
    Answer::NotSent { why: "connection refused".to_owned() }
}

fn rule(fault: &Fault) -> &str {
    fault.rule.as_deref().unwrap_or_default()
}

#[test]
fn a_page_is_asked_for_by_its_bookmark() {
    let first = list_boards("https://p.example", None);
    assert_eq!((first.method, first.bearer), ("GET", true));
    assert_eq!(first.url, "https://p.example/v5/boards?page_size=100");
    let next = list_boards("https://p.example", Some("a b&c=/+"));
    let expected = "https://p.example/v5/boards?page_size=100&bookmark=a+b%26c%3D%2F%2B";
    assert_eq!((next.url.as_str(), next.body), (expected, Body::Empty));
}

#[test]
fn a_board_is_made_of_what_was_given_and_no_more() {
    let sent = |board: NewBoard| {
        let request = create_board("https://p.example", &board);
        assert_eq!((request.method, request.bearer), ("POST", true));
        assert_eq!(request.url, "https://p.example/v5/boards");
        let json = ("content-type", "application/json".to_owned());
        assert!(request.headers.contains(&json));
        let Body::Bytes(bytes) = request.body else { panic!("no body") };
        serde_json::from_slice::<Value>(&bytes).expect("JSON")
    };
    let name = "Chärts".to_owned();
    let least = NewBoard { name: name.clone(), description: None, privacy: None };
    assert_eq!(sent(least), json!({ "name": "Chärts" }));
    let description = Some("Of ours.".to_owned());
    let whole = NewBoard { name, description, privacy: Some(BoardPrivacy::Protected) };
    let expected = json!({ "name": "Chärts", "description": "Of ours.", "privacy": "PROTECTED" });
    assert_eq!(sent(whole), expected);
}

#[test]
fn boards_are_read_with_where_the_next_begin() {
    let body = r#"{"items":[{"id":"1","name":"A","privacy":"PUBLIC","pin_count":3},
        {"id":"2","name":"B"},{"name":"no id"}],"bookmark":"next"}"#;
    let page = read_boards(&heard(200, body)).expect("a page");
    let board = |id: &str, name: &str, privacy: Option<&str>| Board {
        id: id.to_owned(),
        name: name.to_owned(),
        privacy: privacy.map(str::to_owned),
    };
    assert_eq!(page.boards, [board("1", "A", Some("PUBLIC")), board("2", "B", None)]);
    assert_eq!(page.bookmark.as_deref(), Some("next"));
    for last in
        [r#"{"items":[],"bookmark":null}"#, r#"{"items":[]}"#, r#"{"items":[],"bookmark":""}"#]
    {
        let page = read_boards(&heard(200, last)).expect("a page");
        assert_eq!(page, BoardPage { boards: vec![], bookmark: None });
    }
}

#[test]
fn what_went_wrong_with_a_list_is_told() {
    let no = r#"{"code":2,"message":"Authentication failed."}"#;
    for (answer, status, code, expected) in [
        (heard(401, no), 401, Code::PlatformAuthFailed, "pinterest.auth"),
        (heard(403, no), 401, Code::PlatformAuthFailed, "pinterest.auth"),
        (heard(404, no), 502, Code::PlatformRejected, "pinterest.board.rejected"),
        (heard(200, "<html>"), 502, Code::PlatformRejected, "pinterest.board.rejected"),
        (heard(200, "{}"), 502, Code::PlatformRejected, "pinterest.board.rejected"),
        (heard(429, no), 503, Code::PlatformUnavailable, "pinterest.unavailable"),
        (heard(500, no), 503, Code::PlatformUnavailable, "pinterest.unavailable"),
        (lost(), 503, Code::PlatformUnavailable, "pinterest.unavailable"),
        (unsent(), 503, Code::PlatformUnavailable, "pinterest.unreachable"),
    ] {
        let fault = read_boards(&answer).expect_err("no page");
        assert_eq!((fault.http_status(), fault.code, rule(&fault)), (status, code, expected));
        assert_eq!(fault.retryable, status == 503, "{answer:?}");
        assert!(fault.remediation.is_some() && fault.platform_response.is_some(), "{answer:?}");
        assert_eq!(refused_access(&answer), matches!(answer, Answer::Heard { status: 401, .. }));
    }
}

#[test]
fn a_limit_says_how_long() {
    for (headers, secs) in [
        (vec![("x-ratelimit-reset", "17")], 17),
        (vec![("x-ratelimit-reset", "0")], 1),
        (vec![("retry-after", "2.1"), ("x-ratelimit-reset", "17")], 3),
        (vec![("x-ratelimit-reset", "9999999999")], 86_400),
        (vec![("x-ratelimit-reset", "-3")], 60),
        (vec![("x-ratelimit-reset", "soon")], 60),
        (vec![("retry-after", "nan")], 60),
        (vec![], 60),
    ] {
        let fault = read_boards(&with_headers(429, &headers, "{}")).expect_err("limited");
        assert_eq!(fault.retry_after_s, Some(secs), "{headers:?}");
    }
}

#[test]
fn a_board_that_was_made_is_read() {
    let body = r#"{"id":"9","name":"A","privacy":"SECRET"}"#;
    let board = read_board(&heard(201, body)).expect("made");
    assert_eq!((board.id.as_str(), board.privacy.as_deref()), ("9", Some("SECRET")));
}

#[test]
fn a_name_that_is_taken_is_told_apart() {
    let body = r#"{"code":58,"message":"You already have a board with this name."}"#;
    let Err(BoardRefusal::NameTaken(fault)) = read_board(&heard(400, body)) else {
        panic!("it is taken")
    };
    assert_eq!((fault.code, rule(&fault)), (Code::PlatformRejected, "pinterest.board.name_taken"));
    assert!(fault.remediation.as_deref().is_some_and(|text| text.contains("unique")));
    let ghost = name_hidden(&fault);
    assert_eq!(rule(&ghost), "pinterest.board.upsert_ghost");
    assert_eq!(ghost.platform_response, fault.platform_response);
}

#[test]
fn whether_a_board_was_made_is_never_guessed() {
    let no = r#"{"code":1,"message":"no"}"#;
    for (answer, outcome) in [
        (heard(400, no), SendOutcome::Rejected),
        (heard(401, no), SendOutcome::Rejected),
        (heard(429, no), SendOutcome::Rejected),
        (heard(500, no), SendOutcome::Unknown),
        (heard(201, "<html>"), SendOutcome::Unknown),
        (lost(), SendOutcome::Unknown),
        (unsent(), SendOutcome::NotSent),
    ] {
        let Err(BoardRefusal::Other(fault)) = read_board(&answer) else { panic!("{answer:?}") };
        assert_eq!(fault.outcome, Some(outcome), "{answer:?}");
        let unknown = outcome == SendOutcome::Unknown;
        assert_eq!(rule(&fault) == "pinterest.board.outcome_unknown", unknown, "{answer:?}");
        assert!(fault.remediation.is_some() && fault.platform_response.is_some(), "{answer:?}");
    }
}
