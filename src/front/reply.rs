//! Answers: the one error envelope, the headers every answer carries, and what is said before
//! there is a request to answer.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::limiter::Allowance;
use super::stream::AnswerBody;
use crate::model::{Code, Dice, Fault, Now, RequestId};
use crate::wire::Links;

/// An answer: its head and what follows.
pub type Answer = Response<AnswerBody>;

/// Renders a fault as the error envelope.
pub type Envelope = fn(&Fault, &RequestId, &Links) -> Vec<u8>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CEILING: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that a page in a browser may read: the contract's, and those it forgot.
const EXPOSED_HEADERS: &str = "X-Request-Id,RateLimit-Limit,RateLimit-Remaining,RateLimit-Reset,\
                               X-RateLimit-Limit,Retry-After,Idempotency-Key,Idempotency-Replayed";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What is needed to say anything: where our pages are, a clock and dice for request ids.
pub struct Words {
    /// Where our pages are.
    pub links: Links,
    /// The clock.
    pub now: Now,
    /// The dice.
    pub dice: Dice,
    /// Requests a window, as `X-RateLimit-Limit` states them.
    pub ceiling: u32,
    /// Renders faults.
    pub envelope: Envelope,
    /// Origins whose pages may read answers in a browser.
    pub origins: Vec<String>,
}

impl Words {
    /// The caller's own request id where it is well formed, else a fresh one.
    pub fn request_id(&self, headers: &HeaderMap) -> RequestId {
        headers
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .and_then(RequestId::from_caller)
            .unwrap_or_else(|| RequestId::fresh((self.now)(), (self.dice)()))
    }

    /// The answer to a request that failed as a whole.
    pub fn refuse(&self, fault: &Fault, id: &RequestId) -> Answer {
        refusal(fault, (self.envelope)(fault, id, &self.links))
    }

    /// Adds the headers that every answer carries. What a browser asks before its request counts
    /// against no limit, so its answer states none.
    pub fn sign(&self, answer: &mut Answer, id: &RequestId) {
        name(answer, id);
        if !answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
            answer.headers_mut().insert(CEILING, HeaderValue::from(self.ceiling));
        }
    }

    /// Lets a browser's page read the answer, if its origin is one of ours.
    pub fn admit_origin(&self, answer: &mut Answer, origin: Option<&HeaderValue>) {
        let headers = answer.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED_HEADERS),
        );
        let ours = origin.filter(|origin| self.origins.iter().any(|own| *origin == own.as_str()));
        if let Some(origin) = ours {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    /// An answer as bytes of HTTP/1.1, for a connection that no request was read from.
    pub fn raw_refusal(&self, fault: &Fault) -> Vec<u8> {
        let id = RequestId::fresh((self.now)(), (self.dice)());
        let body = (self.envelope)(fault, &id, &self.links);
        let status = StatusCode::from_u16(fault.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        let reason = status.canonical_reason().unwrap_or("Refused");
        let retry = match fault.retry_after_s {
            Some(secs) => format!("retry-after: {secs}\r\n"),
            None => String::new(),
        };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\nx-request-id: {id}\r\nx-ratelimit-limit: {}\r\n{retry}\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            status.as_u16(),
            self.ceiling,
            body.len(),
        );
        [head.into_bytes(), body].concat()
    }
}

/// The answer to a request that failed as a whole, with a body that says so.
pub fn refusal(fault: &Fault, body: Vec<u8>) -> Answer {
    let status = fault.http_status();
    let mut answer = json(status, body);
    if let Some(secs) = fault.retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    if matches!(status, 408 | 413) || fault.rule.as_deref().is_some_and(ends_connection) {
        // What is left of the request is not read, so nothing can follow on this connection.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::from(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// What a browser is told when it asks what a page may do.
pub fn browser_preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type,Authorization,Idempotency-Key,X-Request-Id",
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET,POST,PATCH,PUT,DELETE,OPTIONS"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
        (header::VARY, "Access-Control-Request-Headers"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Headers that an answer with all its marks has: room for them is made once.
const HEADERS: usize = 14;

/// A JSON answer.
pub fn json(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AnswerBody::from(body.into()));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().reserve(HEADERS);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Adds what the rate limit says, on success and on refusal alike.
pub fn mark_allowance(answer: &mut Answer, allowance: Allowance) {
    let headers = answer.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(REMAINING, HeaderValue::from(allowance.remaining));
    headers.insert(RESET, HeaderValue::from(allowance.reset_s));
}

/// Names the request that is answered. An error without it passes for the HTTP parser's own.
pub fn name(answer: &mut Answer, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
}

/// Marks an answer that is kept under an `Idempotency-Key`, and one that was kept before.
pub fn mark_kept(answer: &mut Answer, key: &str, replayed: bool) {
    // Latin-1 is allowed in header values, so the key is echoed byte for byte.
    if let Ok(value) = HeaderValue::from_bytes(key.as_bytes()) {
        answer.headers_mut().insert(IDEMPOTENCY_KEY, value);
    }
    if replayed {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// Whether nothing may follow a request that breaks this rule.
fn ends_connection(rule: &str) -> bool {
    matches!(
        rule,
        "server.stopping"
            | "body.incomplete"
            | "http.target"
            | "http.transfer_encoding"
            | "http.host"
    )
}

/// No such path, or no such method on it.
pub fn nowhere(method: &str, path: &str) -> Fault {
    // A long path would fill the answer and the log.
    let shown: String = path.chars().take(200).collect();
    Fault::new(Code::NotFound, format!("There is nothing at {method} {shown}."))
        .rule("http.route")
        .remedy("Check the method and the path; paths have no trailing slash. GET / lists them.")
}

/// Every connection is busy.
pub fn full_house() -> Fault {
    Fault::new(Code::InternalError, "Too many requests are being answered at once.")
        .rule("server.connections_max")
        .remedy("Try again in a second; the operator may raise server.connections_max.")
        .status(503)
        .retry_after(1)
}

/// The server is stopping.
pub fn stopping() -> Fault {
    Fault::new(Code::InternalError, "The server is stopping; nothing of this request was taken.")
        .rule("server.stopping")
        .remedy("Repeat it with the same Idempotency-Key when the server is back.")
        .status(503)
        .retry_after(2)
}

/// What the HTTP parser refuses, by the status it chose.
pub fn malformed(status: u16) -> Fault {
    let (rule, message, remedy) = match status {
        431 => (
            "http.header_max",
            "The header of the request is too large.",
            "Send at most 64 KiB and 100 lines of header.",
        ),
        408 => (
            "http.header_timeout",
            "The header of the request did not arrive in time.",
            "Send it without pauses; server.header_timeout_ms says how long it may take.",
        ),
        414 => (
            "http.uri_max",
            "The path of the request is too long.",
            "Shorten the path or the query.",
        ),
        505 => (
            "http.version",
            "HTTP/2 is not spoken here.",
            "Speak HTTP/1.1, or let a proxy in front of this server speak HTTP/2 to its clients.",
        ),
        _ => (
            "http.malformed",
            "The bytes received are not a well-formed HTTP/1.1 request.",
            "Speak plain HTTP/1.1 here; TLS belongs in front of this server.",
        ),
    };
    Fault::new(Code::ValidationFailed, message).rule(rule).remedy(remedy).status(status)
}

/// A mistake of ours ended the request.
pub fn panicked() -> Fault {
    Fault::new(Code::InternalError, "A mistake of the server ended this request.")
        .rule("server.panic")
        .remedy("Repeat it with the same Idempotency-Key; report the request id to the operator.")
        .retryable()
}
