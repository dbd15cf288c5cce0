//! The load: clients that keep their connection and send the next request when the last one is
//! answered. One thread carries all of them, so that the server has the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::figures::{f, percentile};
use crate::procfs;

/// A request with its body.
pub type Ask = Request<Full<Bytes>>;

/// One client and its connection.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    /// Connects to `http://host:port`.
    pub async fn connect(base: &str) -> Self {
        let host = base.strip_prefix("http://").expect("plain HTTP");
        let stream = tokio::net::TcpStream::connect(host).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.expect("a connection");
        tokio::spawn(connection);
        Self(sender)
    }

    /// Sends and reads the whole answer.
    pub async fn send(&mut self, ask: Ask) -> (u16, Bytes) {
        self.0.ready().await.expect("the connection stays");
        let answer = self.0.send_request(ask).await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.expect("a body").to_bytes())
    }
}

/// A request of the API.
pub fn ask(key: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Ask {
    keyed(key, method, path, None, body)
}

/// The same under an Idempotency-Key.
pub fn keyed(
    key: &str,
    method: &str,
    path: &str,
    idempotency: Option<&str>,
    body: impl Into<Bytes>,
) -> Ask {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "bench")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    if let Some(idempotency) = idempotency {
        request = request.header("idempotency-key", idempotency);
    }
    request.body(Full::new(body.into())).expect("a request")
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After a span; requests under way are finished.
    Elapsed(Duration),
    /// After so many requests in all.
    Count(u64),
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests that were answered.
    pub count: u64,
    /// From the first request to the last answer.
    pub span: Duration,
    /// How long each took.
    pub spans: Vec<Duration>,
    /// The last answer's body.
    pub body: Bytes,
    /// CPU time of this process meanwhile: the clients, and an upstream if there is one.
    pub cpu: Duration,
}

impl Outcome {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        f(self.count) / self.span.as_secs_f64()
    }

    /// A percentile of the spans.
    pub fn at(&mut self, percent: usize) -> Duration {
        percentile(&mut self.spans, percent)
    }
}

/// Runs a load. `make` gives the n-th request of all, which client c sends; each must be answered
/// with `status`.
pub fn load<M>(base: &str, clients: u64, until: Until, status: u16, make: M) -> Outcome
where
    M: Fn(u64, u64) -> Ask + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (make, next) = (std::rc::Rc::new(make), std::rc::Rc::new(std::cell::Cell::new(0)));
    let base: Arc<str> = Arc::from(base);
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async move {
        let mut ready = Vec::new();
        for _ in 0..clients {
            ready.push(Client::connect(&base).await);
        }
        let (began, cpu) = (Instant::now(), procfs::own_cpu());
        let tasks: Vec<_> = (0..clients)
            .zip(ready)
            .map(|(c, mut client)| {
                let (make, next) = (std::rc::Rc::clone(&make), std::rc::Rc::clone(&next));
                tokio::task::spawn_local(async move {
                    let mut done = Outcome::default();
                    loop {
                        let n = next.get();
                        match until {
                            Until::Elapsed(span) if began.elapsed() >= span => break,
                            Until::Count(count) if n >= count => break,
                            Until::Elapsed(_) | Until::Count(_) => next.set(n + 1),
                        }
                        let sent = Instant::now();
                        let (said, body) = client.send(make(c, n)).await;
                        done.spans.push(sent.elapsed());
                        assert_eq!(said, status, "{}", String::from_utf8_lossy(&body));
                        done.body = body;
                    }
                    done
                })
            })
            .collect();
        let mut all = Outcome::default();
        for task in tasks {
            let mut one = task.await.expect("a client ends");
            all.spans.append(&mut one.spans);
            all.body = one.body;
        }
        let (span, cpu) = (began.elapsed(), procfs::own_cpu() - cpu);
        Outcome { count: all.spans.len() as u64, span, cpu, ..all }
    })
}
