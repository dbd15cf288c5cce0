//! Clients that keep the server waiting, many at once, and honest ones beside them. What waits here
//! waits for a fact: that an honest client is answered, or that the server closes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::support::{after, send, until};
use super::{House, answers, header, rest};

/// Longer than any test takes: a deadline that is not meant to be what helps.
const LONG: &str = "600000";
/// Between two bytes of one who dribbles.
const PAUSE: Duration = Duration::from_millis(20);
/// Meta's callbacks read a body from anybody, so that no key is needed to dribble one.
const BODY_FOR_ANYBODY: &str = "POST /data-deletion/meta HTTP/1.1\r\nhost: a\r\n";

/// A house of few places, with these deadlines beside.
fn house(places: usize, header: &str, body: &str, idle: &str) -> House {
    let places = format!("server.connections_max={places}");
    let deadlines = [("header", header), ("body", body), ("idle", idle)]
        .map(|(name, millis)| format!("server.{name}_timeout_ms={millis}"));
    let [header, body, idle] = deadlines.each_ref().map(String::as_str);
    House::open(&[&places, header, body, idle, "oauth.facebook.client_secret=s"])
}

/// An honest request is answered, and not turned away.
#[track_caller]
fn honest(house: &House) {
    let answer = send(&house.server.base, None, "GET", "/health", &[], b"").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.head);
}

/// Opens a connection that says this and waits.
fn begun(house: &House, said: &str) -> TcpStream {
    let mut stream = house.connect();
    stream.write_all(said.as_bytes()).expect("room");
    stream
}

/// Goes on byte by byte for as long as the server listens; gives what it said.
#[track_caller]
fn dribble(mut stream: TcpStream) -> Vec<u8> {
    stream.set_nonblocking(true).expect("a socket");
    let mut heard = Vec::new();
    // Far beyond any deadline here.
    for _ in 0..1_500 {
        let _ = stream.write(b"a");
        let mut bytes = [0; 4_096];
        match stream.read(&mut bytes) {
            Ok(0) => return heard,
            Ok(count) => heard.extend_from_slice(&bytes[..count]),
            Err(problem) if problem.kind() == ErrorKind::WouldBlock => after(PAUSE),
            Err(_) => return heard,
        }
    }
    panic!("it listens to one who dribbles for ever");
}

/// Dribbles on many connections at once; gives what was said on each.
#[track_caller]
fn dribble_all(streams: Vec<TcpStream>) -> Vec<Vec<u8>> {
    let all: Vec<_> =
        streams.into_iter().map(|one| std::thread::spawn(move || dribble(one))).collect();
    all.into_iter().map(|one| one.join().expect("it is closed")).collect()
}

#[test]
fn headers_that_dribble_end_with_408_and_keep_nobody_waiting() {
    let house = house(40, "1000", LONG, LONG);
    // Twice as many as there are places.
    let streams = (0..80).map(|_| begun(&house, "GET / HTTP/1.1\r\nx-slow: ")).collect();
    let dribbling = std::thread::spawn(move || dribble_all(streams));
    while !dribbling.is_finished() {
        honest(&house);
    }
    let heard = dribbling.join().expect("each is closed");
    let told: Vec<_> = heard.iter().flat_map(|bytes| answers(bytes, false)).collect();
    for one in &told {
        assert_eq!((one.status, one.rule().as_str()), (408, "http.header_timeout"));
        assert_eq!(header(&one.head, "connection"), Some("close"));
    }
    // The others had to make room before their time was up, and had nothing to be told.
    assert!(!told.is_empty() && told.len() < 80, "{} were told", told.len());
}

#[test]
fn bodies_that_dribble_end_with_408() {
    let house = house(100, LONG, "1000", LONG);
    let head = format!("{BODY_FOR_ANYBODY}content-length: 9000\r\n\r\n");
    let chunked = format!("{BODY_FOR_ANYBODY}transfer-encoding: chunked\r\n\r\n1000\r\n");
    let streams = (0..20).map(|n| begun(&house, if n % 2 == 0 { &head } else { &chunked }));
    let streams = streams.collect();
    let dribbling = std::thread::spawn(move || dribble_all(streams));
    while !dribbling.is_finished() {
        honest(&house);
    }
    for bytes in dribbling.join().expect("each is closed") {
        let told = answers(&bytes, false);
        let body = String::from_utf8_lossy(&told[0].body);
        assert_eq!((told.len(), told[0].status), (1, 408), "{body}");
        assert!(body.contains("body_timeout"), "{body}");
    }
}

/// One who asks whether to send a body, is told to, and sends a part of it.
#[track_caller]
fn half_a_body(house: &House) -> TcpStream {
    let head = format!("{BODY_FOR_ANYBODY}expect: 100-continue\r\ncontent-length: 9000\r\n\r\n");
    let mut stream = begun(house, &head);
    assert!(first_head(&mut stream).starts_with("HTTP/1.1 100 "), "the body is waited for");
    stream.write_all(b"signed").expect("it is open");
    stream
}

/// Reads up to the end of a head and no further.
#[track_caller]
fn first_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is text")
}

#[test]
fn who_fills_the_house_with_half_a_body_makes_room() {
    let house = house(20, LONG, LONG, LONG);
    let mut slow: Vec<_> = (0..20).map(|_| half_a_body(&house)).collect();
    for _ in 0..10 {
        honest(&house);
    }
    slow.extend((0..40).map(|_| half_a_body(&house)));
    for _ in 0..10 {
        honest(&house);
    }
    // Whoever began first went first; the last is still listened to.
    for gone in &mut slow[..40] {
        assert_eq!(rest(gone), b"");
    }
    let youngest = slow.last_mut().expect("many");
    youngest.write_all(&[b'x'; 9_000 - 6]).expect("it is open");
    assert!(first_head(youngest).starts_with("HTTP/1.1 400 "), "it is no signed request");
}

#[test]
fn who_does_not_read_makes_room() {
    let house = house(10, LONG, LONG, LONG);
    // More than two sockets buffer between them.
    let large = vec![b'x'; 24 << 20];
    let form = [
        b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".as_slice(),
        &large,
        b"\r\n--x--\r\n",
    ];
    let kind = ("content-type", "multipart/form-data; boundary=x");
    let made = house.server.send("POST", "/v1/media", &[kind], &form.concat()).json();
    let url = made["url"].as_str().unwrap_or_else(|| panic!("{made}"));
    let path = url.strip_prefix(&house.server.base).expect("an address of this server");
    let wants = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let mut deaf: Vec<_> = (0..10).map(|_| begun(&house, &wants)).collect();
    for one in &mut deaf {
        assert!(first_head(one).starts_with("HTTP/1.1 200 "), "its answer has begun");
    }
    // Until they are stuck the server is at work for all of them.
    until("an honest client is answered", || {
        let answer = send(&house.server.base, None, "GET", "/health", &[], b"");
        answer.is_ok_and(|answer| answer.status == 200)
    });
    let whole = deaf.iter_mut().filter_map(|one| (rest(one).len() == large.len()).then_some(()));
    assert_eq!(whole.count(), 9, "one made room, and who reads after all gets the rest");
}

#[test]
fn who_says_nothing_is_closed_and_makes_room() {
    let house = house(20, LONG, LONG, "1000");
    let mut silent: Vec<_> = (0..60).map(|_| house.connect()).collect();
    for _ in 0..40 {
        honest(&house);
    }
    for stream in &mut silent {
        assert_eq!(rest(stream), b"", "nothing was asked");
    }
}
