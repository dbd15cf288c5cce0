//! The server on real sockets, against clients that are slow, wrong or too many.

use std::io::Write;
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::body::Bodies;
use super::house::{self, has, limits, one_answer, rest};
use super::reply::{self, Words};
use super::server::{HangUp, Limits, Service};
use crate::model::Millis;

/// More than two sockets buffer between them.
const BIG: usize = 32 << 20;

/// A server that echoes.
struct House {
    house: house::House,
    /// Hears of each request that reached `/hold`; such a request is answered once it may go.
    arrived: mpsc::UnboundedReceiver<()>,
    go: watch::Sender<bool>,
}

impl Deref for House {
    type Target = house::House;

    fn deref(&self) -> &house::House {
        &self.house
    }
}

impl House {
    fn open(limits: Limits) -> Self {
        Self::with_body_timeout(limits, Millis(60_000))
    }

    fn with_body_timeout(limits: Limits, body_timeout: Millis) -> Self {
        let (go, may_go) = watch::channel(false);
        let (arrived_send, arrived) = mpsc::unbounded_channel();
        let house = house::House::open(limits, move |words| {
            echo(words, body_timeout, arrived_send, may_go)
        });
        Self { house, arrived, go }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.go.send_replace(true);
    }
}

/// Echoes bodies of up to 1,000 bytes that come within `body_timeout`.
fn echo(
    words: Arc<Words>,
    body_timeout: Millis,
    arrived: mpsc::UnboundedSender<()>,
    go: watch::Receiver<bool>,
) -> Service {
    let bodies = Arc::new(Bodies::new(1_000, 1 << 20, body_timeout));
    Arc::new(move |request| {
        let (words, bodies) = (Arc::clone(&words), Arc::clone(&bodies));
        let (arrived, mut go) = (arrived.clone(), go.clone());
        Box::pin(async move {
            let id = words.request_id(request.headers());
            match request.uri().path() {
                "/hang-up" => return Err(HangUp),
                "/big" => {
                    let _ = arrived.send(());
                    let mut answer = reply::json(200, vec![b'x'; BIG]);
                    words.sign(&mut answer, &id);
                    return Ok(answer);
                }
                "/hold" => {
                    let _ = arrived.send(());
                    let _ = go.wait_for(|go| *go).await;
                }
                _ => {}
            }
            let mut answer = match bodies.read(request.into_body()).await {
                Ok(held) => reply::json(200, held.bytes.clone()),
                Err(error) => words.refuse(&error.fault(), &id),
            };
            words.sign(&mut answer, &id);
            Ok(answer)
        })
    })
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[test]
fn a_request_is_answered_under_its_own_id_or_a_fresh_one() {
    let house = House::open(limits());
    let text = house.say(GET_CLOSE.as_bytes());
    has(&text, &["HTTP/1.1 200 OK", "x-request-id: req_01", "x-ratelimit-limit: 6000"]);
    let own = "GET / HTTP/1.1\r\nx-request-id: mine-1\r\nconnection: close\r\n\r\n";
    has(&house.say(own.as_bytes()), &["x-request-id: mine-1"]);
    let bad = "GET / HTTP/1.1\r\nx-request-id: not mine\r\nconnection: close\r\n\r\n";
    has(&house.say(bad.as_bytes()), &["x-request-id: req_01"]);
}

#[test]
fn a_body_over_the_limit_is_refused_even_while_it_is_being_sent() {
    let house = House::open(limits());
    let big = vec![b'x'; 1 << 20];
    let head = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n", big.len());
    let text = house.say(&[head.as_bytes(), &big].concat());
    has(&text, &["HTTP/1.1 413", "body.size_max", "connection: close", "x-request-id: "]);
    let mut chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        chunked.extend_from_slice(b"100\r\n");
        chunked.extend_from_slice(&big[..0x100]);
        chunked.extend_from_slice(b"\r\n");
    }
    has(&house.say(&chunked), &["HTTP/1.1 413", "body.size_max"]);
    let fits = "POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n";
    has(&house.say(&[fits.as_bytes(), &big[..1_000]].concat()), &["HTTP/1.1 200", "xxxx"]);
}

