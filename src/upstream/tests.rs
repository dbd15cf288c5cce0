//! What the world's misbehaviour is called: on real sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{FetchFault, HttpUpstream, Upstream as _, UpstreamOptions};
use crate::model::{Millis, Now, Secret, Timestamp};
use crate::platforms::{Answer, Body, Reach, Request, SandboxFault};

const TIMEOUT: Millis = Millis(2_000);

fn upstream(allow_private: bool) -> HttpUpstream {
    let now: Now = Arc::new(|| Timestamp::from_millis(1));
    let options = UpstreamOptions {
        allow_private,
        media_allow_private: allow_private,
        webhooks_allow_private: allow_private,
        allow_crash: false,
    };
    HttpUpstream::new(options, now).expect("it builds")
}

fn request(url: &str) -> Request {
    Request {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("content-type", "text/plain".to_owned())],
        bearer: true,
        body: Body::Bytes(b"hello".to_vec()),
        reach: Reach::Public,
        fault: None,
    }
}

/// Serves one connection: reads the request, then writes `answer` and closes.
async fn serve(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/x?secret=1", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut seen = vec![0; 4_096];
        let count = stream.read(&mut seen).await.expect("a request");
        let _ = stream.write_all(&answer).await;
        String::from_utf8_lossy(&seen[..count]).into_owned()
    });
    (url, served)
}

async fn answered(answer: &[u8]) -> Answer {
    let (url, served) = serve(answer.to_vec()).await;
    let token = Secret::new("t0ken");
    let got = upstream(true).send(&request(&url), Some(&token), None, TIMEOUT).await;
    served.await.expect("it was served");
    got
}

fn shown(answer: &Answer) -> String {
    let text = format!("{answer:?}");
    assert!(!text.contains("t0ken") && !text.contains("secret=1"), "{text}");
    text
}

#[tokio::test]
async fn an_answer_is_heard_whole_and_a_redirect_is_not_followed() {
    let (url, served) = serve(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\
        X-A: b\r\ncontent-length: 2\r\n\r\nok"
            .to_vec(),
    )
    .await;
    let token = Secret::new("t0ken");
    let got = upstream(true).send(&request(&url), Some(&token), None, TIMEOUT).await;
    let seen = served.await.expect("it was served");
    assert!(seen.to_lowercase().contains("authorization: bearer t0ken"), "{seen}");
    let Answer::Heard { status: 302, headers, body, .. } = &got else { panic!("{got:?}") };
    assert!(headers.contains(&("x-a".to_owned(), "b".to_owned())) && body == b"ok");
    shown(&got);
}

#[tokio::test]
async fn what_may_have_arrived_is_never_called_unsent() {
    let cases: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\ncontent-length: 10\r\n\r\nhalf",
    ];
    for answer in cases {
        let got = answered(answer).await;
        assert!(matches!(got, Answer::MaybeSent { .. }), "{}", shown(&got));
    }
    let refused = answered(b"HTTP/1.1 422 No\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(matches!(refused, Answer::Heard { status: 422, .. }), "a no is a no, cut off or not");
    let huge =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n{}", "x".repeat(3_000_000));
    let got = answered(huge.as_bytes()).await;
    assert!(matches!(got, Answer::MaybeSent { .. }), "an answer too large to read");
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let token = Secret::new("t0ken");
    let got = upstream(true).send(&request(&url), Some(&token), None, Millis(200)).await;
    let text = shown(&got);
    assert!(matches!(got, Answer::MaybeSent { .. }) && text.contains("timed out"), "{text}");
}

