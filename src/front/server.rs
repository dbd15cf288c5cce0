//! Accepts connections, reads requests under limits, and stops without cutting anyone off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::arriving::Arriving;
use super::reply::{self, Answer, Words};
use super::roster::{Phase, Roster, Seat, Turn};
use super::socket::{Patience, Refusal, Socket};
use super::stream::AnswerBody;
use crate::model::{Fault, Millis};

/// Bytes of a request's header. hyper's own default is six times as much; nothing of ours is a
/// fraction of it, and a connection that only ever opens costs this at the most.
pub(super) const HEADER_BYTES_MAX: usize = 64 << 10;
/// Connections being told that the house is full. Beyond it they are closed without a word: the
/// telling itself must not become the load.
const TURNED_AWAY_MAX: usize = 64;
/// How long telling it may take.
const TURNED_AWAY_WAIT: Millis = Millis(2_000);
/// The status for who speaks HTTP/2.
const VERSION: u16 = 505;
/// How long accepting pauses when the system has no descriptor left for us.
const ACCEPT_PAUSE: Millis = Millis(50);

/// Limits of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections.
    pub connections_max: usize,
    /// From the first byte of a header to its end.
    pub header_timeout: Millis,
    /// Without a request, or without reading what we write.
    pub idle_timeout: Millis,
    /// For requests under way when the server stops.
    pub drain_timeout: Millis,
}

/// Close the connection without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("answer: the connection is to be closed without one")]
pub struct HangUp;

/// A request on its way to an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, HangUp>> + Send>>;

/// Answers requests.
pub type Service = Arc<dyn Fn(Request<Arriving>) -> Answering + Send + Sync>;

/// The accept loop and what every connection shares.
pub struct Server {
    /// Where connections come from.
    pub listener: TcpListener,
    /// Its limits.
    pub limits: Limits,
    /// What is said where no request was read.
    pub words: Arc<Words>,
    /// Answers requests.
    pub service: Service,
}

impl Server {
    /// Serves until `stop` turns true, then lets requests under way finish for as long as the
    /// limits say. Returns how many were cut off after all.
    pub async fn run(self, stop: watch::Receiver<bool>) -> usize {
        let mut stopped = stop.clone();
        let roster = Roster::new(self.limits.connections_max);
        let turned_away = Arc::new(AtomicUsize::new(0));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = told(&mut stopped) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => match roster.enter() {
                        Some(seat) => {
                            connections.spawn(self.connection(stream, seat, stop.clone()));
                        }
                        None => self.turn_away(stream, &turned_away, &mut connections),
                    },
                    Err(error) => accept_failed(&roster, &error).await,
                },
            }
        }
        // The port is free from here on: a successor may take it while we finish.
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.limits.drain_timeout.as_duration(), drained).await;
        let cut_off = connections.len();
        connections.shutdown().await;
        cut_off
    }

    fn connection(
        &self,
        stream: TcpStream,
        seat: Arc<Seat>,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<> {
        // Answers are written whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let (words, service) = (Arc::clone(&self.words), Arc::clone(&self.service));
        serve_stream(stream, seat, self.limits, words, service, stop)
    }

    fn turn_away(&self, stream: TcpStream, now: &Arc<AtomicUsize>, tasks: &mut JoinSet<()>) {
        if now.fetch_add(1, Ordering::AcqRel) >= TURNED_AWAY_MAX {
            now.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let (words, now) = (Arc::clone(&self.words), Arc::clone(now));
        tasks.spawn(async move {
            let fault = reply::full_house();
            let telling = tell(stream, &words, &fault);
            let _ = tokio::time::timeout(TURNED_AWAY_WAIT.as_duration(), telling).await;
            now.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

/// Serves the one connection there is, whatever carries it, until it ends or `stop` turns true.
pub async fn serve_alone<T>(
    stream: T,
    limits: Limits,
    words: Arc<Words>,
    service: Service,
    stop: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seat = Roster::new(1).enter().expect("nobody else is there");
    serve_stream(stream, seat, limits, words, service, stop).await;
}

async fn serve_stream<T>(
    stream: T,
    seat: Arc<Seat>,
    limits: Limits,
    words: Arc<Words>,
    answering: Service,
    mut stop: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = Patience { header: limits.header_timeout, idle: limits.idle_timeout };
    let refusal: Refusal = Arc::new(move |status| words.raw_refusal(&reply::malformed(status)));
    let socket = Socket::new(stream, Arc::clone(&seat), patience, refusal);
    let service = service(answering, Arc::clone(&seat), stop.clone());
    // Header time is kept by `Socket`, which can tell a late header from an idle client.
    let mut served = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(socket, service);
    let mut stopping = false;
    loop {
        tokio::select! {
            result = &mut served => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection ended early");
                    // The parser leaves it to us whether HTTP/2 is spoken.
                    if error.is_parse_version_h2() {
                        let _ = served.into_parts().io.refuse(VERSION).await;
                    }
                }
                return;
            }
            () = seat.asked_to_leave() => {
                if seat.mark().0 != Phase::Busy || seat.awaits_client() {
                    return;
                }
                Pin::new(&mut served).graceful_shutdown();
            }
            () = told(&mut stop), if !stopping => {
                stopping = true;
                seat.dismiss();
                Pin::new(&mut served).graceful_shutdown();
            }
        }
    }
}

/// Resolves when the server is to stop, or nobody is left to say so.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says why, then reads until the other side closes, so that the words are not lost in a reset.
async fn tell(mut stream: TcpStream, words: &Words, fault: &Fault) -> std::io::Result<()> {
    stream.write_all(&words.raw_refusal(fault)).await?;
    stream.shutdown().await?;
    let mut thrown = [0; 4_096];
    while stream.read(&mut thrown).await? > 0 {}
    Ok(())
}

async fn accept_failed(roster: &Roster, error: &std::io::Error) {
    // A connection that died in the queue is its own end; anything else is a shortage of ours,
    // which an idle connection may end.
    if error.kind() == std::io::ErrorKind::ConnectionAborted {
        return;
    }
    let made_room = roster.make_room();
    tracing::warn!(%error, made_room, open = roster.open(), "cannot accept connections");
    tokio::time::sleep(ACCEPT_PAUSE.as_duration()).await;
}

fn service(
    service: Service,
    seat: Arc<Seat>,
    stop: watch::Receiver<bool>,
) -> impl hyper::service::HttpService<Incoming, ResBody = Reported, Error = HangUp, Future: Send> {
    service_fn(move |request: Request<Incoming>| {
        let turn = seat.begin();
        let waits_to_send = request.headers().contains_key(EXPECT);
        let asked_for = Arc::new(AtomicBool::new(false));
        let (near, heard) = (Arc::clone(&seat), Arc::clone(&asked_for));
        let answering = service(request.map(|body| Arriving::new(body, near, heard)));
        let stop = stop.clone();
        async move {
            let mut answer = answering.await?;
            // A client that asked whether to send its body may send it or not when it is answered
            // instead, so that nobody knows where its next request begins.
            let at_odds = waits_to_send && !asked_for.load(Ordering::Acquire);
            // The connection may not have heard of the stop yet; its client shall, in any case.
            if at_odds || *stop.borrow() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, HangUp>(answer.map(|body| Reported { body, _turn: turn }))
        }
    })
}

/// An answer's body that ends the turn of its connection when it is sent.
pub struct Reported {
    body: AnswerBody,
    _turn: Turn,
}

impl Body for Reported {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
