//! Every way that leads inward: ranges, spellings of addresses, names that lie, and redirects.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::client::Guarded;
use super::names::Lookup;
use super::{
    FetchFault, Hook, HookFault, HttpUpstream, Refused, Upstream as _, UpstreamOptions, guard,
};
use crate::model::{MEDIA_REDIRECTS_MAX, Millis, Now, Secret, Timestamp};
use crate::platforms::{Answer, Body, Reach, Request};

const TIMEOUT: Millis = Millis(20_000);

/// Special-purpose ranges, each by its first and its last address, and a neighbour on either side
/// that is nobody's or everybody's.
const RANGES: &str = "
    -               0.0.0.0         0.255.255.255   1.0.0.0
    9.255.255.255   10.0.0.0        10.255.255.255  11.0.0.0
    100.63.255.255  100.64.0.0      100.127.255.255 100.128.0.0
    126.255.255.255 127.0.0.0       127.255.255.255 128.0.0.0
    169.253.255.255 169.254.0.0     169.254.255.255 169.255.0.0
    172.15.255.255  172.16.0.0      172.31.255.255  172.32.0.0
    191.255.255.255 192.0.0.0       192.0.0.255     192.0.1.0
    192.0.1.255     192.0.2.0       192.0.2.255     192.0.3.0
    192.88.98.255   192.88.99.0     192.88.99.255   192.88.100.0
    192.167.255.255 192.168.0.0     192.168.255.255 192.169.0.0
    198.17.255.255  198.18.0.0      198.19.255.255  198.20.0.0
    198.51.99.255   198.51.100.0    198.51.100.255  198.51.101.0
    203.0.112.255   203.0.113.0     203.0.113.255   203.0.114.0
    223.255.255.255 224.0.0.0       239.255.255.255 -
    -               240.0.0.0       255.255.255.255 -
    -               ::              ::1             -
    -               ::2             ::ffff          -
    -               64:ff9b:1::     64:ff9b:1:ffff:ffff:ffff:ffff:ffff      64:ff9b:2::
    ff:ffff::       100::           100::ffff:ffff:ffff:ffff                -
    -               100:0:0:1::     100::1:ffff:ffff:ffff:ffff              100:0:0:2::
    2000:ffff::     2001::          2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff  2001:200::
    2001:db7:ffff:: 2001:db8::      2001:db8:ffff:ffff:ffff:ffff:ffff:ffff  2001:db9::
    3ffe:ffff::     3fff::          3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff  3fff:1000::
    5eff:ffff::     5f00::          5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff 5f01::
    fbff:ffff::     fc00::          fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe00::
    fe7f:ffff::     fe80::          febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff -
    -               fec0::          feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -
    -               ff00::          ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -";

/// Addresses that hand out credentials of the machine.
const METADATA: &str = "169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 169.254.0.23 \
    100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42";

/// Where IPv6 has room for an IPv4 address. `{x}` is its hexadecimal form, `{n}` that of its
/// complement, `{a}` to `{d}` are its octets.
const COATS: [&str; 6] =
    ["::ffff:{x}", "::ffff:0:{x}", "::{x}", "64:ff9b::{x}", "64:ff9b::7:{x}", "2002:{x}::5"];
