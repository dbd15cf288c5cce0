//! Bytes that are no HTTP/1.1, nearly so, or so in a corner. Each row is what a connection says,
//! and each answer up to its end. What is refused is refused once, in the one shape of all errors,
//! and closed: what follows on it is never read as a request, as one that was smuggled in would be.
//!
//! In a row NEXT is a sound request, and KEY is the header of somebody who may do everything.

use super::{House, answers, header};

const NEXT: &str = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
/// What a row expects for NEXT.
const OK: &str = "200";
const MALFORMED: &[&str] = &["400 http.malformed"];

/// A connection that nobody speaks on closes soon, so that each row comes to its end.
fn house() -> House {
    House::open(&[
        "server.idle_timeout_ms=300",
        "server.header_timeout_ms=2000",
        "server.body_timeout_ms=1000",
    ])
}

/// Says a row; tells each answer as its status, and its rule if it is a refusal with a body.
#[track_caller]
fn check(house: &House, row: &str, expected: &[&str]) {
    let key = format!("authorization: Bearer {}", house.server.key);
    let bytes = row.replace("NEXT", NEXT).replace("KEY", &key);
    let heard = house.say(bytes.as_bytes());
    let heads = row.starts_with("HEAD ");
    let told = answers(&heard, heads).into_iter().map(|said| match said.status {
        status @ 400.. if !heads => {
            let rule = said.rule();
            let ends = rule.starts_with("http.") && rule != "http.route";
            let says_so = header(&said.head, "connection") == Some("close");
            assert!(says_so || !(ends || rule.starts_with("body.")), "{row:?}: {}", said.head);
            format!("{status} {rule}").trim_end().to_owned()
        }
        status => status.to_string(),
    });
    assert_eq!(told.collect::<Vec<_>>(), expected, "{row:?}");
    let after = house.say(b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(answers(&after, false)[0].status, 200, "after {row:?}");
}

/// Checks requests that differ in their header alone, each with a body of its own and NEXT.
#[track_caller]
fn check_framing(rows: &[(&str, &str, &[&str])]) {
    let house = house();
    for (framing, body, expected) in rows {
        let row = format!("POST /v1/nowhere HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n{body}NEXT");
        check(&house, &row, expected);
    }
}

#[test]
fn a_length_that_may_be_read_in_two_ways_ends_the_connection() {
    const EMPTY: &str = "0\r\n\r\n";
    let nowhere: &[&str] = &["404 http.route"];
    let then_next: &[&str] = &["404 http.route", OK];
    let coding: &[&str] = &["501 http.transfer_encoding"];
    check_framing(&[
        ("content-length: 2", "{}", then_next),
        ("content-length: 2\r\ncontent-length: 2", "{}", then_next),
        ("content-length: 5\r\ncontent-length: 6", EMPTY, MALFORMED),
        ("content-length: 5\r\ncontent-length: 0", EMPTY, MALFORMED),
        ("content-length: 2, 2", "{}", MALFORMED),
        ("content-length: +2", "{}", MALFORMED),
        ("content-length: -2", "{}", MALFORMED),
        ("content-length: 0x2", "{}", MALFORMED),
        ("content-length: 2 2", "{}", MALFORMED),
        ("content-length:", "{}", MALFORMED),
        ("content-length: 99999999999999999999999", "{}", MALFORMED),
        // The chunks count, and the rest is nobody's.
        ("content-length: 5\r\ntransfer-encoding: chunked", EMPTY, nowhere),
        ("transfer-encoding: chunked\r\ncontent-length: 5", EMPTY, nowhere),
        ("transfer-encoding: chunked\r\ncontent-length: 0", EMPTY, nowhere),
        ("transfer-encoding: chunked", EMPTY, then_next),
        ("Transfer-Encoding: CHUNKED", EMPTY, then_next),
        ("transfer-encoding: identity", EMPTY, MALFORMED),
        ("transfer-encoding: xchunked", EMPTY, MALFORMED),
        ("transfer-encoding: chunked, identity", EMPTY, MALFORMED),
        ("transfer-encoding: \"chunked\"", EMPTY, MALFORMED),
        ("transfer-encoding:\u{b}chunked", EMPTY, MALFORMED),
        ("transfer-encoding : chunked", EMPTY, MALFORMED),
        ("transfer-encoding:\r\n chunked", EMPTY, MALFORMED),
        ("transfer-encoding: gzip, chunked", EMPTY, coding),
        ("transfer-encoding: identity, chunked", EMPTY, coding),
        ("transfer-encoding: chunked, chunked", EMPTY, coding),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", EMPTY, coding),
        ("transfer-encoding: identity\r\ntransfer-encoding: chunked", EMPTY, coding),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity", EMPTY, MALFORMED),
    ]);
    check(
        &house(),
        "POST /v1/nowhere HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nNEXT",
        MALFORMED,
    );
}

#[test]
fn chunks_that_are_none_end_the_connection() {
    let house = house();
    let broken: &[&str] = &["400 body.incomplete"];
    let read: &[&str] = &["400 targets", OK];
    for (chunks, expected) in [
        ("2\r\n{}\r\n0\r\n\r\n", read),
        ("02\r\n{}\r\n0\r\n\r\n", read),
        ("2;x=y\r\n{}\r\n0\r\n\r\n", read),
        ("2\r\n{}\r\n0\r\nx: y\r\n\r\n", read),
        ("zz\r\n{}\r\n0\r\n\r\n", broken),
        ("-1\r\n{}\r\n0\r\n\r\n", broken),
        ("0x2\r\n{}\r\n0\r\n\r\n", broken),
        ("\r\n{}\r\n0\r\n\r\n", broken),
        ("ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", broken),
        ("2\r\n{}xx\r\n0\r\n\r\n", broken),
        ("2\n{}\n0\n\n", broken),
        ("2\r{}\r\n0\r\n\r\n", broken),
        ("2;x=\n\r\n{}\r\n0\r\n\r\n", broken),
    ] {
        let head = "POST /v1/posts HTTP/1.1\r\nhost: a\r\nKEY\r\ntransfer-encoding: chunked";
        check(&house, &format!("{head}\r\n\r\n{chunks}NEXT"), expected);
    }
}

#[test]
fn lines_that_are_none_are_refused() {
    let house = house();
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x: {}\r\n", "a".repeat(200_000));
    for line in [
        "x: b\r\n c\r\n",
        "x: b\r\n\tc\r\n",
        "x: b\rx: c\r\n",
        "x: a\0b\r\n",
        "x\0: ab\r\n",
        ": x\r\n",
        "no colon\r\n",
        "x y: z\r\n",
        "x : y\r\n",
    ] {
        check(&house, &format!("GET /livez HTTP/1.1\r\nhost: a\r\n{line}\r\nNEXT"), MALFORMED);
    }
    for lines in [many, large] {
        let row = format!("GET /livez HTTP/1.1\r\nhost: a\r\n{lines}\r\nNEXT");
        check(&house, &row, &["431 http.header_max"]);
    }
    for (row, expected) in [
        ("GET /livez HTTP/1.1\r\n host: a\r\n\r\nNEXT", MALFORMED),
        ("GET /livez HTTP/1.1\rhost: a\r\r", MALFORMED),
        ("GET /li\0vez HTTP/1.1\r\nhost: a\r\n\r\nNEXT", MALFORMED),
        (" NEXT", MALFORMED),
        // Readers agree on these.
        ("GET /livez HTTP/1.1\nhost: a\n\nNEXT", &[OK, OK]),
        ("\r\n\r\nNEXT", &[OK]),
        // A header that never ends is late, wherever it stops.
        ("NEXTGET /livez HTTP/1.1\r\nhost", &[OK]),
        ("GET /livez HTTP/1.1\r\nhost", &["408 http.header_timeout"]),
        ("GET", &["408 http.header_timeout"]),
    ] {
        check(&house, row, expected);
    }
}

#[test]
fn targets_versions_and_methods_in_a_corner() {
    let house = house();
    let target: &[&str] = &["400 http.target"];
    let nowhere: &[&str] = &["404 http.route", OK];
    for (line, expected) in [
        ("GET http://b/livez HTTP/1.1", &[OK, OK] as &[&str]),
        ("GET http:///livez HTTP/1.1", MALFORMED),
        ("GET livez HTTP/1.1", target),
        ("GET b:80 HTTP/1.1", target),
        ("CONNECT b:443 HTTP/1.1", target),
        ("CONNECT /v1/posts HTTP/1.1", target),
        ("GET //livez HTTP/1.1", nowhere),
        ("GET /livez%00%0d%0a HTTP/1.1", nowhere),
        ("GET * HTTP/1.1", nowhere),
        ("TRACE /livez HTTP/1.1", nowhere),
        ("BREW /livez HTTP/1.1", nowhere),
        ("get /livez HTTP/1.1", nowhere),
        ("OPTIONS * HTTP/1.1", &["204", OK]),
        ("OPTIONS /v1/posts HTTP/1.1", &["204", OK]),
        ("HEAD /livez HTTP/1.1", &[OK, OK]),
        ("HEAD /v1/nowhere HTTP/1.1", &["404", OK]),
        ("GET /livez", MALFORMED),
        ("GET /livez HTTP/0.9", MALFORMED),
        ("GET /livez HTTP/1.2", MALFORMED),
        ("GET /livez HTTP/2.0", MALFORMED),
        ("GET /livez http/1.1", MALFORMED),
        ("GET  /livez HTTP/1.1", MALFORMED),
        ("GET /livez  HTTP/1.1", MALFORMED),
        ("GET /livez HTTP/1.1 ", MALFORMED),
        ("GET /livez HTTP/1.0", &[OK]),
        ("GET /livez HTTP/1.0\r\nconnection: keep-alive", &[OK, OK]),
        ("GET /livez HTTP/1.0\r\nconnection: keep-alive, close", &[OK]),
        ("GET /livez HTTP/1.1\r\nconnection: close", &[OK]),
        ("GET /livez HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c", &[OK, OK]),
    ] {
        // Of what is answered to HEAD only the head can be told apart, so NEXT is one as well.
        let next = if line.starts_with("HEAD ") {
            "HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        } else {
            "NEXT"
        };
        check(&house, &format!("{line}\r\nhost: a\r\n\r\n{next}"), expected);
    }
}

#[test]
fn who_speaks_http_2_is_told_in_words_of_1_1() {
    const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let house = house();
    let version: &[&str] = &["505 http.version"];
    check(&house, PREFACE, version);
    // What a client sends behind it, without waiting: its settings, and a request.
    let settings = "\0\0\0\u{4}\0\0\0\0\0";
    check(&house, &format!("{PREFACE}{settings}NEXT"), version);
    check(&house, &format!("NEXT{PREFACE}"), &[OK, "505 http.version"]);
    // Half of it is nobody's.
    check(&house, "PRI * HTTP/2.0\r\n\r\n", MALFORMED);
    // In pieces it is the same.
    let mut stream = house.connect();
    for piece in PREFACE.as_bytes().chunks(5) {
        let _ = std::io::Write::write_all(&mut stream, piece);
    }
    let heard = answers(&super::rest(&mut stream), false);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(["http.version", "http.malformed"].contains(&heard[0].rule().as_str()), "{heard:?}");
}

#[test]
fn a_request_names_its_host_and_names_it_once() {
    let house = house();
    let host: &[&str] = &["400 http.host"];
    for (lines, expected) in [
        ("", host),
        ("x: host\r\n", host),
        ("host: a\r\nhost: b\r\n", host),
        ("host: a\r\nhost: a\r\n", host),
        ("host: a\r\nHOST:\r\n", host),
        ("host: a b\r\n", host),
        ("host: a/b\r\n", host),
        ("host: b@a\r\n", host),
        ("host: http://a\r\n", host),
        ("host: a\r\n", &[OK, OK]),
        ("Host: a:80\r\n", &[OK, OK]),
        ("host: [::1]:80\r\n", &[OK, OK]),
        ("host: \r\n", &[OK, OK]),
    ] {
        check(&house, &format!("GET /livez HTTP/1.1\r\n{lines}\r\nNEXT"), expected);
    }
    // An address in the target is no host, and whoever speaks HTTP/1.0 need not name one.
    check(&house, "GET http://a/livez HTTP/1.1\r\n\r\nNEXT", host);
    check(&house, "POST /v1/posts HTTP/1.1\r\nKEY\r\ncontent-length: 2\r\n\r\n{}NEXT", host);
    check(&house, "GET /livez HTTP/1.0\r\n\r\nNEXT", &[OK]);
    check(&house, "GET /livez HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\nNEXT", host);
}

#[test]
fn who_asks_before_sending_is_told_once_and_what_follows_is_not_guessed_at() {
    let house = house();
    let post = |lines: &str, body: &str| {
        format!("POST /v1/posts HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n{body}")
    };
    let expecting = "expect: 100-continue\r\ncontent-length: 2";
    let known = format!("KEY\r\n{expecting}");
    check(&house, &post(&known, "{}NEXT"), &["100", "400 targets", OK]);
    check(&house, &post(&known, ""), &["100", "408 body.timeout"]);
    // It may send its body after such an answer, or its next request.
    for body in ["{}NEXT", "NEXT"] {
        check(&house, &post(expecting, body), &["401"]);
    }
    check(
        &house,
        &post("KEY\r\nexpect: 200-ok\r\ncontent-length: 2", "{}NEXT"),
        &["400 targets", OK],
    );
    // A request in place of a body is a body.
    check(&house, &post("content-length: 31", "NEXTNEXT"), &["401", OK]);
    check(&house, &post("content-length: 70", "NEXT"), &["401"]);
    check(&house, &post("KEY\r\ncontent-length: 10", "{"), &["408 body.timeout"]);
    check(&house, "NEXTNEXTNEXT", &[OK, OK, OK]);
}
