//! What the HTTP parser lets pass and another reader of the same bytes, such as a proxy in front,
//! might read otherwise: it is refused, and nothing that follows it is read.
//!
//! Deliberately absent: what the parser sees to itself. Of two lengths, one has to be a lie, and it
//! refuses both; a length beside chunks it passes over, and closes when that request is answered.

use hyper::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Version};

use crate::model::{Code, Fault};

/// Why a request is not to be read as one.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Fault> {
    let fault = |rule: &str, message: &str, remedy: &str| {
        Some(Fault::new(Code::ValidationFailed, message).rule(rule).remedy(remedy))
    };
    let (uri, headers) = (request.uri(), request.headers());
    let names_a_host_alone = uri.scheme().is_none() && uri.authority().is_some();
    if request.method() == Method::CONNECT || names_a_host_alone {
        return fault(
            "http.target",
            "The request's target is no path of this server.",
            "Send a path that begins with a slash, or a whole address; this is no proxy.",
        );
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let plain = |value: &[u8]| value.eq_ignore_ascii_case(b"chunked");
    let first = codings.next().is_none_or(|one| plain(one.as_bytes()));
    if !first || codings.next().is_some() {
        let fault = fault(
            "http.transfer_encoding",
            "The body is coded in a way that is not understood here.",
            "Send the body as it is, with a Content-Length or as Transfer-Encoding: chunked.",
        );
        return fault.map(|fault| fault.status(501));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let why = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => "The request names its host twice.",
        (Some(host), None) if !is_host(host) => "The Host header names no host.",
        // Before HTTP/1.1 nobody had to say.
        (None, _) if request.version() == Version::HTTP_11 => "The request names no host.",
        _ => return None,
    };
    fault("http.host", why, "Send one Host header with the host and port of this server.")
}

/// Whether it is a host with or without a port; an empty one stands for a target without a host.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.is_empty() || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok())
}