/// The same, where the network's owner alone knows what is meant: private in any case.
const PRIVATE_COATS: [&str; 5] = [
    "64:ff9b:1::{x}",
    "64:ff9b:1:{a}{b}:{c}:{d}00::",
    "64:ff9b:1:7{a}:{b}:{c}{d}::",
    "64:ff9b:1:7:{a}:{b}{c}:{d}00:0",
    "2001::4136:e378:8000:63bf:{n}",
];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn dressed(coat: &str, address: &str) -> IpAddr {
    let IpAddr::V4(v4) = ip(address) else { panic!("{address} needs no coat") };
    let [a, b, c, d] = v4.octets();
    let x = format!("{a:02x}{b:02x}:{c:02x}{d:02x}");
    let n = format!("{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d);
    let mut text = coat.replace("{x}", &x).replace("{n}", &n);
    for (name, octet) in [("{a}", a), ("{b}", b), ("{c}", c), ("{d}", d)] {
        text = text.replace(name, &format!("{octet:02x}"));
    }
    ip(&text)
}

#[track_caller]
fn check(address: IpAddr, closed: Result<(), Refused>, open: Result<(), Refused>) {
    assert_eq!(guard(address, false), closed, "{address}");
    assert_eq!(guard(address, true), open, "{address} with private ones allowed");
}

#[test]
fn every_special_range_is_closed_from_its_first_to_its_last_address() {
    let private = Err(Refused::Private);
    let mut ranges = 0;
    for range in RANGES.lines().skip(1) {
        let marks: Vec<&str> = range.split_whitespace().collect();
        let [before, first, last, after] = marks[..] else { panic!("four marks: {range}") };
        for address in [first, last] {
            check(ip(address), private, Ok(()));
        }
        for address in [before, after] {
            if address != "-" {
                check(ip(address), Ok(()), Ok(()));
            }
        }
        if first.contains('.') {
            // A compatible form of 0.0.0.0 is `::` itself, and private too.
            for coat in COATS {
                check(dressed(coat, first), private, Ok(()));
                check(dressed(coat, last), private, Ok(()));
            }
        }
        ranges += 1;
    }
    assert_eq!(ranges, 28);
    for address in ["1.1.1.1", "8.8.8.8", "193.0.14.129"] {
        for coat in COATS {
            check(dressed(coat, address), Ok(()), Ok(()));
        }
        for coat in PRIVATE_COATS {
            check(dressed(coat, address), private, Ok(()));
        }
    }
}

#[test]
fn nothing_opens_a_metadata_service() {
    let never = Err(Refused::Metadata);
    for address in METADATA.split_whitespace() {
        check(ip(address), never, never);
        if address.contains('.') {
            for coat in COATS.iter().chain(&PRIVATE_COATS) {
                check(dressed(coat, address), never, never);
            }
        }
    }
}

/// Names that answer as a test says, one answer a question; and what was asked.
#[derive(Clone, Default)]
struct Names {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    fn answering(answers: &[&[&str]]) -> Self {
        let names = Self::default();
        let told = answers.iter().map(|one| one.iter().map(|text| ip(text)).collect());
        names.answers.lock().expect("a lock").extend(told);
        names
    }

    fn lookup(&self) -> Lookup {
        let names = self.clone();
        Arc::new(move |name| {
            names.asked.lock().expect("a lock").push(name);
            let answer = names.answers.lock().expect("a lock").pop_front();
            Box::pin(async move {
                let found = answer.ok_or_else(|| std::io::Error::other("no such name"))?;
                Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
            })
        })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

fn upstream(allow_private: bool, names: &Names) -> HttpUpstream {
    let now: Now = Arc::new(|| Timestamp::from_millis(1));
    let options = UpstreamOptions {
        allow_private,
        media_allow_private: allow_private,
        webhooks_allow_private: allow_private,
        allow_crash: false,
    };
    HttpUpstream::with_names(options, now, || names.lookup()).expect("it builds")
}

/// How the three doors outward end: for a platform, for media, for a webhook endpoint.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nobody was spoken to, and the guard or the URL is why.
    Refused(String),
    /// It was answered.
    Answered(u16),
    /// Anything else.
    Other(String),
}

async fn sent(upstream: &HttpUpstream, url: &str) -> End {
    let request = Request {
        method: "POST",
        url: url.to_owned(),
        headers: Vec::new(),
        bearer: true,
        body: Body::Empty,
        reach: Reach::Public,
        fault: None,
    };
    match upstream.send(&request, Some(&Secret::new("t")), None, TIMEOUT).await {
        Answer::NotSent { why } if why.contains("allow_private") => End::Refused(why),
        Answer::NotSent { why } if why.contains("metadata") => End::Refused(why),
        Answer::NotSent { why } if why.contains("the URL is not sound") => End::Refused(why),
        Answer::Heard { status, .. } => End::Answered(status),
        other => End::Other(format!("{other:?}")),
    }
}

async fn fetched(upstream: &HttpUpstream, url: &str) -> End {
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().expect("a file"));
    match upstream.fetch(url, 9, &mut file, TIMEOUT).await {
        Err(FetchFault::Blocked(why) | FetchFault::Invalid(why)) => End::Refused(why),
        Ok(_) => End::Answered(200),
        Err(FetchFault::Status(status)) => End::Answered(status),
        Err(other) => End::Other(format!("{other:?}")),
    }
}

async fn delivered(upstream: &HttpUpstream, url: &str) -> End {
    let hook = Hook { url: url.to_owned(), headers: Vec::new(), body: Vec::new() };
    match upstream.deliver(&hook, TIMEOUT).await {
        Err(HookFault::Blocked(why) | HookFault::Unsupported(why)) => End::Refused(why),
        Ok(answer) => End::Answered(answer.status),
        Err(other) => End::Other(format!("{other:?}")),
    }
}

async fn all_doors(upstream: &HttpUpstream, url: &str) -> [End; 3] {
    [sent(upstream, url).await, fetched(upstream, url).await, delivered(upstream, url).await]
}

/// Listens on loopback. Gives its port, and the requests it heard.
async fn listen(
    answer: impl Fn(usize) -> String + Send + 'static,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = vec![0; 4_096];
            let count = stream.read(&mut seen).await.unwrap_or(0);
            let nth = {
                let mut log = log.lock().expect("a lock");
                log.push(String::from_utf8_lossy(&seen[..count]).into_owned());
                log.len() - 1
            };
            let _ = stream.write_all(answer(nth).as_bytes()).await;
        }
    });
    (port, heard)
}