#[test]
fn a_body_that_trickles_ends_with_408() {
    let house = House::with_body_timeout(limits(), Millis(50));
    let text = house.say(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\n01234");
    has(&text, &["HTTP/1.1 408", "body.timeout", "connection: close"]);
}

#[test]
fn a_header_that_is_late_ends_with_408_wherever_it_stopped() {
    let house = House::open(Limits { header_timeout: Millis(50), ..limits() });
    let whole = "GET /a?b HTTP/1.1\r\nhost: a\r\nx-slow: c\r\n\r\n";
    for end in 1..whole.len() {
        let text = house.say(&whole.as_bytes()[..end]);
        assert!(text.starts_with("HTTP/1.1 408"), "{:?}: {text}", &whole[..end]);
        has(&text, &["http.header_timeout", "x-request-id: req_"]);
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    }
    has(&house.say(b"\r\n"), &["HTTP/1.1 408", "http.header_timeout"]);
}

#[test]
fn a_connection_that_stays_idle_is_closed() {
    let house = House::open(Limits { idle_timeout: Millis(50), ..limits() });
    assert_eq!(house.say(b""), "");
    // After an answer the connection is idle again, and closed when it stays so.
    let text = house.say(GET.as_bytes());
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
}

#[test]
fn a_header_too_large_is_refused_in_our_words() {
    let house = House::open(limits());
    let text = house.say(&[b"GET / HTTP/1.1\r\nx-long: ".as_slice(), &[b'a'; 200_000]].concat());
    has(&text, &["HTTP/1.1 431", "http.header_max", "x-request-id: req_", "application/json"]);
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let text = house.say(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes());
    has(&text, &["HTTP/1.1 431", "http.header_max"]);
    let path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let text = house.say(path.as_bytes());
    has(&text, &["HTTP/1.1 4", "http."]);
}

#[test]
fn garbage_is_refused_and_what_came_before_it_is_answered() {
    let house = House::open(limits());
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls".as_slice(),
        b"GET / HTTP/1.1\r\nbad header line\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: \xff\x00\xfe\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"\xc3\x28\xa0\xa1 / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\n",
    ] {
        let text = house.say(garbage);
        has(&text, &["HTTP/1.1 400", "http.malformed", "x-request-id: req_"]);
    }
    let text = house.say(format!("{GET}\u{1}\u{2}\u{3}garbage\r\n\r\n").as_bytes());
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    has(&text, &["HTTP/1.1 400", "http.malformed"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let house = House::open(limits());
    let post = |text: &str| format!("POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n{text}");
    let text = house.say(format!("{}{}{GET_CLOSE}", post("a"), post("b")).as_bytes());
    assert_eq!(text.matches("HTTP/1.1 200").count(), 3, "{text}");
    assert!(text.find("\r\n\r\na") < text.find("\r\n\r\nb"), "{text}");
}

#[test]
fn idle_connections_make_room_for_a_request() {
    let house = House::open(Limits { connections_max: 10, ..limits() });
    let idle: Vec<_> = (0..50).map(|_| house.connect()).collect();
    has(&house.say(GET_CLOSE.as_bytes()), &["HTTP/1.1 200"]);
    // The oldest were closed to make room; the newest are still there.
    let mut oldest = idle.first().expect("many").try_clone().expect("a handle");
    assert_eq!(rest(&mut oldest), "");
    let mut newest = idle.last().expect("many").try_clone().expect("a handle");
    newest.write_all(GET_CLOSE.as_bytes()).expect("it is open");
    has(&rest(&mut newest), &["HTTP/1.1 200"]);
}

#[test]
fn when_all_are_busy_the_next_is_turned_away_in_our_words() {
    let mut house = House::open(Limits { connections_max: 2, ..limits() });
    let mut busy: Vec<_> = (0..2).map(|_| house.connect()).collect();
    for stream in &mut busy {
        stream.write_all(b"GET /hold HTTP/1.1\r\nconnection: close\r\n\r\n").expect("room");
        house.arrived.blocking_recv().expect("it arrived");
    }
    let text = house.say(GET.as_bytes());
    has(&text, &["HTTP/1.1 503", "connection: close", "retry-after: 1", "connections_max"]);
    house.go.send_replace(true);
    for stream in &mut busy {
        has(&rest(stream), &["HTTP/1.1 200"]);
    }
    has(&house.say(GET_CLOSE.as_bytes()), &["HTTP/1.1 200"]);
}

#[test]
fn a_connection_may_be_closed_without_an_answer() {
    let house = House::open(limits());
    assert_eq!(house.say(b"GET /hang-up HTTP/1.1\r\n\r\n"), "");
}

#[test]
fn a_stop_finishes_what_runs_and_closes_what_is_idle() {
    let mut house = House::open(limits());
    let mut idle = house.connect();
    idle.write_all(GET.as_bytes()).expect("open");
    has(&one_answer(&mut idle), &["HTTP/1.1 200"]);
    let mut fresh = house.connect();
    let mut busy = house.connect();
    busy.write_all(b"GET /hold HTTP/1.1\r\n\r\n").expect("open");
    house.arrived.blocking_recv().expect("it arrived");
    house.stop.send_replace(true);
    assert_eq!(rest(&mut idle), "");
    assert_eq!(rest(&mut fresh), "");
    // The port is given up while the request still runs.
    while TcpStream::connect(house.address).is_ok() {
        std::thread::yield_now();
    }
    house.go.send_replace(true);
    has(&rest(&mut busy), &["HTTP/1.1 200", "connection: close"]);
    drop(busy);
    assert_eq!(house.house.close(), 0, "nobody was cut off");
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let mut house = House::open(Limits { drain_timeout: Millis(50), ..limits() });
    let mut busy = house.connect();
    busy.write_all(b"GET /hold HTTP/1.1\r\n\r\n").expect("open");
    house.arrived.blocking_recv().expect("it arrived");
    assert_eq!(house.house.close(), 1);
    assert_eq!(rest(&mut busy), "");
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let mut house = House::open(Limits { idle_timeout: Millis(50), ..limits() });
    let mut deaf = house.connect();
    deaf.write_all(b"GET /big HTTP/1.1\r\n\r\n").expect("open");
    house.arrived.blocking_recv().expect("it arrived");
    // The stop would wait a minute for this connection, were it not given up.
    assert_eq!(house.house.close(), 0);
    assert!(rest(&mut deaf).len() < BIG, "the answer cannot have arrived whole");
}