#[tokio::test]
async fn what_cannot_have_arrived_is_called_unsent() {
    let token = Secret::new("t0ken");
    let send = |upstream: HttpUpstream, request: Request| {
        let token = token.clone();
        async move { upstream.send(&request, Some(&token), None, TIMEOUT).await }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let closed = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let early = Request { fault: Some(SandboxFault::TimeoutBeforeSend), ..request(&closed) };
    let crash = Request { fault: Some(SandboxFault::CrashBeforeSend), ..request(&closed) };
    let own = Request { reach: Reach::Own, ..request("http://192.0.2.1/") };
    let cases = [
        (upstream(true), request(&closed), "refused"),
        (upstream(false), request("http://127.0.0.1:1/"), "upstream.allow_private"),
        (upstream(false), request("http://[::1]:1/"), "upstream.allow_private"),
        (upstream(false), request("http://localhost:1/"), "upstream.allow_private"),
        (upstream(true), request("http://169.254.169.254/"), "metadata"),
        (upstream(true), request("ftp://e.org/"), "http"),
        (upstream(true), own, "loopback"),
        (upstream(true), early, "sandbox"),
        (upstream(true), crash, "allow_crash is off"),
    ];
    for (upstream, request, says) in cases {
        let url = request.url.clone();
        let got = send(upstream, request).await;
        let text = shown(&got);
        assert!(matches!(got, Answer::NotSent { .. }) && text.contains(says), "{url}: {text}");
    }
}

#[tokio::test]
async fn a_file_is_fetched_within_its_limit_and_every_hop_is_guarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let fetch = |allow: bool, url: String, max: u64| {
        let path = folder.path().join("file");
        async move {
            let mut file = tokio::fs::File::create(&path).await.expect("a file");
            let got = upstream(allow).fetch(&url, max, &mut file, TIMEOUT).await;
            (got, std::fs::read(&path).expect("a file"))
        }
    };
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes".to_vec();
    let (url, _) = serve(answer.clone()).await;
    let (got, kept) = fetch(true, url, 5).await;
    assert_eq!((got.map(|fetched| fetched.bytes), kept.as_slice()), (Ok(5), b"bytes".as_slice()));
    let (url, _) = serve(answer).await;
    assert_eq!(fetch(true, url, 4).await.0, Err(FetchFault::TooLarge { max: 4 }));
    let (url, _) = serve(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    assert_eq!(fetch(true, url, 9).await.0, Err(FetchFault::Status(404)));
    let (url, _) = serve(
        b"HTTP/1.1 302 Go\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    )
    .await;
    assert!(matches!(fetch(true, url, 9).await.0, Err(FetchFault::Blocked(_))));
    let (url, _) = serve(Vec::new()).await;
    assert!(matches!(fetch(false, url, 9).await.0, Err(FetchFault::Blocked(_))));
    for invalid in ["nonsense", "ftp://e.org/a", "http://"] {
        let got = fetch(true, invalid.to_owned(), 9).await.0;
        assert!(matches!(got, Err(FetchFault::Invalid(_))), "{invalid}: {got:?}");
    }
    let (url, _) = serve(
        b"HTTP/1.1 302 Go\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n".to_vec(),
    )
    .await;
    assert!(matches!(fetch(true, url, 9).await.0, Err(FetchFault::Invalid(_))));
}

/// Answers every connection with a redirect to itself, after a while.
async fn roundabout(wait: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/x", listener.local_addr().expect("an address"));
    let to = url.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = vec![0; 4_096];
            let _ = stream.read(&mut seen).await;
            tokio::time::sleep(wait).await;
            let answer = format!(
                "HTTP/1.1 302 Go\r\nlocation: {to}\r\nconnection: close\r\n\
                 content-length: 0\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_fetch_that_leads_on_ends_by_count_and_by_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = tokio::fs::File::create(folder.path().join("file")).await.expect("a file");
    let quick = roundabout(Duration::ZERO).await;
    let got = upstream(true).fetch(&quick, 9, &mut file, TIMEOUT).await;
    assert_eq!(got, Err(FetchFault::Redirects));
    // Each hop keeps within the time; all of them together do not.
    let slow = roundabout(Duration::from_millis(150)).await;
    let got = upstream(true).fetch(&slow, 9, &mut file, Millis(300)).await;
    let Err(FetchFault::Unreachable(why)) = &got else { panic!("{got:?}") };
    assert!(why.contains("300"), "{why}");
}
