//! The HTTP door of the real binary, on real sockets: against clients that keep it waiting, and
//! against bytes that two readers of HTTP may read as two different things.

mod bytes;
mod slow;
#[path = "../support/mod.rs"]
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use support::{Server, start};

/// How long anything may take before it counts as never.
const NEVER: Duration = Duration::from_secs(30);

/// A server with settings of its own.
struct House {
    server: Server,
    _folder: tempfile::TempDir,
}

/// One answer as it stood in the bytes.
#[derive(Debug)]
struct Said {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl House {
    fn open(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = start(&folder.path().join("data"), settings);
        Self { server, _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        let host = self.server.base.strip_prefix("http://").expect("plain HTTP");
        let stream = TcpStream::connect(host).expect("a connection");
        stream.set_read_timeout(Some(NEVER)).expect("a timeout");
        stream
    }

    /// Sends bytes and listens until the server closes; our side stays open.
    fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // It may close before it has heard everything.
        let _ = stream.write_all(bytes);
        rest(&mut stream)
    }
}

/// What is still said up to the end of the connection.
#[track_caller]
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut bytes = [0; 16 << 10];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return heard,
            Ok(count) => heard.extend_from_slice(&bytes[..count]),
            Err(problem) if problem.kind() == ErrorKind::ConnectionReset => return heard,
            Err(problem) => {
                panic!("it does not close ({problem}): {:?}", String::from_utf8_lossy(&heard))
            }
        }
    }
}

/// The answers one after the other. With `heads` they have no bodies.
#[track_caller]
fn answers(mut bytes: &[u8], heads: bool) -> Vec<Said> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let shown = || String::from_utf8_lossy(bytes).into_owned();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no whole head: {}", shown()));
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text").to_owned();
        let status = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {}", shown()));
        let empty = heads || matches!(status, 100 | 204 | 304);
        let length = header(&head, "content-length").filter(|_| !empty);
        let length = length.map_or(0, |text| text.parse().expect("a length"));
        let body = bytes.get(end + 4..end + 4 + length);
        let body = body.unwrap_or_else(|| panic!("cut off: {}", shown())).to_vec();
        bytes = &bytes[end + 4 + length..];
        all.push(Said { status, head, body });
    }
    all
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).next()
}

impl Said {
    /// The rule of a refusal, which has the one shape of all errors.
    #[track_caller]
    fn rule(&self) -> String {
        let shown = || format!("{}\n\n{}", self.head, String::from_utf8_lossy(&self.body));
        assert_eq!(header(&self.head, "content-type"), Some("application/json"), "{}", shown());
        let value: Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", shown()));
        let error = &value["error"];
        for member in ["code", "message", "remediation", "docUrl", "requestId"] {
            assert!(error[member].is_string(), "no {member}: {}", shown());
        }
        assert_eq!(header(&self.head, "x-request-id"), error["requestId"].as_str(), "{}", shown());
        error["rule"].as_str().unwrap_or_default().to_owned()
    }
}
