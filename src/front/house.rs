//! A server on a socket, for tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::ready::{DiskState, Ready};
use super::reply::Words;
use super::server::{Limits, Server, Service};
use crate::engine;
use crate::model::{Fault, Millis, RequestId, Timestamp};
use crate::wire::Links;

/// Bounds a failure; no test that passes waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of its own, in a runtime of its own.
pub(super) struct House {
    pub(super) address: SocketAddr,
    pub(super) stop: watch::Sender<bool>,
    served: Option<std::thread::JoinHandle<usize>>,
}

pub(super) fn limits() -> Limits {
    Limits {
        connections_max: 100,
        header_timeout: Millis(60_000),
        idle_timeout: Millis(60_000),
        drain_timeout: Millis(60_000),
    }
}

pub(super) fn words() -> Words {
    fn envelope(fault: &Fault, id: &RequestId, _: &Links) -> Vec<u8> {
        let rule = fault.rule.as_deref().unwrap_or("none");
        format!("{{\"error\":{{\"rule\":\"{rule}\",\"requestId\":\"{id}\"}}}}").into_bytes()
    }
    Words {
        links: Links { base: "http://localhost".into() },
        now: Arc::new(|| Timestamp::from_millis(1_700_000_000_000)),
        dice: Arc::new(|| 7),
        ceiling: 6_000,
        envelope,
        origins: vec!["https://app.example".to_owned()],
    }
}

/// Readiness that rests on this engine and a disk without an end.
pub(super) fn ready(engine: &engine::Handle) -> Arc<Ready> {
    Arc::new(Ready {
        engine: engine.clone(),
        disk: Arc::new(|| DiskState { free_bytes: Some(u64::MAX), synced: true }),
        free_bytes_min: 0,
        remarks: Arc::new(|| vec!["a remark".to_owned()]),
        now: Arc::new(|| Timestamp::from_millis(1_700_000_000_000)),
        written: Mutex::default(),
    })
}

impl House {
    /// Opens a server that answers with what `service` makes.
    pub(super) fn open(
        limits: Limits,
        service: impl FnOnce(Arc<Words>) -> Service + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let words = Arc::new(words());
                let service = service(Arc::clone(&words));
                Server { listener, limits, words, service }.run(stopped).await
            })
        });
        Self { address, stop, served: Some(served) }
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Sends bytes, reads until the other side closes.
    pub(super) fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may close before it has heard everything; what it said counts.
        let _ = stream.write_all(bytes);
        rest(&mut stream)
    }

    pub(super) fn close(&mut self) -> usize {
        self.stop.send_replace(true);
        self.served.take().expect("closed once").join().expect("the server did not panic")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

pub(super) fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&text)),
        }
    }
    String::from_utf8(text).expect("text")
}

/// Reads one answer with a `content-length` and leaves the connection open.
pub(super) fn one_answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    let mut wanted = usize::MAX;
    while text.len() < wanted {
        stream.read_exact(&mut byte).expect("an answer");
        text.push(char::from(byte[0]));
        if text.ends_with("\r\n\r\n") && wanted == usize::MAX {
            let length = text.split("content-length: ").nth(1).expect("a length");
            let length: usize = length.split("\r\n").next().expect("a line").parse().expect("n");
            wanted = text.len() + length;
        }
    }
    text
}

pub(super) fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}