fn fine(_: usize) -> String {
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_owned()
}

/// Hosts that are private addresses and metadata services, or no hosts at all.
const SPELLINGS: [&str; 43] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.1.",
    "127.000.000.001",
    "0",
    "0.0.0.0",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}0\u{ff0e}0\u{ff61}1",
    "\u{2460}27.0.0.1",
    "12\u{ad}7.0.0.1",
    "127.0.\t0.1",
    "e.org@127.0.0.1",
    "e.org:80@127.0.0.1",
    "e.org%40x@127.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1",
    "127.0.0.256",
    "0x100000000",
    "10.0.0.1",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:a9fe:a9fe]",
];

#[tokio::test]
async fn an_odd_spelling_of_an_address_is_that_address() {
    let (port, heard) = listen(fine).await;
    let names = Names::default();
    let closed = upstream(false, &names);
    for host in SPELLINGS {
        let url = format!("http://{host}:{port}/");
        for end in all_doors(&closed, &url).await {
            assert!(matches!(end, End::Refused(_)), "{url}: {end:?}");
        }
    }
    // What a reader takes for the host and a parser does not, or the other way round.
    for url in [
        format!("http:\\\\127.0.0.1:{port}\\"),
        format!("http:127.0.0.1:{port}"),
        format!("http:///127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}\\@e.org/"),
        format!("http://127.0.0.1:{port}#@e.org/"),
        format!("http://127.0.0.1:{port}?@e.org/"),
        format!(" \u{1}http://127.0.0.1:{port}/ "),
        format!("ht\ntp://127.0.\n0.1:{port}/"),
        format!("HTTP://127.0.0.1:{port}/"),
    ] {
        for end in all_doors(&closed, &url).await {
            assert!(matches!(end, End::Refused(_)), "{url:?}: {end:?}");
        }
    }
    assert_eq!(names.asked(), Vec::<String>::new(), "each was known for an address");
    assert_eq!(*heard.lock().expect("a lock"), Vec::<String>::new());
    // With private ones allowed the listener is there, in any spelling.
    let open = upstream(true, &names);
    for host in ["127.1", "0x7f000001", "[::ffff:127.0.0.1]"] {
        for end in all_doors(&open, &format!("http://{host}:{port}/")).await {
            assert_eq!(end, End::Answered(200), "{host}");
        }
    }
}

