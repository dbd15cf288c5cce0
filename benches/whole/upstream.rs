//! A platform to measure with: it speaks as much of a Bluesky host and of the directory of its
//! accounts as a publish needs, answers at once or after a set time, and writes down when each post
//! arrived.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// Where a session is made.
const SESSION: &str = "/xrpc/com.atproto.server.createSession";
/// Where a post is put.
pub const PUT: &str = "/xrpc/com.atproto.repo.putRecord";

/// The platform, on a thread of its own until the process ends.
#[derive(Clone)]
pub struct Upstream {
    pub base: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    delay_ms: AtomicU64,
    /// Bytes of the last post's request, and of its answer.
    request_bytes: AtomicUsize,
    answer_bytes: AtomicUsize,
    arrivals: Mutex<Vec<SystemTime>>,
}

impl Upstream {
    /// The one of this run.
    pub fn shared() -> Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(Self::start).clone()
    }

    /// The same, as good as new: it answers at once, and nothing has arrived.
    pub fn fresh() -> Self {
        let one = Self::shared();
        one.answer_after(Duration::ZERO);
        one.take_arrivals();
        one
    }

    /// Starts it on a port of the system's choice.
    fn start() -> Self {
        let seen: Arc<Seen> = Arc::default();
        let (tell, told) = mpsc::channel();
        let served = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("an address")).expect("somebody waits");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    stream.set_nodelay(true).expect("a socket");
                    let seen = Arc::clone(&served);
                    let answers = service_fn(move |request| answer(Arc::clone(&seen), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(http.serve_connection(TokioIo::new(stream), answers));
                }
            });
        });
        let address = told.recv().expect("it listens");
        Self { base: format!("http://{address}"), seen }
    }

    /// How long every post's answer is kept back from now on.
    pub fn answer_after(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).expect("short");
        self.seen.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// When posts arrived since this was last asked, in order.
    pub fn take_arrivals(&self) -> Vec<SystemTime> {
        std::mem::take(&mut self.seen.arrivals.lock().expect("not poisoned"))
    }

    /// How many posts arrived since.
    pub fn arrived(&self) -> usize {
        self.seen.arrivals.lock().expect("not poisoned").len()
    }

    /// Bytes of the last post's request and of its answer.
    pub fn bytes(&self) -> (usize, usize) {
        let of = |size: &AtomicUsize| size.load(Ordering::Relaxed);
        (of(&self.seen.request_bytes), of(&self.seen.answer_bytes))
    }
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = SystemTime::now();
    let path = request.uri().path().to_owned();
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map_or(Bytes::new(), |body| body.to_bytes());
    let said = match path.as_str() {
        SESSION => session(&body),
        PUT => {
            let delay = seen.delay_ms.load(Ordering::Relaxed);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            let said = put(&body);
            seen.request_bytes.store(body.len(), Ordering::Relaxed);
            seen.answer_bytes.store(said.len(), Ordering::Relaxed);
            seen.arrivals.lock().expect("not poisoned").push(arrived);
            said
        }
        did if did.starts_with("/did:plc:") => document(&did[1..], &host),
        _ => {
            let mut unknown = Response::new(Full::new(Bytes::from_static(b"{}")));
            *unknown.status_mut() = hyper::StatusCode::NOT_IMPLEMENTED;
            return Ok(unknown);
        }
    };
    let json = Response::builder().header("content-type", "application/json");
    Ok(json.body(Full::new(Bytes::from(said))).expect("an answer"))
}

fn session(body: &[u8]) -> String {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let handle = asked["identifier"].as_str().unwrap_or_default();
    // The middle says that the session ends in the year 2100.
    let access = "h.eyJleHAiOjQxMDI0NDQ4MDB9.s";
    let did = format!("did:plc:{:a<24}", spelled(handle));
    json!({ "did": did, "handle": handle, "accessJwt": access, "refreshJwt": "r" }).to_string()
}

/// A name in the letters that a DID may have: digits become letters that no name here has.
fn spelled(name: &str) -> String {
    let letter = |c: char| match c {
        '0'..='9' => char::from(b'q' + (u8::try_from(c).unwrap_or(b'0') - b'0')),
        other => other,
    };
    name.chars().map(letter).collect()
}

/// The document that says that an account lives here.
fn document(did: &str, host: &str) -> String {
    let service = json!({ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer",
                          "serviceEndpoint": format!("http://{host}") });
    json!({ "id": did, "service": [service] }).to_string()
}

/// As short as may be: the platform's own work is not what is measured.
fn put(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Put<'a> {
        repo: &'a str,
        rkey: &'a str,
    }
    let put: Put<'_> = serde_json::from_slice(body).expect("a putRecord");
    format!(
        "{{\"uri\":\"at://{}/app.bsky.feed.post/{}\",\"cid\":\"bafyreigd6nq5lh7tlqyx5wyxk6zy\"}}",
        put.repo, put.rkey
    )
}
