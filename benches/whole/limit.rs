//! The limits that are processes: the least that a server or a client of this kind can do, built
//! from the same libraries and laid out as the real one is, in a process of its own.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::upstream::PUT;

/// The first argument of such a process.
pub const WORD: &str = "--limit";

/// A limit's process; it ends when this is dropped.
pub struct Limit {
    child: Child,
    /// Where it listens, if it does.
    pub base: String,
}

impl Limit {
    /// Answers every request with so many bytes.
    pub fn reply(bytes: usize) -> Self {
        Self::start(&["reply", &bytes.to_string()])
    }

    /// Parses a request to publish, sends a post of so many bytes for each of its targets and
    /// answers with so many bytes.
    pub fn publish(upstream: &str, post_bytes: usize, reply_bytes: usize) -> Self {
        Self::start(&["publish", upstream, &post_bytes.to_string(), &reply_bytes.to_string()])
    }

    fn start(words: &[&str]) -> Self {
        let mut child = command(words).stdout(Stdio::piped()).spawn().expect("it is this program");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("it is piped"));
        said.read_line(&mut line).expect("it says where it listens");
        Self { child, base: line.trim().to_owned() }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends so many posts, so many at a time, with nothing around it. Returns when all are answered.
pub fn drain(upstream: &str, posts: u64, at_once: u64, post_bytes: usize) {
    let words =
        ["drain", upstream, &posts.to_string(), &at_once.to_string(), &post_bytes.to_string()];
    let status = command(&words).status().expect("it is this program");
    assert!(status.success(), "the upstream alone fails");
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.arg(WORD).args(words);
    command
}

/// The process itself.
pub fn serve(words: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let number = |place: usize| words[place].parse::<usize>().expect("a number");
    let kind = match words[0].as_str() {
        "reply" => Kind::Reply(filler(number(1))),
        "publish" => Kind::Publish(Publish {
            client: client(),
            url: format!("{}{PUT}", words[1]),
            post: Bytes::from(put_of(number(2))),
            reply: filler(number(3)),
        }),
        _ => {
            let (posts, at_once) = (number(2), number(3));
            let post = Bytes::from(put_of(number(4)));
            let url = format!("{}{PUT}", words[1]);
            runtime.expect("a runtime").block_on(send_all(url, posts, at_once, post));
            return;
        }
    };
    runtime.expect("a runtime").block_on(listen(Arc::new(kind)));
}

enum Kind {
    Reply(Bytes),
    Publish(Publish),
}

struct Publish {
    client: reqwest::Client,
    url: String,
    post: Bytes,
    reply: Bytes,
}

async fn listen(kind: Arc<Kind>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    writeln!(std::io::stdout(), "http://{address}").expect("somebody reads");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let kind = Arc::clone(&kind);
        let answers = service_fn(move |request| answer(Arc::clone(&kind), request));
        let http = hyper::server::conn::http1::Builder::new();
        tokio::spawn(http.serve_connection(TokioIo::new(stream), answers));
    }
}

async fn answer(
    kind: Arc<Kind>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let said = match kind.as_ref() {
        Kind::Reply(said) => said.clone(),
        Kind::Publish(publish) => {
            publish.carry(&body).await;
            publish.reply.clone()
        }
    };
    let json = Response::builder().header("content-type", "application/json");
    Ok(json.body(Full::new(said)).expect("an answer"))
}

impl Publish {
    async fn carry(&self, body: &[u8]) {
        let asked: Value = serde_json::from_slice(body).expect("JSON");
        let targets = asked["targets"].as_array().map_or(1, Vec::len);
        let sent: Vec<_> = (0..targets)
            .map(|_| tokio::spawn(post(self.client.clone(), self.url.clone(), self.post.clone())))
            .collect();
        for one in sent {
            one.await.expect("it is answered");
        }
    }
}

async fn send_all(url: String, posts: usize, at_once: usize, body: Bytes) {
    let client = client();
    let tasks: Vec<_> = (0..at_once)
        .map(|first| {
            let (client, url, body) = (client.clone(), url.clone(), body.clone());
            tokio::spawn(async move {
                for _ in (first..posts).step_by(at_once) {
                    post(client.clone(), url.clone(), body.clone()).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends");
    }
}

async fn post(client: reqwest::Client, url: String, body: Bytes) {
    let sent = client.post(url).header("content-type", "application/json").body(body).send();
    let answer = sent.await.expect("an answer").bytes().await.expect("a body");
    let value: Value = serde_json::from_slice(&answer).expect("JSON");
    assert!(value["uri"].is_string(), "{value}");
}

fn client() -> reqwest::Client {
    // What is sent is plain, but the library wants to know its TLS.
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().expect("a client")
}

/// A `putRecord` of so many bytes.
fn put_of(bytes: usize) -> String {
    let frame = "{\"repo\":\"did:plc:bench\",\"rkey\":\"3kbench\",\"record\":\"\"}";
    let text = "x".repeat(bytes.saturating_sub(frame.len()));
    format!("{{\"repo\":\"did:plc:bench\",\"rkey\":\"3kbench\",\"record\":\"{text}\"}}")
}

fn filler(bytes: usize) -> Bytes {
    Bytes::from(format!("\"{}\"", "x".repeat(bytes.saturating_sub(2))))
}