#[tokio::test]
async fn a_name_for_a_private_address_is_refused_whatever_the_name() {
    let (port, heard) = listen(fine).await;
    for host in ["localhost", "localhost.", "LOCALHOST", "a.localhost", "e.org", "e.org."] {
        for address in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "::ffff:127.0.0.1"] {
            let answer: &[&str] = &[address, "169.254.169.254", "192.168.0.1"];
            let names = Names::answering(&[answer, answer, answer]);
            let closed = upstream(false, &names);
            for end in all_doors(&closed, &format!("http://{host}:{port}/")).await {
                assert!(matches!(end, End::Refused(_)), "{host} as {address}: {end:?}");
            }
            assert_eq!(names.asked().len(), 3, "{host}");
        }
    }
    assert_eq!(*heard.lock().expect("a lock"), Vec::<String>::new());
}

#[tokio::test]
async fn of_a_mixed_answer_only_what_may_be_reached_is_tried() {
    let answer: &[&str] = &[
        "10.0.0.1",
        "1.1.1.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "::ffff:1.1.1.1",
        "fd00::1",
        "2606:4700::1111",
        "64:ff9b::10.0.0.1",
        "fd00:ec2::254",
    ];
    for (allow_private, expected) in [
        (false, vec!["1.1.1.1", "::ffff:1.1.1.1", "2606:4700::1111"]),
        (
            true,
            vec![
                "10.0.0.1",
                "1.1.1.1",
                "::ffff:127.0.0.1",
                "::ffff:1.1.1.1",
                "fd00::1",
                "2606:4700::1111",
                "64:ff9b::10.0.0.1",
            ],
        ),
    ] {
        let lookup = Names::answering(&[answer]).lookup();
        let guarded = Guarded { lookup, allow_private, setting: "a.setting" };
        let found = guarded.addresses("e.org".to_owned()).await.expect("some are left");
        let found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        assert_eq!(found, expected.into_iter().map(ip).collect::<Vec<_>>(), "{allow_private}");
    }
}

/// The name says one thing when it is checked and another right after. What was checked is what is
/// connected to, because nobody asks again.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_asked_once_a_connection() {
    let (port, heard) = listen(fine).await;
    let url = format!("http://rebind.e.org:{port}/");
    let doors = [0, 1, 2];
    for door in doors {
        let names = Names::answering(&[&["127.0.0.1"], &["169.254.169.254"]]);
        let open = upstream(true, &names);
        let once = async || match door {
            0 => sent(&open, &url).await,
            1 => fetched(&open, &url).await,
            _ => delivered(&open, &url).await,
        };
        assert_eq!(once().await, End::Answered(200));
        assert_eq!(names.asked(), ["rebind.e.org"], "checked and used in one");
        // A new connection asks anew, and is checked anew.
        let end = once().await;
        assert!(matches!(end, End::Refused(_)), "{end:?}");
        assert_eq!(names.asked().len(), 2);
    }
    assert_eq!(heard.lock().expect("a lock").len(), doors.len());
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_guarded() {
    for hops in 1..=MEDIA_REDIRECTS_MAX {
        for target in [
            "http://169.254.169.254/latest/meta-data/",
            "//169.254.169.254/",
            "http://2852039166/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://metadata.e.org/",
            "https://metadata.e.org/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
        ] {
            let (port, heard) = listen(move |nth| {
                let to = if nth + 1 == hops { target.to_owned() } else { format!("/{nth}") };
                let rest = "connection: close\r\ncontent-length: 0\r\n\r\n";
                format!("HTTP/1.1 302 Go\r\nlocation: {to}\r\n{rest}")
            })
            .await;
            let names = Names::answering(&[&["169.254.169.254"]]);
            let end = fetched(&upstream(true, &names), &format!("http://127.0.0.1:{port}/")).await;
            assert!(matches!(end, End::Refused(_)), "{target} after {hops}: {end:?}");
            assert_eq!(heard.lock().expect("a lock").len(), hops, "{target}");
        }
    }
}

/// A platform and a webhook endpoint are not followed at all.
#[tokio::test]
async fn a_call_and_a_delivery_follow_nobody() {
    let (port, heard) = listen(|_| {
        let rest = "connection: close\r\ncontent-length: 0\r\n\r\n";
        format!("HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\n{rest}")
    })
    .await;
    let open = upstream(true, &Names::default());
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(sent(&open, &url).await, End::Answered(307));
    assert_eq!(delivered(&open, &url).await, End::Answered(307));
    assert_eq!(heard.lock().expect("a lock").len(), 2);
}
