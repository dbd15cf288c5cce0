//! Forms as clients send them, and as they should not.

use super::*;
use http_body_util::Full;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;

const BOUNDS: Bounds = Bounds { bytes_max: 4 << 20, pause_max: Millis::from_secs(60) };
const FORM: &str = "multipart/form-data; boundary=B";

/// A body that is ready at every moment, in chunks as they are.
struct Ready(VecDeque<Bytes>);

impl Body for Ready {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

fn media(folder: &Path) -> Media {
    Media::open(folder.join("media"), Arc::new(|| 1)).expect("it opens")
}

fn headers(kind: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a value"))])
}

fn chunks(bytes: &[u8], size: usize) -> Ready {
    Ready(bytes.chunks(size).map(Bytes::copy_from_slice).collect())
}

fn part(head: &str, body: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("media/incoming")).expect("a folder").count()
}

#[tokio::test]
async fn a_file_comes_whole_however_it_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = media(folder.path());
    let file = "one\r\n--b\r\n--\r\n-\r\r\ntwo";
    let form = [
        part("name=\"note\"", &"x".repeat(200_000)),
        part("name=\"file\"; filename=\"a.png\"\r\nContent-Type: Image/PNG", file),
        part("name=\"more\"; filename=\"b\"", "dropped"),
        "--B--\r\nand an epilogue".to_owned(),
    ]
    .concat();
    for size in [2, 3, 7, 64, 16_384, 65_536] {
        let body = chunks(form.as_bytes(), size);
        let got = receive(&media, &headers(FORM), body, BOUNDS).await.expect("received");
        let kept = std::fs::read(got.incoming.path()).expect("written");
        assert_eq!(kept, file.as_bytes(), "chunks of {size}");
        assert_eq!((got.bytes, got.declared.as_str()), (file.len() as u64, "image/png"));
        let hash = digest::digest(&digest::SHA256, file.as_bytes());
        assert_eq!(got.digest.0, hash.as_ref());
    }
    assert_eq!(left(folder.path()), 0);
}

#[tokio::test]
async fn every_form_that_does_not_hold_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = media(folder.path());
    let file = part("name=\"file\"; filename=\"a\"", "bytes");
    let end = "--B--\r\n";
    let other = part("name=\"other\"; filename=\"a\"", "bytes");
    let headless = format!("--B\r\nA: {}", "x".repeat(1 << 20));
    let cases = [
        ("application/json", "{}".to_owned(), "media.content_type"),
        ("multipart/form-dat", file.clone(), "media.content_type"),
        ("multipart/form-data", format!("{file}{end}"), "media.parse_failed"),
        ("multipart/form-data; boundary=C", format!("{file}{end}"), "media.parse_failed"),
        (FORM, String::new(), "media.empty_body"),
        (FORM, end.to_owned(), "media.missing_file"),
        (FORM, format!("{}{end}", part("name=\"file\"", "bytes")), "media.missing_file"),
        (FORM, format!("{}{end}", part("name=\"f\"", "bytes")), "media.missing_file"),
        (FORM, format!("{other}{file}{end}"), "media.missing_file"),
        (FORM, file.clone(), "media.parse_failed"),
        (FORM, file[..file.len() - 4].to_owned(), "media.parse_failed"),
        (FORM, format!("{file}{}", &other[..40]), "media.parse_failed"),
        (FORM, "--B\r\nContent-Disposition\r\n\r\n".to_owned(), "media.parse_failed"),
        (FORM, "x".repeat(1 << 20), "media.parse_failed"),
        (FORM, headless, "media.parse_failed"),
    ];
    for (kind, body, rule) in cases {
        let shown: String = body.chars().take(60).collect();
        for size in [997, 16_384] {
            let body = chunks(body.as_bytes(), size);
            // An empty body is known to be one when it comes from a connection.
            let got = if rule == "media.empty_body" {
                receive(&media, &headers(kind), Full::new(Bytes::new()), BOUNDS).await
            } else {
                receive(&media, &headers(kind), body, BOUNDS).await
            };
            let fault = got.expect_err(&shown);
            assert_eq!(fault.rule.as_deref(), Some(rule), "{kind}: {shown}");
            assert_eq!(fault.http_status(), 400);
        }
    }
    assert_eq!(left(folder.path()), 0);
    let none = receive(&media, &HeaderMap::new(), Full::new(Bytes::from("x")), BOUNDS).await;
    assert_eq!(none.expect_err("no type").rule.as_deref(), Some("media.content_type"));
}

#[tokio::test]
async fn a_type_is_repeated_only_where_it_can_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = media(folder.path());
    let long = format!("a/{}", "x".repeat(300));
    for (head, expected) in [
        ("", "text/plain"),
        ("\r\nContent-Type: Video/MP4; A=B", "video/mp4; a=b"),
        ("\r\nContent-Type: nonsense", "application/octet-stream"),
        (&*format!("\r\nContent-Type: {long}"), "application/octet-stream"),
    ] {
        // The longer way of writing a filename makes a file too.
        let head = format!("name=\"file\"; filename*=UTF-8''%C3%A4{head}");
        let form = format!("{}--B--\r\n", part(&head, ""));
        let got = receive(&media, &headers(FORM), chunks(form.as_bytes(), 100), BOUNDS).await;
        let got = got.expect("received");
        assert_eq!((got.declared.as_str(), got.bytes), (expected, 0));
    }
}

#[tokio::test]
async fn reading_stops_at_the_first_byte_too_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = media(folder.path());
    let announced = BodyLength(BOUNDS.whole_max() + 1);
    let fault = receive(&media, &headers(FORM), announced, BOUNDS).await.expect_err("too large");
    assert_eq!((fault.http_status(), fault.rule.as_deref()), (413, Some("media.size_max")));
    let mut form: VecDeque<Bytes> = [Bytes::from(part("name=\"file\"; filename=\"a\"", ""))].into();
    let zeroes = Bytes::from(vec![0; 65_536]);
    let needed = usize::try_from(BOUNDS.bytes_max / 65_536).expect("small");
    form.extend(std::iter::repeat_n(zeroes, needed * 2));
    let body = Counted { inner: Ready(form), taken: Arc::default() };
    let taken = Arc::clone(&body.taken);
    let fault = receive(&media, &headers(FORM), body, BOUNDS).await.expect_err("too large");
    assert_eq!((fault.http_status(), fault.rule.as_deref()), (413, Some("media.size_max")));
    let taken = usize::try_from(taken.load(Ordering::Relaxed)).expect("small");
    assert!(taken <= needed + 4, "{taken} chunks of {needed}");
    assert_eq!(left(folder.path()), 0);
}

/// A body that announces a length and must not be read.
struct BodyLength(u64);

impl Body for BodyLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("it was read")
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0)
    }
}

/// Counts the chunks that were taken.
struct Counted {
    inner: Ready,
    taken: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_frame(cx)
    }
}

/// A body that gives what it has and then stands still.
struct Silent(Option<Bytes>);

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn an_upload_that_stands_still_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let media = media(folder.path());
    let head = part("name=\"file\"; filename=\"a\"", "the first bytes");
    let body = Silent(Some(Bytes::from(head)));
    let bounds = Bounds { pause_max: Millis(20), ..BOUNDS };
    let got = receive(&media, &headers(FORM), body, bounds).await;
    let fault = got.expect_err("it stood still");
    assert_eq!((fault.http_status(), fault.rule.as_deref()), (408, Some("body.timeout")));
    assert_eq!(left(folder.path()), 0);
}
